/*
 * Statements on behalf of requests, on a connection of their own, so that a slow list of jobs keeps
 * no update waiting.
 */
#include <errno.h>
#include <stdlib.h>

#include "gateway.h"
#include "gateway_sql.h"
#include "limits.h"
#include "log.h"
#include "own.h"
#include "settings.h"
#include "worker.h"

enum { PRUNE_MS = 600000, PRUNE_AGAIN_MS = 100 };
/* Rows of one deletion; see `prune`. */
#define PRUNE_ROWS "5000"
/* Of a statement, in milliseconds: nobody waits longer for its answer. */
#define STATEMENT_MS "4500"

struct asked {
    TAILQ_ENTRY(asked) next;
    struct exchange *x;
    ask_done *done;
};

static struct {
    struct db_stream *stream;
    uv_timer_t prune;
    TAILQ_HEAD(, asked) under_way;
} all;

static void forget(struct asked *asked)
{
    TAILQ_REMOVE(&all.under_way, asked, next);
    exchange_release(asked->x);
    free(asked);
}

static void no_database(struct exchange *x)
{
    exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "the database does not answer; see opsctl logs gateway");
}

static void answered(void *tag, const struct db_batch *batch)
{
    struct asked *asked = tag;

    asked->done(asked->x, batch->code == 0 ? &batch->rows[1] : NULL);
    if (batch->code == -EEXIST) {
        exchange_error(asked->x, MHD_HTTP_CONFLICT,
                       "an open job of the queue has the same dedup_key");
    } else if (batch->code < 0) {
        log_warn("a statement failed", LOG_TEXT("error", batch->error));
        no_database(asked->x);
    }
    forget(asked);
}

void ask(struct exchange *x, const struct statement *statement, const char *const *params, size_t n,
         ask_done *done)
{
    struct asked *asked = db_stream_is_ready(all.stream) ? calloc(1, sizeof *asked) : NULL;

    if (!asked) {
        done(x, NULL);
        no_database(x);
        return;
    }
    exchange_hold(x);
    asked->x = x;
    asked->done = done;
    TAILQ_INSERT_TAIL(&all.under_way, asked, next);
    DB_STREAM_ADD(all.stream, &sql[SQL_LIMIT], STATEMENT_MS);
    db_stream_add(all.stream, statement, params, n);
    db_stream_send(all.stream, answered, asked);
}

static void noted(void *unused, const struct db_batch *batch)
{
    (void)unused;
    if (batch->code < 0)
        log_warn("the audit log lacks a row, going on", LOG_TEXT("error", batch->error));
}

void ask_note(const struct statement *statement, const char *const *params, size_t n)
{
    if (!db_stream_is_ready(all.stream)) {
        log_warn("the audit log lacks a row, going on", LOG_TEXT("error", "no database"));
        return;
    }
    DB_STREAM_ADD(all.stream, &sql[SQL_LIMIT], STATEMENT_MS);
    db_stream_add(all.stream, statement, params, n);
    db_stream_send(all.stream, noted, NULL);
}

/* --- old updates --- */

static void pruned(void *tag, const struct db_batch *batch)
{
    (void)tag;
    if (batch->code < 0)
        log_warn("cannot clear away old updates", LOG_TEXT("error", batch->error));
    else if (batch->rows[0].affected > 0)
        (void)uv_timer_set_repeat(&all.prune, PRUNE_AGAIN_MS);
    else
        (void)uv_timer_set_repeat(&all.prune, PRUNE_MS);
    (void)uv_timer_again(&all.prune);
}

static void prune(uv_timer_t *timer)
{
    uv_timer_set_repeat(timer, PRUNE_MS);
    if (!db_stream_is_ready(all.stream))
        return;
    DB_STREAM_ADD(all.stream, &sql[SQL_PRUNE], PRUNE_ROWS);
    db_stream_send(all.stream, pruned, NULL);
}

/* --- life --- */

static void connected(void *unused)
{
    (void)unused;
    (void)uv_timer_start(&all.prune, prune, PRUNE_AGAIN_MS, PRUNE_MS);
}

/* The updates' connection says why. */
static void lost(void *unused, const char *why)
{
    (void)unused;
    (void)why;
    while (!TAILQ_EMPTY(&all.under_way)) {
        struct asked *asked = TAILQ_FIRST(&all.under_way);

        asked->done(asked->x, NULL);
        no_database(asked->x);
        forget(asked);
    }
}

static void notified(void *unused, const char *payload)
{
    (void)unused;
    (void)payload;
}

int ask_open(uv_loop_t *loop, struct err *reterr)
{
    const struct db_stream_options options = {
        .conninfo = setting_text("DATABASE_URL"),
        .name = "main/gateway api",
        .prepare = { { sql, SQL_COUNT } },
        .ready = connected,
        .lost = lost,
        .notified = notified,
    };

    TAILQ_INIT(&all.under_way);
    (void)uv_timer_init(loop, &all.prune);
    if (db_stream_open(loop, &options, &all.stream) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

void ask_close(void)
{
    if (!all.stream)
        return;
    db_stream_close(TAKE(all.stream));
    lost(NULL, "");
    uv_close((uv_handle_t *)&all.prune, NULL);
}
