#ifndef OPS_INSTANCE_H
#define OPS_INSTANCE_H
/*
 * One worker process as opsd holds it: the machine that decides, and the handles that act.
 *
 * Life: instance_new, then any number of processes one after the other, then instance_free.
 */
#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "keepers.h"
#include "machine.h"
#include "notify_socket.h"
#include "readiness.h"
#include "reload.h"
#include "renew.h"
#include "spawn.h"
#include "stream.h"
#include "ticks.h"
#include "usage.h"
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
struct need;

/* Whoever started a run by hand and looks on. */
struct run {
    texts args; /* added to the app's */
    void (*output)(struct run *run, bool err, const char *bytes, size_t n);
    /* error is set when it could not be started; then status means nothing. The instance is gone
     * after this. */
    void (*ended)(struct run *run, struct exit_status status, int64_t duration_ms,
                  const char *error);
};

/* What one process wrote: from where to where in the two log files. Before 0 is what has been
 * rotated away meanwhile. */
struct log_span {
    int64_t out_from, out_to, err_from, err_to;
};

struct exit_record {
    int64_t at; /* wall clock, ms */
    struct exit_status status;
    int64_t uptime_ms;
    struct err reason;
    struct log_span span;
    char *said; /* the last lines that it printed; NULL: only the span tells */
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
    /* What the journal keeps comes first, but for long texts: each turn of the loop reads it in
     * every instance, so it is to lie close together. */
    unsigned exit_count, recorded_exits;
    uint64_t recorded_mark;
    int id, number;   /* of the fleet; within the app */
    int variant;      /* tells the files of two in a reload apart */
    bool retiring;    /* it is removed once it is stopped */
    bool hidden;      /* of two in a reload, the one that does not count */
    bool stop_asked;  /* it will be stopped once nothing that depends on it runs */
    bool to_want;     /* machine.wanted, as it was before opsd stopped everything to leave */
    pid_t keeper_pid; /* with its start, the identity of the keeper; 0: none */
    int64_t keeper_start;
    pid_t pid;           /* of the worker; 0: it does not run (yet) */
    int64_t pid_start;   /* with pid, its identity */
    int64_t ran_reading; /* of ran_generation */
    int64_t started_at;  /* wall clock, ms */
    struct log_span span;
    struct ticks ticks; /* of a scheduled worker: wall clock */
    struct last_run last_run;
    struct renewal renewal;
    struct machine machine;

    bool held;           /* what it depends on was taken away, and so it leaves, too */
    bool start_asked;    /* only while a start is marked */
    const char *blocked; /* the dependency that it waits for; NULL: none */
    struct need *needs;  /* what it depends on (fleet_depends.h), in the order of the manifest */
    size_t needs_count;

    struct keeper *keeper;       /* NULL: nothing of it runs */
    struct keeper_report report; /* what the keeper last said */
    bool ended;     /* its keeper says that nothing of it runs any more, or is gone itself */
    bool lost;      /* ended, the latter: we clear what that left behind */
    bool unstarted; /* the last start failed before the worker ran */
    int64_t next_clear_ms, clear_every_ms; /* while ended: when what it left is looked at again */
    struct stream out, err;
    int notify_fd;
    bool notify_taken; /* what is first in it was acted upon, and is to be written down before the
                        * rest is looked at */
    char notify_address[NOTIFY_ADDRESS_MAX];
    struct watch *notify_watch;
    /* The worker's ends of the readiness pipe and of Node's channel: only while it is forked. */
    int ready_fd_write, channel_fd_theirs;
    struct readiness readiness;
    int64_t next_probe_ms; /* monotonic; 0: none */

    const struct zone *zone;
    int zone_version; /* by which the next tick was planned */

    char status_text[STATUS_TEXT_MAX];
    char *stats;               /* a JSON object; NULL: none */
    struct exit_record *exits; /* a ring of EXITS_KEPT; NULL: there was none yet */
    struct usage usage;
    int memory_fd;       /* of what tells its memory; -1: none is kept */
    clockid_t cpu_clock; /* procfs_cpu_clock of its process */
    struct events_seen seen;

    struct generation *ran_generation;
    const struct app *ran;  /* what the present process was started with, or nothing */
    bool fresh;             /* it was not there before the manifest was read */
    struct instance *other; /* of two in a reload, the hidden one; NULL: there is none */
    struct reload reload;
    bool recorded;          /* the journal that was read knows it */
    int64_t adopt_again_ms; /* monotonic; its process could not be taken over yet; 0: it was */
    bool adopted;           /* its process was started by an earlier opsd */

    struct run *run; /* of run_worker: who watches; NULL for a member of the fleet */
};

/* True for those that people know: no run by hand, and not the one of two that is being started or
 * ended in a reload, or deleted. */
bool instance_is_member(const struct instance *instance);

/* Takes a reference to generation. Returns NULL when memory ran out. */
struct instance *instance_new(struct fleet *fleet, struct generation *generation,
                              const struct app *app, int number);
void instance_free(struct instance *instance);

/* Does what the machine said. */
void instance_act(struct instance *instance, enum action action);

/* Leaves what a run by hand prints in its pipes until whoever looks on has read what there was. */
void instance_pause(struct instance *instance, bool paused);

/* Takes over the process that i->keeper_pid keeps, from an earlier opsd; or finds out how it ended.
 */
void instance_adopt(struct instance *instance);

/* An earlier opsd was about to start a process, and had no time to. */
void instance_resume(struct instance *instance);

/* The keeper of an instance has something to say; for struct keepers. */
void instance_reported(struct keeper *keeper);

/* Goes on clearing what a process left behind, when it is due: children, and output for whoever
 * looks on. A run by hand may be gone then. */
void instance_clear(struct instance *instance, int64_t now_ms);

/* Where the next exit is written down; counts it. NULL when memory ran out. */
struct exit_record *instance_next_exit(struct instance *instance);

#endif
