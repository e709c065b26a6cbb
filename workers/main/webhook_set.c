/* Telling Telegram where to send updates, and asking what became of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "main_sql.h"
#include "own.h"
#include "webhook.h"

/* A request that waits for its turn longer than this is better made again later. */
enum { PATIENCE_MS = 5000, TIMEOUT_MS = 10000 };

/* --- settings --- */

bool webhook_is_tunnel(void)
{
    return strcmp(setting_text("WEBHOOK_TYPE"), "SERVEO") == 0;
}

int webhook_check_settings(struct err *reterr)
{
    const char *host = setting_text("WEBHOOK_HOST");
    struct err why = { "" };

    if (!webhook_is_tunnel() && strcmp(setting_text("WEBHOOK_TYPE"), "HOST") != 0)
        return err_set(reterr, -EBADMSG, "WEBHOOK_TYPE: want HOST or SERVEO, got \"%s\"",
                       setting_text("WEBHOOK_TYPE"));
    if (!webhook_is_tunnel() && !*host)
        return err_set(reterr, -EBADMSG,
                       "WEBHOOK_HOST: want the public https address of the gateway, since "
                       "WEBHOOK_TYPE is HOST; or set that to SERVEO");
    if (!webhook_is_tunnel() &&
        (http_check_url(host, &why) < 0 || strlen(host) > WEBHOOK_URL_MAX / 2))
        return err_set(reterr, -EBADMSG, "WEBHOOK_HOST: %s",
                       *why.text ? why.text : "the address is too long");
    return webhook_check_secret(setting_text("WEBHOOK_SECRET"), reterr);
}

/* --- bots --- */

static bool is_token_of(const struct bots *bots, const char *token, const char *const *listed,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(bots_token(bots, listed[i]), token) == 0)
            return true;
    return false;
}

int webhook_open(struct run *run, const char *ret[static WEBHOOK_BOTS_MAX], size_t *ret_n)
{
    const struct bots *bots;
    const char *bot;
    int r;

    r = telegram_ask_open(run);
    if (r < 0)
        return r;
    bots = telegram_ask_bots();
    *ret_n = 0;
    for (size_t i = 0; (bot = bots_name(i)) && *ret_n < WEBHOOK_BOTS_MAX; i++)
        if (!is_token_of(bots, bots_token(bots, bot), ret, *ret_n))
            ret[(*ret_n)++] = bot;
    return 0;
}

/* --- addresses --- */

/* Where the gateway is reached from outside, now: WEBHOOK_HOST, or what the tunneler says. Returns
 * 0, -ENOENT (there is no tunnel) or as db.h, logged. */
static int find_address(struct run *run, char ret[static WEBHOOK_URL_MAX])
{
    OWN_ROWS struct rows rows = { 0 };
    const char *url = setting_text("WEBHOOK_HOST");
    int r = 0;

    if (webhook_is_tunnel()) {
        r = db_run0(run->db, &main_sql[MAIN_SQL_WEBHOOK], &rows);
        if (r < 0)
            return run_db_failed(run, r, "read the tunnel's address");
        url = rows.count ? rows_text(&rows, 0, 1) : NULL;
    }
    if (!url)
        return run_failed(run, -ENOENT,
                          "there is no tunnel; start it: opsctl start webhook_tunneler");
    (void)snprintf(ret, WEBHOOK_URL_MAX, "%s", url);
    return 0;
}

const char *webhook_url(const char *address, const char *bot, char text[static WEBHOOK_URL_MAX])
{
    size_t n = strlen(address);

    while (n && address[n - 1] == '/')
        n--;
    (void)snprintf(text, WEBHOOK_URL_MAX, "%.*s/telegram/%s", (int)n, address, bot);
    return text;
}

/* --- calls --- */

static bool put_kinds(cJSON *body)
{
    cJSON *kinds = cJSON_AddArrayToObject(body, "allowed_updates");
    bool good = kinds;

    for (const char *const *kind = webhook_kinds; good && *kind; kind++)
        good = cJSON_AddItemToArray(kinds, cJSON_CreateString(*kind));
    return good;
}

static int call(struct run *run, const char *bot, const char *method, const cJSON *body,
                struct telegram_answer *ret)
{
    /* Setting the same address twice does no harm. */
    return telegram_ask(run,
                        &(struct telegram_question){ .bot = bot,
                                                     .method = method,
                                                     .body = body,
                                                     .repeatable = true,
                                                     .timeout_ms = TIMEOUT_MS,
                                                     .patience_ms = PATIENCE_MS },
                        ret);
}

int webhook_set(struct run *run, const char *address, const char *bot, bool drop,
                struct telegram_answer *ret)
{
    OWN(json) cJSON *body = cJSON_CreateObject();
    char url[WEBHOOK_URL_MAX];

    /* A secret that is left out is removed, kinds that are left out stay as they were: both are
     * always said. */
    if (!json_put_text(body, "url", webhook_url(address, bot, url)) ||
        !json_put_text(body, "secret_token", setting_text("WEBHOOK_SECRET")) || !put_kinds(body) ||
        (drop && !json_put_bool(body, "drop_pending_updates", true)))
        return run_failed(run, -ENOMEM, "out of memory");
    return call(run, bot, "setWebhook", body, ret);
}

int webhook_info(struct run *run, const char *bot, struct telegram_answer *ret)
{
    return call(run, bot, "getWebhookInfo", NULL, ret);
}

int webhook_each(struct run *run, int (*act)(struct run *run, const char *address, const char *bot))
{
    const char *bots[WEBHOOK_BOTS_MAX];
    char address[WEBHOOK_URL_MAX];
    struct err why = { "" };
    size_t n = 0;
    int r;

    r = webhook_check_settings(&why);
    if (r < 0)
        return run_failed(run, r, why.text);
    r = find_address(run, address);
    if (r == 0)
        r = webhook_open(run, bots, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = act(run, address, bots[i]);
    return r;
}
