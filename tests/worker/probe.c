/*
 * probe: a worker for tests of the runtime; it does what its arguments say, one after the other.
 *
 * Built as a run, with -DPROBE_KIND=WORKER_SERVICE as a service, and with -DPROBE_APART=true as one
 * whose arguments tell its runs apart, by tests/test_worker.py.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "probe_sql.h"
#include "worker.h"

#ifndef PROBE_KIND
#define PROBE_KIND WORKER_RUN
#endif
#ifndef PROBE_APART
#define PROBE_APART false
#endif

typedef int step_do(struct run *run);

static int touch(struct run *run)
{
    int r;

    r = db_begin(run->db);
    if (r == 0)
        r = db_run(run->db, &sql[SQL_TOUCH], NULL, "1");
    if (r == 0)
        r = db_commit(run->db);
    if (r < 0)
        return run_db_failed(run, r, "cannot touch");
    run->stats.changed++;
    run_progress(run);
    return 0;
}

/* The same row again, which is refused: the second one alone must be undone. */
static int touch_twice(struct run *run)
{
    int r;

    (void)db_run(run->db, &sql[SQL_TOUCH], NULL, "2");
    r = db_run(run->db, &sql[SQL_TOUCH], NULL, "2");
    log_info("second touch", LOG_INT("exists", r == -EEXIST), LOG_TEXT("error", db_error(run->db)));
    return 0;
}

static int touch_and_roll_back(struct run *run)
{
    int r;

    r = db_begin(run->db);
    if (r == 0)
        r = db_run(run->db, &sql[SQL_TOUCH], NULL, "3");
    return r == 0 ? db_rollback(run->db) : r;
}

static int wait_for_stop(struct run *run)
{
    struct pollfd stop = { .fd = worker_stop_fd(), .events = POLLIN };

    log_info("waiting");
    while (!run_stopping(run))
        (void)poll(&stop, 1, -1);
    return 0;
}

static int wait_in_server(struct run *run)
{
    log_info("waiting");
    return db_run0(run->db, &sql[SQL_WAIT_IN_SERVER], NULL);
}

static int lose_connection(struct run *run)
{
    return db_run0(run->db, &sql[SQL_LOSE_CONNECTION], NULL);
}

static int reconnect(struct run *run)
{
    int r;

    (void)lose_connection(run);
    log_info("lost", LOG_INT("lost", db_lost(run->db)));
    r = run_reconnect(run);
    return r < 0 ? r : touch(run);
}

static int show(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run0(run->db, &sql[SQL_SESSION], &rows);
    if (r < 0)
        return run_db_failed(run, r, "cannot show");
    log_info("shown", LOG_TEXT("now", run->now), LOG_INT("now_ms", run->now_ms),
             LOG_TEXT("tick", run->tick), LOG_TEXT("application", rows_text(&rows, 0, 0)),
             LOG_TEXT("zone", rows_text(&rows, 0, 1)),
             LOG_TEXT("shop", setting_text("YOOKASSA_SHOP_ID")),
             LOG_INT("window", setting_int("BILLING_MATCH_WINDOW")),
             LOG_INT("concurrency", setting_int("BILLING_CONCURRENCY")));
    return 0;
}

static int fail(struct run *run)
{
    return run_failed(run, -EIO, "as it was told");
}

static int fail_inside(struct run *run)
{
    int r;

    r = db_begin(run->db);
    return r < 0 ? r : db_run(run->db, &sql[SQL_TOUCH], NULL, "not a number");
}

static int wrong_usage(struct run *run)
{
    return run_failed(run, -EDOM, "wrong arguments");
}

/* clang-format off */
static const struct {
    const char *word;
    step_do *step;
} steps[] = {
    { "touch",           touch },
    { "touch-twice",     touch_twice },
    { "touch-roll-back", touch_and_roll_back },
    { "wait",            wait_for_stop },
    { "wait-in-server",  wait_in_server },
    { "lose",            lose_connection },
    { "reconnect",       reconnect },
    { "show",            show },
    { "fail",            fail },
    { "fail-inside",     fail_inside },
    { "wrong-usage",     wrong_usage },
};
/* clang-format on */

static int probe_run(struct run *run)
{
    int r = 0;

    for (int i = 0; i < run->argc && r == 0; i++)
        for (size_t s = 0; s < sizeof steps / sizeof *steps && r == 0; s++)
            if (strcmp(steps[s].word, run->argv[i]) == 0)
                r = steps[s].step(run);
    return r;
}

const struct worker worker = {
    .app = "test",
    .name = "probe",
    .about = "does what its arguments say",
    .kind = PROBE_KIND,
    .needs = WORKER_NEEDS("YOOKASSA_SHOP_ID", "YOOKASSA_SECRET_KEY", "YOOKASSA_URL",
                          "BILLING_MATCH_WINDOW", "BILLING_TZ"),
    .in_flight_setting = "BILLING_CONCURRENCY",
    .sql = sql,
    .sql_count = SQL_COUNT,
    .arguments = "STEP...",
    .arguments_tell_apart = PROBE_APART,
    .run = probe_run,
};
