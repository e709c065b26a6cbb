#ifndef OPS_MACHINE_H
#define OPS_MACHINE_H
/*
 * One instance as data: what is wanted of it, what it is, and when something is due.
 *
 * Pure: the rim (instance.c) tells what happened and does what comes back; time is an argument, in
 * milliseconds of a clock that never jumps. Two commands at once never make two copies, because a
 * command only writes down what is wanted and the table knows one way into LAUNCHING.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "manifest.h"
#include "restart.h"
#include "state.h"

/* Why a running process was asked to leave. */
enum stop_cause {
    STOP_NONE,
    STOP_PERSON,
    STOP_RESTART,
    STOP_DEPENDENCY,
    STOP_LATE,
    STOP_OVERTIME,
};

struct machine {
    enum state state;
    bool wanted;
    bool finished;     /* it ended by itself and is not to be started again */
    bool completed;    /* the last run ended well; cleared when it is started again */
    bool tick_pending; /* a scheduled run is due, under way or to be tried again */
    bool ready;
    enum stop_cause cause;
    int64_t started_ms;
    int64_t deadline_ms; /* when the state needs looking at again; 0: never */
    struct restart_history history;
    int restarts, unstable_restarts;
    bool exited; /* last_exit means something */
    struct exit_status last_exit;
    int64_t last_uptime_ms;
    struct err reason; /* why it is in its state, for people */
};

void machine_init(struct machine *m);

/* True while there is, or may be, a process. */
bool machine_runs(const struct machine *m);

/* The three commands. Each returns what to do now. */
enum action machine_start(struct machine *m);
enum action machine_stop(struct machine *m, const struct app *app, int64_t now_ms);
enum action machine_restart(struct machine *m, const struct app *app, int64_t now_ms);

/* Nothing is in the way of a worker that waits (GO, or PLAN for a schedule without a due tick);
 * a dependency was taken away; a tick is due (false: skipped, a run is under way, or it waits for
 * a dependency, or is stopped). */
enum action machine_unblock(struct machine *m, const struct app *app, int64_t now_ms);
enum action machine_hold(struct machine *m, const struct app *app, int64_t now_ms,
                         const char *dependency);
bool machine_tick(struct machine *m, const struct app *app, int64_t now_ms, enum action *ret);

/* The deadline has passed. */
enum action machine_due(struct machine *m, const struct app *app, int64_t now_ms);

/* What the process did. A start that failed before the program ran has an errno. */
void machine_ready(struct machine *m, const struct app *app, int64_t now_ms);
void machine_spawn_failed(struct machine *m, const struct app *app, int error, int64_t now_ms,
                          double chance);
void machine_exited(struct machine *m, const struct app *app, struct exit_status status,
                    int64_t now_ms, double chance);

#endif
