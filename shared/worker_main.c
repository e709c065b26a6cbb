/*
 * main() of every worker: settings, connection, the tick, the run, and what came of it as the exit
 * code. worker.h says what a worker may rely on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "notify.h"
#include "worker_parts.h"

/* clang-format off */
static const struct {
    int code;
    enum exit_code exit_code;
} exit_codes[] = {
    { 0,        EXIT_DONE },
    { -EAGAIN,  EXIT_AGAIN },
    { -EBADMSG, EXIT_CONFIG },
    { -EDOM,    EXIT_USAGE },
};
/* clang-format on */

static enum exit_code exit_code_of(int code)
{
    for (size_t i = 0; i < sizeof exit_codes / sizeof *exit_codes; i++)
        if (exit_codes[i].code == code)
            return exit_codes[i].exit_code;
    return EXIT_FAILED;
}

static int open_http(struct run *run)
{
    int limit = worker.in_flight_setting ? (int)setting_int(worker.in_flight_setting)
                                         : worker.in_flight;
    struct err why = { "" };
    int r;

    if (!limit)
        return 0;
    r = http_open(limit, &run->http, &why);
    if (r < 0)
        return run_failed(run, r, why.text);
    http_set_stop_fd(run->http, worker_stop_fd());
    return 0;
}

static int open_database(struct run *run)
{
    int r;

    if (!worker_uses_database(&worker))
        return 0;
    r = session_open(&worker, run);
    if (r < 0 || !run->dry_run)
        return r;
    r = db_dry_run(run->db);
    return r < 0 ? run_db_failed(run, r, "cannot begin the dry run") : 0;
}

/* The words for ops.run when the worker gave none. */
static const char *reason_of(int code)
{
    return *failure_text() ? failure_text() : strerror(-code);
}

/* Turns what run returned into what the run came to. */
static int judge(struct run *run, int r)
{
    /* A worker that failed inside of its transaction need not have rolled back. */
    if (run->db && !db_lost(run->db))
        (void)db_rollback(run->db);
    if (run->db && db_lost(run->db))
        return run_failed(run, -EAGAIN, "the connection to the database is lost");
    if (r == 0 && worker_stopping() && worker.kind == WORKER_RUN)
        return run_failed(run, -EAGAIN, "told to stop before the end; the rest is left");
    return r;
}

/* A dry run leaves no trace, so it has nothing to write down. */
static int record(struct run *run, const struct tick *tick, int r)
{
    int recorded;

    if (run->dry_run || !tick->id)
        return r;
    recorded = tick_finish(run, tick, exit_code_of(r), r < 0 ? reason_of(r) : NULL);
    return recorded < 0 ? run_db_failed(run, -EAGAIN, "cannot record the end of the run") : r;
}

static void report(const struct run *run, int r, int64_t took_ms)
{
    const struct run_stats *stats = &run->stats;
    const char *what = r < 0          ? "ended"
                       : run->dry_run ? "dry run: this would have changed, and was rolled back"
                                      : "done";

    if (worker.kind == WORKER_COMMAND && !run->dry_run)
        return;
    log_info(what, LOG_INT("selected", stats->selected), LOG_INT("changed", stats->changed),
             LOG_INT("enqueued", stats->enqueued), LOG_INT("failed", stats->failed),
             LOG_INT("ms", took_ms), LOG_INT("exit_code", exit_code_of(r)));
}

/* Everything between a connection and its end; returns what the run came to. */
static int run_once(struct run *run)
{
    uint64_t start_ms = monotonic_now_ms();
    struct tick tick = { 0 };
    int r;

    if (worker.kind == WORKER_RUN && !worker.unmigrated) {
        r = tick_claim(&worker, run, &tick);
        if (r <= 0)
            return r;
    }
    if (!worker.tells_ready)
        (void)notify_send("READY=1");
    r = worker.run(run);
    (void)notify_send("STOPPING=1");
    stats_send(run);
    r = judge(run, r);
    r = record(run, &tick, r);
    if (tick.id)
        tick_release(&worker, run);
    report(run, r, (int64_t)(monotonic_now_ms() - start_ms));
    return r;
}

int main(int argc, char **argv)
{
    struct run run = { 0 };
    struct options options;
    int code, r;

    code = options_read(&worker, argc, argv, &options);
    if (code >= 0)
        return code;
    run.dry_run = options.dry_run;
    run.argc = options.argc;
    run.argv = options.argv;
    r = signal_init();
    if (r == 0)
        r = config_load(&worker, options.now, &run);
    if (r == 0 && worker.check)
        r = worker.check(&run);
    if (r == 0)
        r = open_http(&run);
    if (r == 0)
        r = open_database(&run);
    if (r == 0)
        r = run_once(&run);
    http_close(run.http);
    db_close(run.db);
    return (int)exit_code_of(r);
}
