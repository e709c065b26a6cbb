#ifndef OPS_WEBHOOK_H
#define OPS_WEBHOOK_H
/*
 * What the gateway, which receives updates, and those who tell Telegram where to send them agree
 * on.
 */
#include <stdbool.h>
#include <stddef.h>

#include "telegram_ask.h"

/* The kinds of updates that are wanted (allowed_updates); ends with NULL. */
extern const char *const webhook_kinds[];

/* Returns 0, or -EBADMSG when it is not what secret_token may be: 1 to 256 of A-Z a-z 0-9 _ -
 * (core.telegram.org/bots/api#setwebhook). */
int webhook_check_secret(const char *secret, struct err *reterr);

/* By what /healthz is known as ours, to whoever has the same WEBHOOK_SECRET: 32 hex digits of
 * HMAC-SHA-256, which tell nothing of the secret. Returns text. */
enum { WEBHOOK_MARK_MAX = 33 };
const char *webhook_mark(const char *secret, char text[static WEBHOOK_MARK_MAX]);

/* --- for those who set it (main.sql, TELEGRAM_ASK_NEEDS, WEBHOOK_NEEDS) --- */

#define WEBHOOK_NEEDS "WEBHOOK_TYPE", "WEBHOOK_HOST", "WEBHOOK_SECRET"

enum { WEBHOOK_BOTS_MAX = 8, WEBHOOK_URL_MAX = 512 };

/* Reads the tokens (telegram_ask_open) and lists the bots that have a webhook: of those with the
 * same token the first, since Telegram knows one address a token. Returns 0 or a negative errno,
 * logged. */
int webhook_open(struct run *run, const char *ret[static WEBHOOK_BOTS_MAX], size_t *ret_n);

/* Checks WEBHOOK_TYPE, WEBHOOK_HOST and WEBHOOK_SECRET. Returns 0 or -EBADMSG. */
int webhook_check_settings(struct err *reterr);
bool webhook_is_tunnel(void);

/* The URL of a bot's webhook; returns text. */
const char *webhook_url(const char *address, const char *bot, char text[static WEBHOOK_URL_MAX]);

/* setWebhook with secret and kinds; drop: what waits is forgotten, in the same call. Returns as
 * telegram_ask. */
int webhook_set(struct run *run, const char *address, const char *bot, bool drop,
                struct telegram_answer *ret);

/* getWebhookInfo. Returns as telegram_ask. */
int webhook_info(struct run *run, const char *bot, struct telegram_answer *ret);

/* For a command: acts for each bot of webhook_open at the gateway's present address, until one
 * fails. Returns 0, -EBADMSG (settings), -ENOENT (there is no tunnel), as webhook_open or db.h, or
 * what act returned; all of them logged, as act's are by act. */
int webhook_each(struct run *run,
                 int (*act)(struct run *run, const char *address, const char *bot));

#endif
