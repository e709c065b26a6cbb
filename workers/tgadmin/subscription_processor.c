/*
 * subscription_processor: warns of the end of a paid access, and ends it.
 *
 * Selects   with --what warnings, purchases that end within 7 days or 1 day and whose buyer was not
 *           told; with --what expiry, those that are over; without, both. SUBSCRIPTION_BATCH at a
 *           time.
 * Does      nothing outside of the database.
 * Records   the warning, or status expired and the deletion of what was delivered, each with its
 *           messages in one statement.
 */
#include <errno.h>
#include <string.h>

#include "subscription_processor_sql.h"
#include "worker.h"

static int warn_batch(struct run *run, int *ret_count)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_WARN], &rows, run->now, setting_text("SUBSCRIPTION_BATCH"),
               setting_text("TGADMIN_TZ"));
    if (r < 0)
        return run_db_failed(run, r, "warn of the end of accesses");
    *ret_count = (int)rows_int(&rows, 0, 0);
    run->stats.enqueued += rows_int(&rows, 0, 1);
    return 0;
}

static int expire_batch(struct run *run, int *ret_count)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_EXPIRE], &rows, run->now, setting_text("SUBSCRIPTION_BATCH"));
    if (r < 0)
        return run_db_failed(run, r, "end accesses");
    *ret_count = (int)rows_int(&rows, 0, 0);
    run->stats.enqueued += rows_int(&rows, 0, 1);
    if (rows_int(&rows, 0, 2) > 0)
        log_info("delivered messages are too old to be deleted",
                 LOG_INT("messages", rows_int(&rows, 0, 2)));
    return 0;
}

/* clang-format off */
static const struct {
    const char *what, *done;
    int (*batch)(struct run *run, int *ret_count);
} jobs[] = {
    { "warnings", "warned of the end of accesses", warn_batch },
    { "expiry",   "accesses ended", expire_batch },
};
/* clang-format on */

/* Each batch is a transaction of its own, and what it marked is not selected again. */
static int all_batches(struct run *run, size_t job)
{
    int64_t before = run->stats.changed;
    int count = 1, r = 0;

    while (r == 0 && count > 0 && !run_stopping(run)) {
        r = jobs[job].batch(run, &count);
        if (r == 0) {
            run->stats.selected += count;
            run->stats.changed += count;
            run_progress(run);
        }
    }
    if (r == 0)
        log_info(jobs[job].done, LOG_INT("count", run->stats.changed - before));
    return r;
}

/* -1 for all of them, -EDOM when it is none. */
static int job_of(const char *what)
{
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        if (strcmp(jobs[i].what, what) == 0)
            return (int)i;
    return -EDOM;
}

static int subscription_processor(struct run *run)
{
    static const char option[] = "--what=";
    int job = -EDOM, r = 0;

    if (run->argc == 0)
        job = -1;
    else if (run->argc == 2 && strcmp(run->argv[0], "--what") == 0)
        job = job_of(run->argv[1]);
    else if (run->argc == 1 && strncmp(run->argv[0], option, sizeof option - 1) == 0)
        job = job_of(run->argv[0] + sizeof option - 1);
    if (job == -EDOM)
        return run_failed(run, -EDOM, "want --what warnings, --what expiry, or neither for both");
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs && r == 0; i++)
        if (job < 0 || (size_t)job == i)
            r = all_batches(run, i);
    return r;
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "subscription_processor",
    .about = "warn of the end of paid accesses, and end them",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL", "SUBSCRIPTION_BATCH", "TGADMIN_TZ"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = subscription_processor,
    .arguments = "[--what warnings|expiry]",
    .arguments_tell_apart = true,
};
