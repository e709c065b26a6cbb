#ifndef OPS_BOTS_H
#define OPS_BOTS_H
/*
 * The bots and their tokens.
 *
 * A bot is named as in ops.job.bot: shop, coffee, billing, tgadmin, ozhivlyator, or "" for the
 * default one, which stands in for those that have no token of their own. A token in the database
 * (ops.bot_setting, encrypted) wins over the same variable of the environment. Tokens are in no
 * log.
 */
#include <stddef.h>

#include "worker.h"

/* What a worker that uses bots needs, for WORKER_NEEDS. FIELD_ENCRYPTION_KEY is asked for only when
 * the database holds tokens. */
#define BOTS_NEEDS                                                                               \
    "TELEGRAM_API_URL", "TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_TOKEN_SHOP",                         \
        "TELEGRAM_BOT_TOKEN_COFFEE", "TELEGRAM_BOT_TOKEN_BILLING", "TELEGRAM_BOT_TOKEN_TGADMIN", \
        "TELEGRAM_BOT_TOKEN_OZHIVLYATOR"

/* The bots that have a name, in the order of their table; NULL after the last. */
const char *bots_name(size_t i);

/* A bot's place among all of them, from 0 and below BOTS_MAX; -1: there is no such bot. */
enum { BOTS_MAX = 8 };
int bots_place(const char *bot);

struct bots;

/* Reads the tokens of the database, once a connection. Returns 0, -EBADMSG (one cannot be
 * decrypted), -ENOMEM or as db.h; logs why. */
int bots_load(struct run *run, struct bots **ret);
void bots_free(struct bots *bots);

/* NULL when there is no such bot. */
const char *bots_token(const struct bots *bots, const char *bot);

/* What administrators are told when Telegram refuses a bot's token, for ops.alert: under one name
 * whoever notices it. why is Telegram's sentence. */
struct bots_alert {
    char name[64], text[1024];
};
void bots_dead_alert(const char *bot, const char *why, struct bots_alert *ret);

#endif
