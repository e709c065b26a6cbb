#ifndef COFFEE_H
#define COFFEE_H
/*
 * What the workers of coffee share: owners' secrets, and the pause between two requests.
 */
#include <stdint.h>

#include "err.h"
#include "worker.h"

/* What every worker needs that talks to Vendista. */
#define COFFEE_NEEDS                                                             \
    "DATABASE_URL", "VENDISTA_URL", "VENDISTA_DELAY_MS", "FIELD_ENCRYPTION_KEY", \
        "TELEGRAM_ADMIN_CHAT_ID"

/* Reads FIELD_ENCRYPTION_KEY, which is good: it is checked at start. Once, before what follows. */
void coffee_keys_load(void);

/* A column NAME_encrypted as text, or back; *ret is the caller's to wipe and free (own_secret). A
 * NULL column is NULL. Return 0, -EBADMSG (no key fits), -EIO (no randomness) or -ENOMEM. */
int coffee_decrypt(const char *column, char **ret);
int coffee_encrypt(const char *text, char **ret);

/* Overwrites and frees a secret, which is then NULL; OWN(secret) does it when the scope ends. */
void own_secret(char **secret);

/* The name by which this host's requests to Vendista are counted. */
const char *coffee_host(void);

/* VENDISTA_DELAY_MS in milliseconds, as a parameter of the statement `slot`. */
const char *coffee_delay_text(void);

/* For pauses that are not to be alike. */
uint32_t coffee_random(void);

#endif
