/*
 * Preloaded into a worker, this is what lies outside of the machine: names below .test are this
 * host while the file OUTSIDE_NAMES exists, and cannot be resolved when it does not; the only
 * authority that is trusted is the certificate in the file OUTSIDE_CA.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_outside(const char *name)
{
    size_t n = name ? strlen(name) : 0;

    return n > strlen(".test") && strcmp(name + n - strlen(".test"), ".test") == 0;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

    if (!is_outside(name))
        return real(name, service, hints, ret);
    if (access(getenv("OUTSIDE_NAMES"), F_OK) < 0)
        return EAI_AGAIN;
    return real("127.0.0.1", service, hints, ret);
}

/* Where Debian's libcurl finds all authorities; OpenSSL opens it by fopen(3). */
static FILE *open_instead(const char *symbol, const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, symbol);
    const char *ca = getenv("OUTSIDE_CA");

    return real(ca && strcmp(path, "/etc/ssl/certs/ca-certificates.crt") == 0 ? ca : path, mode);
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    return open_instead("fopen", path, mode);
}

FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    return open_instead("fopen64", path, mode);
}
