/*
 * The connection of a worker, with its statements prepared: a schema that does not fit stops the
 * worker at its start and not on a rare path.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "instant.h"
#include "limits.h"
#include "own.h"
#include "worker_parts.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MOST_MS = 2000, NAME_TEXT_MAX = 128 };

/* Whom run_reconnect connects again. */
static const struct worker *opened_for;

/* Pauses between half of and the whole of ms, so that thirty workers do not come back as one.
 * Returns false once told to stop. */
static bool pause_with_jitter(int ms)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return worker_pause(ms / 2 + now.tv_nsec % (ms / 2));
}

static int prepare_all(const struct worker *w, struct run *run)
{
    int r = 0;

    if (w->unmigrated)
        return 0;
    if (w->kind == WORKER_RUN)
        r = tick_prepare(run->db);
    if (r == 0)
        r = db_prepare(run->db, w->sql, w->sql_count);
    if (r == 0)
        r = db_prepare(run->db, w->app_sql, w->app_sql_count);
    if (r == -EAGAIN && !db_lost(run->db))
        return run_db_failed(run, r, "the database is not migrated yet; run main/migrate");
    return r < 0 ? run_db_failed(run, r, "cannot prepare the statements") : 0;
}

/* Tries for patience_ms, or for as long as it takes when that is 0. */
static int connect_with_patience(const struct worker *w, struct db **ret, uint64_t patience_ms,
                                 struct err *reterr)
{
    uint64_t start_ms = monotonic_now_ms();
    char name[NAME_TEXT_MAX];
    int pause_ms = PAUSE_FIRST_MS;
    int r;

    (void)snprintf(name, sizeof name, "%s/%s", w->app, w->name);
    for (;;) {
        r = db_open(setting_text("DATABASE_URL"), name, worker_stop_fd(), ret, reterr);
        /* libpq keeps the SQLSTATE of a refusal to itself: each may pass. */
        if (r == 0 || r == -EBADMSG || r == -ENOMEM)
            return r;
        if (patience_ms && monotonic_now_ms() - start_ms + (unsigned)pause_ms > patience_ms)
            return -EAGAIN;
        if (!pause_with_jitter(pause_ms))
            return -EAGAIN;
        pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
    }
}

static int open_and_prepare(const struct worker *w, struct run *run, uint64_t patience_ms)
{
    struct err why = { "" }, named;
    int r;

    r = connect_with_patience(w, &run->db, patience_ms, &why);
    if (r < 0) {
        (void)err_set(&named, r, "DATABASE_URL: %s", why.text);
        return run_failed(run, r, named.text);
    }
    return prepare_all(w, run);
}

int session_open(const struct worker *w, struct run *run)
{
    opened_for = w;
    return open_and_prepare(w, run, DB_CONNECT_PATIENCE_MS);
}

int run_reconnect(struct run *run)
{
    int r;

    assert(opened_for && opened_for->kind == WORKER_SERVICE);
    do {
        db_close(TAKE(run->db));
        r = open_and_prepare(opened_for, run, 0);
        /* A schema that is gone is not waited for here: the supervisor shows what waits. */
    } while (r == -EAGAIN && pause_with_jitter(PAUSE_MOST_MS) && db_lost(run->db));
    return r;
}
