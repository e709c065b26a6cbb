/* The JSON API: what was asked for, and the answer's status. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway.h"
#include "gateway_sql.h"
#include "main_sql.h"
#include "order.h"
#include "own.h"
#include "settings.h"
#include "text.h"
#include "webhook.h"
#include "worker.h"

/* Who acts by the API, as the audit log has it: whoever has the token. */
static const char ACTOR[] = "api";

/* --- health --- */

void health(struct exchange *x)
{
    OWN_BUF struct buf body = { 0 };
    char mark[WEBHOOK_MARK_MAX];
    bool stores = updates_ready();

    buf_init(&body, API_BYTES_MAX);
    (void)buf_printf(&body, "{\"status\":\"%s\",\"instance\":\"%s\"}",
                     stores ? "ok" : "the database does not answer",
                     webhook_mark(setting_text("WEBHOOK_SECRET"), mark));
    exchange_answer(x, stores ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "application/json",
                    &body);
}

/* --- workers --- */

/* opsd's codes (supervisor/commands.h) as HTTP has them. */
static int status_of(int code)
{
    static const struct {
        int code, status;
    } codes[] = {
        { -EAGAIN, MHD_HTTP_SERVICE_UNAVAILABLE },
        { -32602, MHD_HTTP_BAD_REQUEST },
        { -32003, MHD_HTTP_CONFLICT },
        { -32004, MHD_HTTP_NOT_FOUND },
        { -32005, MHD_HTTP_FORBIDDEN },
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].code == code)
            return codes[i].status;
    return MHD_HTTP_BAD_GATEWAY;
}

static void tell_fleet(struct exchange *x, const struct fleet_answer *answer)
{
    OWN(free) char *text = answer->result ? cJSON_PrintUnformatted(answer->result) : NULL;

    if (answer->code)
        exchange_error(x, status_of(answer->code), "%s",
                       answer->error ? answer->error : "opsd refused");
    else
        exchange_json(x, text);
}

void api_workers(struct exchange *x)
{
    fleet_ask(x, "workers_stat", cJSON_CreateObject(), STORE_MS, tell_fleet);
}

static bool is_worker(const cJSON *fleet, const char *name)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, json_get(fleet, "workers"))
    {
        const char *known = json_get_text(row, "name");

        if (known && strcmp(known, name) == 0)
            return true;
    }
    return false;
}

static void restart(struct exchange *x, const struct rows *unused)
{
    cJSON *params, *names;

    (void)unused;
    /* Answered while it was noted: the gateway is stopping. */
    if (x->status)
        return;
    params = cJSON_CreateObject();
    names = cJSON_AddArrayToObject(params, "names");
    (void)cJSON_AddItemToArray(names, cJSON_CreateString(x->name));
    fleet_ask(x, "restart", params, RESTART_MS, tell_fleet);
}

static void note_restart(struct exchange *x, const struct fleet_answer *fleet)
{
    if (fleet->code)
        tell_fleet(x, fleet);
    else if (!is_worker(fleet->result, x->name))
        exchange_error(x, MHD_HTTP_NOT_FOUND, "no worker has this name: see GET /api/workers");
    else
        /* Before: it may be the gateway that is restarted. */
        ASK_NOTE(x, &sql[SQL_RESTARTS], restart, x->name);
}

/* To opsd a name may also be that of an app, an id, or all; here one worker is meant. */
void api_restart(struct exchange *x)
{
    fleet_ask(x, "workers_stat", cJSON_CreateObject(), STORE_MS, note_restart);
}

/* --- queues --- */

static void tell_json(struct exchange *x, const struct rows *rows)
{
    if (rows)
        exchange_json(x, rows_text(rows, 0, 0));
}

void api_queues(struct exchange *x)
{
    ask(x, &sql[SQL_QUEUES], NULL, 0, tell_json);
}

static bool is_state(const char *word)
{
    static const char *const states[] = { "available", "running", "done", "dead", "cancelled" };

    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(word, states[i]) == 0)
            return true;
    return false;
}

void api_jobs(struct exchange *x)
{
    static const char fallback[] = "100";
    enum { LIMIT_MAX = 1000 };
    const char *queue = exchange_argument(x, "queue"), *state = exchange_argument(x, "state");
    const char *limit = exchange_argument(x, "limit");
    int64_t number;

    if (state && !is_state(state))
        exchange_error(x, MHD_HTTP_BAD_REQUEST,
                       "state: want available, running, done, dead or cancelled");
    else if (limit && text_to_int(limit, 1, LIMIT_MAX, &number) < 0)
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "limit: want a whole number from 1 to %d",
                       LIMIT_MAX);
    else if (queue && !text_is_utf8(queue, strlen(queue)))
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "queue: want UTF-8 text");
    else
        ASK(x, &main_sql[MAIN_SQL_JOBS], tell_json, queue, state, limit ? limit : fallback,
            JOBS_LOOK_BACK);
}

