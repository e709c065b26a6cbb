#ifndef OPS_WORKER_H
#define OPS_WORKER_H
/*
 * What a worker is: one constant that says who it is, what it needs and what one run does.
 *
 * worker_main.c has main(): it reads the command line, collects the configuration (all that is
 * missing is listed at once, exit 78), connects, prepares the statements, claims the tick, calls
 * run, records the outcome and turns it into the exit code. A worker file says only what differs.
 *
 * Exit codes: 0 done (run returned 0), 75 try again later (-EAGAIN), 78 configuration
 * (-EBADMSG from a worker's own check of its settings), 2 usage (-EDOM from a worker's own check of
 * its arguments), 1 anything else. A run that a signal cut short is 75, whatever run returned: its
 * tick is not done, and whoever comes next takes it over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db.h"
#include "http.h"
#include "log.h"

enum worker_kind {
    WORKER_RUN,     /* does what is due and ends; claims its tick in ops.run */
    WORKER_SERVICE, /* goes on until told to stop */
    WORKER_COMMAND, /* typed by a person: no tick, no lock; arguments after the options */
};

struct run;

struct worker {
    const char *app, *name;
    const char *about; /* one sentence, for --help and --describe */
    enum worker_kind kind;
    const char *const *needs;    /* names from settings.h, ends with NULL */
    const struct statement *sql; /* of NAME.sql: the generated sql[], SQL_COUNT */
    size_t sql_count;
    const struct statement *app_sql; /* of APP.sql, which the app's workers share; or NULL */
    size_t app_sql_count;
    int in_flight;                 /* HTTP requests at a time; 0: makes none */
    const char *in_flight_setting; /* or the setting that says so */
    bool unmigrated;               /* main/migrate only: no statement is prepared, no tick */
    bool tells_ready;              /* says READY=1 itself, later than when run is called */
    int (*check)(struct run *run); /* of its arguments, before it connects or locks; or NULL */
    int (*run)(struct run *run);   /* 0 or a negative errno, see above */
    const char *also;          /* a WORKER_COMMAND's other names, with spaces between; or NULL */
    const char *arguments;     /* what may stand beside the options, for --help ("[--what WHAT]");
                                  another word that begins with -- is refused; NULL: nothing may */
    bool arguments_tell_apart; /* with other arguments it does something else, which has a lock
                                  and ticks of its own: "NAME --what daily" in ops.run */
};

/* Defined once by each worker file. */
extern const struct worker worker;

#define WORKER_NEEDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* What the worker did, shown by `opsctl stat` (X_STATS) and kept in ops.run. */
struct run_stats {
    int64_t selected, changed, enqueued, failed;
};

struct run {
    struct db *db;
    struct http *http; /* NULL when the worker makes no requests */
    const char *now;   /* RFC 3339, fixed for the whole run; for SQL parameters */
    int64_t now_ms;
    int64_t started_ms; /* by the host's clock, before anything else */
    uint64_t begun_ms;  /* the same by monotonic_now_ms, which nobody sets back */
    bool now_given;     /* now is what --now or OPS_NOW says, not the clock */
    const char *tick;   /* OPS_TICK or NULL */
    bool dry_run;       /* change nothing outside the transaction, send nothing */
    struct run_stats stats;
    int argc;
    char **argv; /* arguments after the options, ends with NULL */
};

/* The value of a setting that the worker needs; asking for another is our own mistake (asserts).
 * Text lives for the whole run and is "" where the setting may be left out and was. setting_int is
 * for numbers and durations (milliseconds). */
const char *setting_text(const char *name);
int64_t setting_int(const char *name);

/* Whether a setting that may be left out was given, as a parameter: "true" or "false". */
const char *setting_given(const char *name);

/* True once SIGINT or SIGTERM came: finish the item at hand, commit, return 0. */
bool run_stopping(const struct run *run);

/* The same for code that knows of no run, and a descriptor that is readable from then on, for
 * poll(2) beside whatever is waited for. */
bool worker_stopping(void);
int worker_stop_fd(void);

/* Waits so many milliseconds. Returns false when the worker is told to stop before they are over;
 * also on a thread of its own. */
bool worker_pause(int64_t ms);

/* Tells the supervisor how far it is (X_STATS, STATUS) and that it lives (WATCHDOG), at most a few
 * times a second; call it once per item. */
void run_progress(struct run *run);

/* Logs a database failure once, with what was being done, and returns code. */
int run_db_failed(struct run *run, int code, const char *what);

/* Logs any other failure once and returns code; why is kept in ops.run. */
int run_failed(struct run *run, int code, const char *why);

/* For services: a new connection in place of a lost one, with everything prepared again. Tries
 * until it succeeds (0), until the worker is told to stop (-EAGAIN), or until the failure is none
 * that passes. A scheduled run must not reconnect, since its lock is gone. */
int run_reconnect(struct run *run);

#endif
