#ifndef OPS_WEBHOOK_H
#define OPS_WEBHOOK_H
/*
 * What the gateway, which receives updates, and those who tell Telegram where to send them agree
 * on.
 */
#include <stddef.h>

#include "err.h"

/* The kinds of updates that are wanted (allowed_updates); ends with NULL. */
extern const char *const webhook_kinds[];

/* Returns 0, or -EBADMSG when it is not what secret_token may be: 1 to 256 of A-Z a-z 0-9 _ -
 * (core.telegram.org/bots/api#setwebhook). */
int webhook_check_secret(const char *secret, struct err *reterr);

/* By what /healthz is known as ours, to whoever has the same WEBHOOK_SECRET: 32 hex digits of
 * HMAC-SHA-256, which tell nothing of the secret. Returns text. */
enum { WEBHOOK_MARK_MAX = 33 };
const char *webhook_mark(const char *secret, char text[static WEBHOOK_MARK_MAX]);

#endif
