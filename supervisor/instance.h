#ifndef OPS_INSTANCE_H
#define OPS_INSTANCE_H
/*
 * One worker process as opsd holds it: the machine that decides, and the handles that act.
 *
 * Life: instance_new, then any number of processes one after the other, then instance_free.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "notify_socket.h"
#include "spawn.h"
#include "stream.h"
#include "watch.h"
#include "zone.h"

enum {
    EXITS_KEPT = 5,
    STATUS_TEXT_MAX = 200,
    STATS_MAX = 1024,
};

struct fleet;
struct generation;
struct instance;

/* Whoever started a run by hand and looks on. */
struct run {
    texts args; /* added to the app's */
    void (*output)(struct run *run, bool err, const char *bytes, size_t n);
    /* error is set when it could not be started; then status means nothing. The instance is gone
     * after this. */
    void (*ended)(struct run *run, struct exit_status status, int64_t duration_ms,
                  const char *error);
};

/* What one process wrote: from where to where in the two log files. */
struct log_span {
    int64_t out_from, out_to, err_from, err_to;
};

struct exit_record {
    int64_t at; /* wall clock, ms */
    struct exit_status status;
    int64_t uptime_ms;
    struct err reason;
    struct log_span span;
};

/* The last run of a scheduled worker. */
struct last_run {
    bool known;
    int64_t tick, started, duration_ms;
    struct exit_status status;
};

struct instance {
    struct fleet *fleet;
    struct generation *generation;
    const struct app *app;
    int id, number; /* of the fleet; within the app */
    struct machine machine;
    bool stop_asked;     /* it will be stopped once nothing that depends on it runs */
    bool held;           /* what it depends on was taken away, and so it leaves, too */
    bool start_asked;    /* only while a start is marked */
    const char *blocked; /* the dependency that it waits for; NULL: none */
    struct instance *
        *needs; /* app->depends_count lists, one after the other, each ends with NULL */

    struct process process;
    struct watch *exit_watch;
    pid_t group;              /* of a process that ended, while what it left is cleared; 0: none */
    struct exit_status ended; /* how */
    int64_t next_clear_ms, clear_every_ms;
    int64_t started_at; /* wall clock, ms */
    struct stream out, err;
    struct log_span span;
    int notify_fd;
    char notify_address[NOTIFY_ADDRESS_MAX];
    struct watch *notify_watch;
    struct process probe; /* the readiness command that runs now */
    struct watch *probe_watch;
    bool probe_stale;      /* it asks about a process that is gone */
    int64_t next_probe_ms; /* monotonic; 0: none */

    const struct zone *zone;
    int64_t next_tick, next_due; /* wall clock; due is the tick plus jitter */
    int64_t tick;                /* of the run under way or pending */
    struct last_run last_run;

    char status_text[STATUS_TEXT_MAX];
    char stats[STATS_MAX]; /* a JSON object, or empty */
    struct exit_record exits[EXITS_KEPT];
    unsigned exit_count;
    int64_t cpu_seen_ms, cpu_seen_at; /* where cpu_percent was counted to */
    double cpu_percent;

    struct run *run; /* of run_worker: who watches; NULL for a member of the fleet */
};

/* How many instances the app has on this machine, at least one. */
int instance_count(const struct app *app);

/* Takes a reference to generation. Returns NULL when memory ran out. */
struct instance *instance_new(struct fleet *fleet, struct generation *generation,
                              const struct app *app, int number);
void instance_free(struct instance *instance);

/* Does what the machine said. */
void instance_act(struct instance *instance, enum action action);

/* Leaves what a run by hand prints in its FIFOs until whoever looks on has read what there was. */
void instance_pause(struct instance *instance, bool paused);

/* Goes on clearing what a process left behind, when it is due: children, and output for whoever
 * looks on. A run by hand may be gone then. */
void instance_clear(struct instance *instance, int64_t now_ms);

/* Starts the next readiness command when it is due. */
void instance_probe(struct instance *instance, int64_t now_ms);

/* The next tick after an instant (wall clock). */
void instance_plan(struct instance *instance, int64_t after);

/* Adds the last n lines that the process of that span printed, errors last. */
void instance_add_lines(const struct instance *instance, const struct log_span *span, int n,
                        cJSON *array);

/* Where its stdout or stderr is written, or will be; the caller frees it. NULL when memory ran out.
 */
char *instance_log_path(const struct instance *instance, bool err);

/* The span of the present or, when none runs, of the last process. */
struct log_span instance_span(const struct instance *instance);

#endif
