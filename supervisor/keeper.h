#ifndef OPS_KEEPER_H
#define OPS_KEEPER_H
/*
 * The keeper: one small process for each worker that runs, between opsd and the worker.
 *
 * It is forked by opsd and never executes anything itself. It starts the worker, adopts whatever
 * the worker's descendants leave behind (PR_SET_CHILD_SUBREAPER, prctl(2)), holds the worker's
 * pipes open, and keeps in a status file what became of it. So a worker that was started by this
 * opsd and one that outlived the opsd that started it are the same: a keeper and its status file.
 *
 * opsd talks to it by keeper_order, and hears from it by the status file, which it watches.
 * A keeper stays until it is dismissed, also when its worker has ended: what the worker printed is
 * in the pipes, and its exit status in the file, until somebody has taken both.
 *
 * The status file is one record of fixed length, written over in place with one pwrite(2): a
 * disk that is full by then does no harm.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "become.h"
#include "err.h"
#include "restart.h"

enum keeper_phase {
    KEEPER_WAITS,  /* for the word to go; never written */
    KEEPER_RUNS,   /* the worker */
    KEEPER_FAILED, /* to start it */
    KEEPER_ENDED,  /* the worker has; something that it started has not */
    KEEPER_EMPTY,  /* nothing of it runs any more */
    KEEPER_PHASES
};

/* What the status file says. */
struct keeper_report {
    enum keeper_phase phase;
    pid_t keeper; /* with its start, the identity of who wrote it */
    int64_t keeper_start;
    pid_t worker;
    struct become_failure failure; /* KEEPER_FAILED */
    int64_t started_ms;            /* monotonic, just before the worker ran */
    struct exit_status status;     /* KEEPER_ENDED and KEEPER_EMPTY */
    int64_t ended_ms;              /* monotonic */
};

enum { KEEPER_RECORD_BYTES = 128 };

/* Where a keeper has the worker's pipes and its status file, for whoever comes after opsd and its
 * guard were killed. */
enum { KEEPER_OUT_FD = 3, KEEPER_ERR_FD = 4, KEEPER_STATUS_FD = 5 };

struct keeper_task {
    const char *name;    /* for ps(1) */
    const char *file;    /* its status file, unique among those that run */
    const char *program; /* a path */
    struct become become;
    int status_fd;
    int cgroup_fd;     /* of the group that the worker is to run in; -1: opsd's */
    bool spare_strays; /* treekill: false: what left the worker's process group is left alone */
};

/* What a keeper is told to do. */
enum keeper_order {
    /* 1..64: that signal to the worker alone. */
    KEEPER_STOP =
        0x100, /* + a signal: to the worker's group; the rest may take its time to leave */
    KEEPER_KILL = 0x200,  /* SIGKILL to everything, until nothing is left */
    KEEPER_LEAVE = 0x400, /* the same, and then go without being dismissed */
};

/* The life of a keeper; runs in the child, with every signal blocked, and makes system calls only.
 * go_fd: the start of the keeper by proc(5), an int64_t, once opsd has written down that it exists;
 * end of file when opsd died before that. */
_Noreturn void keeper_main(const struct keeper_task *task, int go_fd);

/* Reads the record at the start of the file. Returns 0, -ENODATA when it is empty or not (yet) a
 * whole record, or a negative errno. */
int keeper_read(int status_fd, struct keeper_report *ret);

/* The signal that carries orders. */
int keeper_order_signal(void);

#endif
