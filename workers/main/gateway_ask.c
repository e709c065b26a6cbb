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
#include "main_sql.h"
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
    bool is_note;
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

/* What is noted goes on without a database; who asks has no answer then. */
static void failed(struct exchange *x, ask_done *done, bool is_note, const char *why)
{
    if (is_note)
        log_warn("the audit log lacks a row, going on", LOG_TEXT("error", why));
    done(x, NULL);
    if (!is_note)
        no_database(x);
}

static void answered(void *tag, const struct db_batch *batch)
{
    struct asked *asked = tag;

    if (batch->code == 0) {
        asked->done(asked->x, &batch->rows[1]);
    } else if (batch->code == -EEXIST) {
        asked->done(asked->x, NULL);
        exchange_error(asked->x, MHD_HTTP_CONFLICT,
                       "an open job of the queue has the same dedup_key");
    } else {
        if (!asked->is_note)
            log_warn("a statement failed", LOG_TEXT("error", batch->error));
        failed(asked->x, asked->done, asked->is_note, batch->error);
    }
    forget(asked);
}

static void send_asked(const struct asked *what, const struct statement *statement,
                       const char *const *params, size_t n)
{
    struct asked *asked = db_stream_is_ready(all.stream) ? calloc(1, sizeof *asked) : NULL;

    if (!asked) {
        failed(what->x, what->done, what->is_note, "no database");
        return;
    }
    *asked = *what;
    exchange_hold(asked->x);
    TAILQ_INSERT_TAIL(&all.under_way, asked, next);
    DB_STREAM_ADD(all.stream, &sql[SQL_LIMIT], STATEMENT_MS);
    db_stream_add(all.stream, statement, params, n);
    db_stream_send(all.stream, answered, asked);
}

void ask(struct exchange *x, const struct statement *statement, const char *const *params, size_t n,
         ask_done *done)
{
    send_asked(&(struct asked){ .x = x, .done = done }, statement, params, n);
}

void ask_note(struct exchange *x, const struct statement *statement, const char *const *params,
              size_t n, ask_done *done)
{
    send_asked(&(struct asked){ .x = x, .done = done, .is_note = true }, statement, params, n);
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

        failed(asked->x, asked->done, asked->is_note, "the connection is lost");
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
        .prepare = { { sql, SQL_COUNT }, { main_sql, MAIN_SQL_COUNT } },
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
