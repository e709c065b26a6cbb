/*
 * What Telegram sends: checked, gathered, stored, and only then acknowledged.
 *
 * While one batch is being stored the next one gathers, so batches grow with the load by
 * themselves, and a single update is stored without any delay. An update that is not acknowledged
 * comes again; one that is stored already is acknowledged.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bots.h"
#include "db_array.h"
#include "gateway.h"
#include "gateway_sql.h"
#include "log.h"
#include "own.h"
#include "settings.h"
#include "webhook.h"
#include "worker.h"

enum {
    /* A larger batch is no faster by the update, and those in it wait longer. */
    BATCH_MAX = 500,
    BATCH_BYTES_MAX = 8 << 20,
    /* One is written while the next is on its way. */
    BATCHES_MAX = 2,
    ARRAY_BYTES_MAX = 4 * (BATCH_BYTES_MAX + UPDATE_BYTES_MAX),
};

struct update {
    TAILQ_ENTRY(update) next;
    struct exchange *x; /* held; its body is the update */
    int64_t id;
};
TAILQ_HEAD(update_list, update);

/* One call of main.take_updates that is under way. */
struct batch {
    TAILQ_ENTRY(batch) next;
    struct update_list updates;
    int count;
    uint64_t sent_ns;
};

static struct {
    struct db_stream *stream;
    struct update_list waiting;
    /* Of a batch that PostgreSQL refused: each goes alone, so that one of them is found out. */
    struct update_list suspects;
    TAILQ_HEAD(, batch) under_way;
    int batches;
    struct updates_counts counts;
    struct err refused; /* what PostgreSQL said last, once for as long as it does */
} all;

/* --- one update --- */

static bool is_wanted(const cJSON *update)
{
    for (const char *const *kind = webhook_kinds; *kind; kind++)
        if (json_get(update, *kind))
            return true;
    return false;
}

static bool read_id(const cJSON *update, int64_t *ret)
{
    const cJSON *id = json_get(update, "update_id");

    return cJSON_IsNumber(id) && json_get_id(update, "update_id", ret) == 0;
}

static void acknowledge(struct exchange *x)
{
    exchange_json(x, "{\"ok\":true}");
}

static void refuse(struct exchange *x, const char *why)
{
    all.counts.refused++;
    log_warn("an update was refused", LOG_TEXT("bot", x->name), LOG_TEXT("reason", why));
    exchange_error(x, MHD_HTTP_BAD_REQUEST, "%s", why);
}

static void not_stored(struct exchange *x)
{
    all.counts.failed++;
    exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "the database does not answer; send the update again later");
}

static void gather(struct exchange *x, int64_t id)
{
    struct update *update = updates_ready() ? calloc(1, sizeof *update) : NULL;

    if (!update) {
        not_stored(x);
        return;
    }
    exchange_hold(x);
    update->x = x;
    update->id = id;
    TAILQ_INSERT_TAIL(&all.waiting, update, next);
}

void update_take(struct exchange *x)
{
    OWN(json) cJSON *json = NULL;
    struct err why = { "" };
    int64_t id;

    if (bots_place(x->name) < 0) {
        exchange_error(x, MHD_HTTP_NOT_FOUND, "no such bot; see shared/bots.h");
        return;
    }
    if (json_parse(x->body.p ? x->body.p : "", x->body.len, &json, &why) < 0) {
        refuse(x, why.text);
    } else if (!cJSON_IsObject(json) || !read_id(json, &id)) {
        refuse(x, "want an update: a JSON object with a whole number update_id");
    } else if (!is_wanted(json)) {
        all.counts.dropped++;
        acknowledge(x);
    } else {
        x->body.len = json_strip_nul(x->body.p, x->body.len);
        gather(x, id);
    }
}

/* --- batches --- */

static void update_free(struct update_list *list, struct update *update)
{
    TAILQ_REMOVE(list, update, next);
    exchange_release(update->x);
    free(update);
}

static void end_batch(struct batch *batch)
{
    TAILQ_REMOVE(&all.under_way, batch, next);
    all.batches--;
    while (!TAILQ_EMPTY(&batch->updates))
        update_free(&batch->updates, TAILQ_FIRST(&batch->updates));
    free(batch);
}

static void acknowledge_all(struct batch *batch, int64_t new)
{
    struct update *update;

    all.counts.stored += (uint64_t) new;
    all.counts.duplicates += (uint64_t)(batch->count - new);
    all.counts.batches++;
    all.counts.batch_us += (uv_hrtime() - batch->sent_ns) / 1000;
    TAILQ_FOREACH (update, &batch->updates, next)
        acknowledge(update->x);
}

static void fail_all(struct update_list *updates)
{
    struct update *update;

    TAILQ_FOREACH (update, updates, next)
        not_stored(update->x);
}

