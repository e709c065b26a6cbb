/*
 * One run of a worker at a time, on whatever host, and each tick done once.
 *
 * The advisory lock belongs to the session, so it goes when the process, the host or the connection
 * dies; ops.run says whether the tick still is to be done.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instant.h"
#include "worker_parts.h"
#include "worker_sql.h"

enum { NAME_TEXT_MAX = 256, LOCK_NAME_MAX = NAME_TEXT_MAX + 64, HOST_MAX = 256, NUMBER_MAX = 24 };

/* What is due is decided by this host's clock, and other hosts rely on it. */
enum { CLOCKS_APART_MAX_MS = 5 * 60 * 1000 };

int tick_prepare(struct db *db)
{
    return db_prepare(db, sql, SQL_COUNT);
}

/* As it is in ops.run: "schedule_imports --what daily" where arguments tell runs apart. */
static const char *run_name(const struct worker *w, const struct run *run,
                            char name[static NAME_TEXT_MAX])
{
    size_t n;

    (void)snprintf(name, NAME_TEXT_MAX, "%s", w->name);
    for (int i = 0; w->arguments_tell_apart && i < run->argc; i++) {
        n = strlen(name);
        (void)snprintf(name + n, NAME_TEXT_MAX - n, " %s", run->argv[i]);
    }
    return name;
}

static void report_holder(const struct worker *w, struct run *run, const char *lock)
{
    OWN_ROWS struct rows rows = { 0 };
    char name[NAME_TEXT_MAX];
    int r;

    r = db_run(run->db, &sql[SQL_HOLDER], &rows, lock, w->app, run_name(w, run, name));
    if (r < 0 || !rows.count) {
        /* It was let go of just now, or cannot be seen: still not ours. */
        (void)run_failed(run, -EAGAIN, "another run of this worker was under way");
        return;
    }
    log_warn("another run of this worker is under way", LOG_TEXT("host", rows_text(&rows, 0, 0)),
             LOG_INT("pid", rows_int(&rows, 0, 1)), LOG_TEXT("since", rows_text(&rows, 0, 2)));
}

static void lock_name(const struct worker *w, const struct run *run,
                      char lock[static LOCK_NAME_MAX])
{
    char name[NAME_TEXT_MAX];

    (void)snprintf(lock, LOCK_NAME_MAX, "ops.run/%s/%s", w->app, run_name(w, run, name));
}

static int take_lock(const struct worker *w, struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    char lock[LOCK_NAME_MAX];
    int r;

    lock_name(w, run, lock);
    r = db_run(run->db, &sql[SQL_LOCK], &rows, lock);
    if (r < 0)
        return run_db_failed(run, r, "cannot take the lock of this worker");
    if (rows_bool(&rows, 0, 0))
        return 0;
    report_holder(w, run, lock);
    return -EAGAIN;
}

void tick_release(const struct worker *w, struct run *run)
{
    char lock[LOCK_NAME_MAX];

    lock_name(w, run, lock);
    (void)db_run(run->db, &sql[SQL_UNLOCK], NULL, lock);
}

static int check_clock(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int64_t ahead_ms;
    int r;

    if (run->now_given)
        return 0;
    r = db_run0(run->db, &sql[SQL_CLOCK], &rows);
    if (r < 0)
        return run_db_failed(run, r, "cannot ask for the time");
    ahead_ms = instant_now() - rows_int(&rows, 0, 0);
    if (llabs(ahead_ms) <= CLOCKS_APART_MAX_MS)
        return 0;
    (void)err_set(&why, 0, "the clock of this host is %lld s %s the database's; set both by NTP",
                  (long long)llabs(ahead_ms) / 1000, ahead_ms > 0 ? "ahead of" : "behind");
    return run_failed(run, -EAGAIN, why.text);
}

int tick_claim(const struct worker *w, struct run *run, struct tick *ret)
{
    OWN_ROWS struct rows rows = { 0 };
    char name[NAME_TEXT_MAX], host[HOST_MAX] = "", pid[NUMBER_MAX];
    int r;

    r = check_clock(run);
    if (r == 0)
        r = take_lock(w, run);
    if (r < 0)
        return r;
    /* A longer name is cut; POSIX leaves open whether it then ends. */
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    r = db_run(run->db, &sql[SQL_CLAIM], &rows, w->app, run_name(w, run, name), run->tick, host,
               pid);
    if (r < 0)
        return run_db_failed(run, r, "cannot claim the tick");
    if (!rows.count) {
        log_info("nothing to do: this tick is done", LOG_TEXT("tick", run->tick));
        tick_release(w, run);
        return 0;
    }
    *ret = (struct tick){ .id = rows_int(&rows, 0, 0), .attempt = rows_int(&rows, 0, 1) };
    if (ret->attempt > 1)
        log_info("taking over a tick that was not finished", LOG_TEXT("tick", run->tick),
                 LOG_INT("attempt", ret->attempt));
    return 1;
}

int tick_finish(struct run *run, const struct tick *tick, int exit_code, const char *error)
{
    char id[NUMBER_MAX], attempt[NUMBER_MAX], code[NUMBER_MAX], stats[STATS_TEXT_MAX];

    (void)snprintf(id, sizeof id, "%" PRId64, tick->id);
    (void)snprintf(attempt, sizeof attempt, "%" PRId64, tick->attempt);
    (void)snprintf(code, sizeof code, "%d", exit_code);
    return db_run(run->db, &sql[SQL_FINISH], NULL, id, attempt, code,
                  stats_json(&run->stats, stats), error);
}
