/* Which token a bot has: its own before the default one, the database before the environment. */
#include "bots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bots_sql.h"
#include "fernet.h"
#include "own.h"

/* The default bot is the first. */
/* clang-format off */
static const struct {
    const char *bot, *variable;
} names[] = {
    { "",            "TELEGRAM_BOT_TOKEN" },
    { "shop",        "TELEGRAM_BOT_TOKEN_SHOP" },
    { "coffee",      "TELEGRAM_BOT_TOKEN_COFFEE" },
    { "billing",     "TELEGRAM_BOT_TOKEN_BILLING" },
    { "tgadmin",     "TELEGRAM_BOT_TOKEN_TGADMIN" },
    { "ozhivlyator", "TELEGRAM_BOT_TOKEN_OZHIVLYATOR" },
};
/* clang-format on */

enum { BOTS = sizeof names / sizeof *names };

_Static_assert((int)BOTS <= (int)BOTS_MAX, "every bot has a place");

int bots_place(const char *bot)
{
    for (int i = 0; i < BOTS; i++)
        if (strcmp(names[i].bot, bot) == 0)
            return i;
    return -1;
}

const char *bots_name(size_t i)
{
    return i + 1 < BOTS ? names[i + 1].bot : NULL;
}

struct bots {
    char *tokens[BOTS]; /* from the database; NULL: none */
};

void bots_free(struct bots *bots)
{
    if (!bots)
        return;
    for (size_t i = 0; i < BOTS; i++)
        free(bots->tokens[i]);
    free(bots);
}

static int decrypt(const char *key, const char *value, char **ret, struct err *reterr)
{
    /* Optional as a whole, so it is not among the settings that a worker needs. */
    const char *list = getenv("FIELD_ENCRYPTION_KEY");
    struct fernet fernet;
    size_t n;
    int r;

    if (!list || fernet_keys_parse(list, &fernet) < 0)
        return err_set(
            reterr, -EBADMSG,
            "tgadmin.settings holds %s: FIELD_ENCRYPTION_KEY, with which it was encrypted, "
            "is needed to read it",
            key);
    r = fernet_decrypt(&fernet, value, NULL, ret, &n);
    if (r == -EBADMSG)
        return err_set(reterr, r,
                       "tgadmin.settings: %s does not decrypt with FIELD_ENCRYPTION_KEY: it is no "
                       "Fernet token of these keys; `opsctl encrypt` makes one",
                       key);
    return r < 0 ? err_set(reterr, r, "out of memory") : 0;
}

static int decrypt_all(const struct rows *rows, struct bots *bots, struct err *reterr)
{
    int r = 0;

    for (int row = 0; r == 0 && row < rows->count; row++)
        for (size_t i = 0; r == 0 && i < BOTS; i++)
            if (strcmp(names[i].variable, rows_text(rows, row, 0)) == 0)
                r = decrypt(names[i].variable, rows_text(rows, row, 1), &bots->tokens[i], reterr);
    return r;
}

int bots_load(struct run *run, struct bots **ret)
{
    OWN_ROWS struct rows rows = { 0 };
    struct bots *bots;
    struct err why = { "out of memory" };
    int r;

    r = db_prepare(run->db, sql, SQL_COUNT);
    if (r == 0)
        r = db_run0(run->db, &sql[SQL_TOKENS], &rows);
    if (r < 0)
        return run_db_failed(run, r, "read the bots' tokens");
    bots = calloc(1, sizeof *bots);
    r = bots ? decrypt_all(&rows, bots, &why) : -ENOMEM;
    if (r < 0) {
        bots_free(bots);
        return run_failed(run, r, why.text);
    }
    *ret = bots;
    return 0;
}

static const char *token_of(const struct bots *bots, int i)
{
    return bots->tokens[i] ? bots->tokens[i] : setting_text(names[i].variable);
}

const char *bots_token(const struct bots *bots, const char *bot)
{
    int i = bots_place(bot);

    if (i < 0)
        return NULL;
    return *token_of(bots, i) ? token_of(bots, i) : token_of(bots, 0);
}

void bots_dead_alert(const char *bot, const char *why, struct bots_alert *ret)
{
    (void)snprintf(ret->name, sizeof ret->name, "bot-dead:%.40s", bot);
    (void)snprintf(ret->text, sizeof ret->text,
                   "Telegram не принимает токен бота «%s» (%s): его сообщения ждут. Проверьте "
                   "токен и TELEGRAM_API_URL.",
                   *bot ? bot : "по умолчанию", why);
}
