/*
 * Owners' secrets, and the pause between two requests.
 */
#include "coffee.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fernet.h"
#include "instant.h"

/* Linux's limit is 64. */
enum { HOST_MAX = 256 };

static struct fernet keys;

void coffee_keys_load(void)
{
    (void)fernet_keys_parse(setting_text("FIELD_ENCRYPTION_KEY"), &keys);
}

int coffee_decrypt(const char *column, char **ret)
{
    size_t n;

    if (!column) {
        *ret = NULL;
        return 0;
    }
    return fernet_decrypt(&keys, column, NULL, ret, &n);
}

int coffee_encrypt(const char *text, char **ret)
{
    return fernet_encrypt(&keys, text, strlen(text), instant_now() / 1000, ret);
}

void own_secret(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

const char *coffee_host(void)
{
    static char host[HOST_MAX];

    if (!*host && gethostname(host, sizeof host - 1) < 0)
        return "unknown";
    return host;
}

const char *coffee_delay_text(void)
{
    static char text[24];

    (void)snprintf(text, sizeof text, "%lld", (long long)setting_int("VENDISTA_DELAY_MS"));
    return text;
}

uint32_t coffee_random(void)
{
    uint32_t random = 0;

    /* Without randomness pauses are only more alike. */
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return random;
}
