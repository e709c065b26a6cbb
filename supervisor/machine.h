#ifndef OPS_MACHINE_H
#define OPS_MACHINE_H
/*
 * One instance as data: what is wanted of it, what it is, and when something is due.
 *
 * Pure: the rim (instance.c) tells what happened and does what comes back; time is an argument, in
 * milliseconds of a clock that never jumps. Two commands at once never make two copies, because a
 * command only writes down what is wanted and the table knows one way into LAUNCHING.
 *
 * A start takes a while: from DO_SPAWN on there may be a process, and machine_spawned,
 * machine_spawn_failed or machine_exited tells later what became of it. Whatever happens in between
 * is taken note of, and acted upon then.
 *
 * Plain data without pointers: written to the journal as it is, and taken from there as it was.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "manifest.h"
#include "restart.h"
#include "state.h"

/* EXTEND_TIMEOUT_USEC=… of sd_notify(3) moves a deadline, but no further than this behind the one
 * that the manifest gives: a stop always ends. */
enum { MACHINE_EXTEND_MAX_MS = 10 * 60 * 1000 };

/* Why a running process was asked to leave. */
enum stop_cause {
    STOP_NONE,
    STOP_PERSON,
    STOP_RESTART, /* by hand */
    STOP_RENEW,   /* for a reason of opsd's own: a dependency, its memory, a changed file */
    STOP_DEPENDENCY,
    /* From here on it failed, whatever it exits with. */
    STOP_LATE,
    STOP_OVERTIME,
    STOP_SILENT,
    STOP_CAUSES
};

struct machine {
    enum state state;
    bool wanted;
    bool finished;     /* it ended by itself and is not to be started again */
    bool completed;    /* the last run ended well; cleared when it is started again */
    bool tick_pending; /* a scheduled run is due, under way or to be tried again */
    bool just_started; /* by hand or with the fleet, and no run was begun since */
    bool spawned;      /* the program is known to run */
    bool ready;
    enum stop_cause cause;
    int64_t begun_ms;    /* when the start was ordered */
    int64_t started_ms;  /* since when the program runs */
    int64_t deadline_ms; /* when the state needs looking at again; 0: never */
    int64_t latest_ms;   /* the deadline is not moved past this */
    int64_t heard_ms;    /* the last WATCHDOG=1, or since when it is ready */
    int restarts, unstable_restarts;
    bool exited; /* last_exit means something */
    struct exit_status last_exit;
    int64_t last_uptime_ms;
    struct restart_history history;
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
 * a dependency, or is stopped). A run that is to be tried again gives way to the new tick's, which
 * begins when that would. */
enum action machine_unblock(struct machine *m, const struct app *app, int64_t now_ms);
enum action machine_hold(struct machine *m, const struct app *app, int64_t now_ms,
                         const char *dependency);
bool machine_tick(struct machine *m, const struct app *app, int64_t now_ms, enum action *ret);

/* The deadline has passed. */
enum action machine_due(struct machine *m, const struct app *app, int64_t now_ms);

/* A restart that nobody asked for by hand; why is for people: "its memory is ...". Only what runs
 * is restarted. It uses up no budget, but leaves it as it is. */
enum action machine_renew(struct machine *m, const struct app *app, int64_t now_ms,
                          const char *why);

/* True when m's process was begun before the present one of need: it knows only an earlier one. */
bool machine_outlived(const struct machine *m, const struct machine *need);

/* The program runs, since now_ms; listen_timeout counts from here. A process whose end was ordered
 * before is asked to leave now that there is somebody to hear it (DO_SIGNAL). */
enum action machine_spawned(struct machine *m, const struct app *app, int64_t now_ms);

/* A start that failed before the program ran has an errno. */
void machine_spawn_failed(struct machine *m, const struct app *app, int error, int64_t now_ms,
                          double chance);

/* What the process said: that it is ready (what it says before machine_spawned is told takes effect
 * then), that it still is alive (WATCHDOG=1), that a start or a stop takes extend_ms from now on
 * (EXTEND_TIMEOUT_USEC=). */
void machine_ready(struct machine *m, const struct app *app, int64_t now_ms);
void machine_heard(struct machine *m, const struct app *app, int64_t now_ms);
void machine_extend(struct machine *m, int64_t now_ms, int64_t extend_ms);

/* It hangs by its own word (WATCHDOG=trigger). */
enum action machine_trigger(struct machine *m, const struct app *app, int64_t now_ms);

/* The process is gone. One that was never told of as spawned counts as having run since the start
 * was ordered. */
void machine_exited(struct machine *m, const struct app *app, struct exit_status status,
                    int64_t now_ms, double chance);

/* opsd was away (it crashed, or was stopped) and looks again: what a process said meanwhile may not
 * have been heard, so its deadlines begin anew where being late would be held against it. */
void machine_resumed(struct machine *m, const struct app *app, int64_t now_ms);

#endif
