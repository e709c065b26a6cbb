#ifndef OPS_WORKER_PARTS_H
#define OPS_WORKER_PARTS_H
/*
 * The parts of the workers' runtime, for one another; worker files include worker.h only.
 *
 *     options   the command line, --help, --describe
 *     config    .env and the settings that the worker needs
 *     signal    being told to stop
 *     session   the connection and its prepared statements
 *     tick      one run at a time, each tick once
 *     stats     what is told to the supervisor and written down
 *
 * Codes are exit codes only where the name says so; everything else is a negative errno.
 */
#include <stdbool.h>
#include <stdint.h>

#include "settings.h"
#include "worker.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_AGAIN = 75,
    EXIT_CONFIG = 78,
};

/* --- options --- */

struct options {
    bool dry_run;
    const char *now; /* --now or NULL */
    int argc;
    char **argv; /* what follows */
};

/* Returns -1 when the worker is to run, else the exit code to leave with: --help and the like were
 * answered on stdout, a mistake was explained on stderr. */
int options_read(const struct worker *w, int argc, char **argv, struct options *ret);

/* --- config --- */

/* Reads .env, checks all settings that the worker needs, and OPS_NOW (or now) and OPS_TICK; logs
 * each problem as one line. Returns 0 or -EBADMSG. Fills now, now_ms and tick of run. */
int config_load(const struct worker *w, const char *now, struct run *run);

/* The settings that a worker needs, once each. Returns how many. */
size_t config_needs(const struct worker *w, const struct setting *ret[static SETTINGS_MAX]);

/* A worker without statements, and no migration to do, has no use for a database. */
bool worker_uses_database(const struct worker *w);

/* --- signal --- */

/* SIGINT and SIGTERM ask to stop, SIGPIPE is ignored, nothing is blocked. Returns 0 or a negative
 * errno. */
int signal_init(void);

/* --- session --- */

/* Connects, with patience for a server that is just restarting, and prepares the statements of the
 * worker and, for a WORKER_RUN, of the tick. Logs a failure. Returns 0 or as db.h. */
int session_open(const struct worker *w, struct run *run);

/* --- tick --- */

struct tick {
    int64_t id; /* of the row in ops.run; 0: none */
    int64_t attempt;
};

int tick_prepare(struct db *db);

/* Compares the clocks of host and database, takes the worker's lock and claims run->tick. Returns 1
 * (claimed), 0 (it is done, nothing to do) or a negative errno, -EAGAIN when another run holds the
 * lock; logs all but 1. */
int tick_claim(const struct worker *w, struct run *run, struct tick *ret);

/* Writes down how the run ended. Returns 0 or as db.h; does not log. */
int tick_finish(struct run *run, const struct tick *tick, int exit_code, const char *error);

/* Lets go of the worker's lock, so that the next run need not wait until the server notices that
 * the connection is closed. */
void tick_release(const struct worker *w, struct run *run);

/* --- stats --- */

enum { STATS_TEXT_MAX = 160 };

/* {"selected":1,...}, as X_STATS and ops.run have it. Returns text. */
const char *stats_json(const struct run_stats *stats, char text[static STATS_TEXT_MAX]);

/* What run_progress tells, now. */
void stats_send(const struct run *run);

/* The last sentence given to run_failed or run_db_failed, "" when there was none. */
const char *failure_text(void);

#endif