static void tell_state(struct exchange *x, const char *member, const char *state)
{
    OWN_BUF struct buf body = { 0 };

    buf_init(&body, API_BYTES_MAX);
    (void)buf_printf(&body, "{\"id\":%s,\"%s\":\"%s\"}", x->name, member, state);
    exchange_json(x, body.p);
}

/* Reads the number in the path, and writes it as JSON has numbers: without zeros before it. */
static bool read_number(struct exchange *x, const char *want)
{
    int64_t id;

    if (text_to_int(x->name, 1, INT64_MAX, &id) < 0) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "%s", want);
        return false;
    }
    (void)snprintf(x->name, sizeof x->name, "%" PRId64, id);
    return true;
}

static void tell_changed(struct exchange *x, const struct rows *rows)
{
    const char *state = NULL;
    struct err why;
    int r;

    if (!rows)
        return;
    r = order_outcome(rows, x->name, &state, &why);
    if (r < 0)
        exchange_error(x, r == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_CONFLICT, "%s", why.text);
    else
        tell_state(x, "state", state);
}

static void change_job(struct exchange *x, const struct statement *statement)
{
    if (read_number(x, "want the number of a job: see GET /api/jobs"))
        ASK(x, statement, tell_changed, x->name, ACTOR);
}

void api_retry(struct exchange *x)
{
    change_job(x, &main_sql[MAIN_SQL_RETRY]);
}

void api_cancel(struct exchange *x)
{
    change_job(x, &main_sql[MAIN_SQL_CANCEL]);
}

static void tell_added(struct exchange *x, const struct rows *rows)
{
    OWN_BUF struct buf body = { 0 };

    if (!rows)
        return;
    buf_init(&body, API_BYTES_MAX);
    (void)buf_printf(&body, "{\"success\":true,\"id\":%s}", rows_text(rows, 0, 0));
    exchange_json(x, body.p);
}

void api_add(struct exchange *x)
{
    OWN(json) cJSON *json = NULL;
    OWN(free) char *payload = NULL;
    struct order order;
    struct err why = { "" };

    if (json_parse(x->body.p ? x->body.p : "", x->body.len, &json, &why) < 0) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "%s", why.text);
        return;
    }
    order = (struct order){
        .queue = json_get_text(json, "queue"),
        .kind = json_get_text(json, "kind"),
        .bot = json_get_text(json, "bot"),
        .payload = json_get(json, "payload"),
    };
    if (!order.queue || !order.kind) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST,
                       "want {\"queue\":\"bot-tasks\",\"kind\":\"sync-groups\",\"payload\":{}}");
    } else if (order_check(&order, &why) < 0) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "%s", why.text);
    } else {
        payload = cJSON_PrintUnformatted(order.payload);
        if (payload)
            ASK(x, &main_sql[MAIN_SQL_ADD], tell_added, order.queue, order.kind, payload, order.bot,
                ACTOR);
        else
            exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory; try again later");
    }
}

/* --- purchases --- */

static void tell_paid(struct exchange *x, const struct rows *rows)
{
    enum { COL_STATE, COL_REFUSAL };
    const char *state = rows ? rows_text(rows, 0, COL_STATE) : NULL;

    if (rows && rows_text(rows, 0, COL_REFUSAL))
        exchange_error(x, state ? MHD_HTTP_CONFLICT : MHD_HTTP_NOT_FOUND, "%s",
                       rows_text(rows, 0, COL_REFUSAL));
    else if (rows)
        tell_state(x, "status", state);
}

void api_purchase_paid(struct exchange *x)
{
    if (read_number(x, "want the number of a purchase"))
        ASK(x, &sql[SQL_PURCHASE_PAID], tell_paid, x->name);
}

/* --- coffee --- */

void api_tasks(struct exchange *x)
{
    const char *user = exchange_argument(x, "user_id");
    int64_t id;

    if (!user || text_to_int(user, 1, INT64_MAX, &id) < 0)
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "user_id: want a whole number from 1");
    else
        ASK(x, &sql[SQL_TASKS], tell_json, user);
}

static void tell_reset(struct exchange *x, const struct rows *rows)
{
    if (!rows || rows->count)
        tell_json(x, rows);
    else
        exchange_error(x, MHD_HTTP_NOT_FOUND, "there is no such user");
}

void api_reset_payment_status(struct exchange *x)
{
    OWN(json) cJSON *json = NULL;
    struct err why = { "" };
    char text[24];
    int64_t id;

    if (json_parse(x->body.p ? x->body.p : "", x->body.len, &json, &why) < 0) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "%s", why.text);
    } else if (!cJSON_IsObject(json) || json_get_id(json, "userId", &id) < 0 || id < 1) {
        exchange_error(x, MHD_HTTP_BAD_REQUEST, "want {\"userId\":N}, N a whole number from 1");
    } else {
        (void)snprintf(text, sizeof text, "%" PRId64, id);
        ASK(x, &sql[SQL_RESET_PAYMENT_STATUS], tell_reset, text);
    }
}