/* A value that PostgreSQL does not take (a lone surrogate, a number beyond numeric). */
static void find_out(struct batch *batch, const char *why)
{
    struct update *update = TAILQ_FIRST(&batch->updates);

    if (batch->count == 1)
        refuse(update->x, why);
    else
        TAILQ_CONCAT(&all.suspects, &batch->updates, next);
}

static void tell_refused(const char *error)
{
    if (strcmp(error, all.refused.text) == 0)
        return;
    if (*error)
        log_warn("cannot store updates", LOG_TEXT("error", error));
    else
        log_info("updates are stored again");
    (void)err_set(&all.refused, 0, "%s", error);
}

static void stored(void *tag, const struct db_batch *answer)
{
    struct batch *batch = tag;

    if (answer->code == 0) {
        tell_refused("");
        acknowledge_all(batch, rows_int(&answer->rows[0], 0, 0));
    } else if (answer->code == -EINVAL) {
        find_out(batch, answer->error);
    } else {
        tell_refused(answer->error);
        fail_all(&batch->updates);
    }
    end_batch(batch);
    updates_step();
}

static struct batch *batch_new(struct update_list *from, int most)
{
    struct batch *batch = calloc(1, sizeof *batch);
    struct update *update;
    size_t bytes = 0;

    if (!batch)
        return NULL;
    TAILQ_INIT(&batch->updates);
    while ((update = TAILQ_FIRST(from)) && batch->count < most && bytes < BATCH_BYTES_MAX) {
        TAILQ_REMOVE(from, update, next);
        TAILQ_INSERT_TAIL(&batch->updates, update, next);
        batch->count++;
        bytes += update->x->body.len;
    }
    batch->sent_ns = uv_hrtime();
    TAILQ_INSERT_TAIL(&all.under_way, batch, next);
    all.batches++;
    return batch;
}

static void send_batch(struct batch *batch)
{
    OWN_BUF struct buf bots = { 0 }, ids = { 0 }, payloads = { 0 };
    struct update *update;

    buf_init(&bots, ARRAY_BYTES_MAX);
    buf_init(&ids, ARRAY_BYTES_MAX);
    buf_init(&payloads, ARRAY_BYTES_MAX);
    TAILQ_FOREACH (update, &batch->updates, next) {
        array_add_text(&bots, update->x->name);
        array_add_int(&ids, update->id);
        array_add_text(&payloads, update->x->body.p);
    }
    DB_STREAM_ADD(all.stream, &sql[SQL_TAKE], array_end(&bots), array_end(&ids),
                  array_end(&payloads));
    db_stream_send(all.stream, stored, batch);
}

void updates_step(void)
{
    while (all.batches < BATCHES_MAX && updates_ready()) {
        bool alone = !TAILQ_EMPTY(&all.suspects);
        struct update_list *from = alone ? &all.suspects : &all.waiting;
        struct batch *batch = TAILQ_EMPTY(from) ? NULL : batch_new(from, alone ? 1 : BATCH_MAX);

        if (!batch)
            return;
        send_batch(batch);
    }
}

/* --- life --- */

static void connected(void *unused)
{
    (void)unused;
    log_info("storing updates");
}

static void fail_list(struct update_list *list)
{
    fail_all(list);
    while (!TAILQ_EMPTY(list))
        update_free(list, TAILQ_FIRST(list));
}

static void lost(void *unused, const char *why)
{
    (void)unused;
    log_warn("the connection to the database is lost; updates are refused until it is back",
             LOG_TEXT("error", why));
    while (!TAILQ_EMPTY(&all.under_way)) {
        fail_all(&TAILQ_FIRST(&all.under_way)->updates);
        end_batch(TAILQ_FIRST(&all.under_way));
    }
    fail_list(&all.suspects);
    fail_list(&all.waiting);
}

static void notified(void *unused, const char *payload)
{
    (void)unused;
    (void)payload;
}

int updates_open(uv_loop_t *loop, struct err *reterr)
{
    const struct db_stream_options options = {
        .conninfo = setting_text("DATABASE_URL"),
        .name = "main/gateway",
        .prepare = { { sql, SQL_COUNT } },
        .ready = connected,
        .lost = lost,
        .notified = notified,
    };

    TAILQ_INIT(&all.waiting);
    TAILQ_INIT(&all.suspects);
    TAILQ_INIT(&all.under_way);
    if (db_stream_open(loop, &options, &all.stream) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

void updates_close(void)
{
    if (!all.stream)
        return;
    db_stream_close(TAKE(all.stream));
    while (!TAILQ_EMPTY(&all.under_way))
        end_batch(TAILQ_FIRST(&all.under_way));
    fail_list(&all.suspects);
    fail_list(&all.waiting);
}

bool updates_ready(void)
{
    return db_stream_is_ready(all.stream);
}

const struct updates_counts *updates_counts(void)
{
    return &all.counts;
}
