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
 * in the pipes, and its exit status in the file, until somebody has taken both. Only when the file
 * was deleted, and nobody came for a while, does it go by itself: the home is gone.
 */
#include <stdbool.h>

#include "become.h"
#include "keeper_report.h"

/* The descriptors that a keeper is forked with (slots.h). Those before KEEPER_GO_FD it keeps, and
 * they are found there by whoever comes after opsd and its guard were killed (keeper_held.h). */
enum {
    KEEPER_OUT_FD = 3,
    KEEPER_ERR_FD,
    KEEPER_STATUS_FD,
    KEEPER_READY_FD,   /* where the worker says that it is ready: our end of the pipe, or the notify
                        * socket until KEEPER_HEARD; or nothing */
    KEEPER_CHANNEL_FD, /* our end of Node's channel, or nothing */
    KEEPER_GO_FD,      /* for the word to go */
    KEEPER_PASS_FD,    /* the worker's, one after the other, and its group's */
};

struct keeper_task {
    const char *name;    /* for ps(1) */
    const char *file;    /* its status file, unique among those that run */
    const char *program; /* a path */
    struct become become;
    int ready_fd;       /* for KEEPER_READY_FD; -1: none */
    int channel_fd;     /* for KEEPER_CHANNEL_FD; -1: none */
    int cgroups_fd;     /* of the folder of all workers' groups; -1: it is to do without */
    const char *cgroup; /* the name of its own there */
    bool spare_strays;  /* treekill: false: what left the worker's process group is left alone */
    bool takes_turns;   /* for opsd: it may have to wait for others (keepers_go) */
};

/* What a keeper is told to do. */
enum keeper_order {
    /* 1..64: that signal to the worker alone. */
    KEEPER_STOP =
        0x100, /* + a signal: to the worker's group; the rest may take its time to leave */
    KEEPER_KILL = 0x200,  /* SIGKILL to everything, until nothing is left */
    KEEPER_LEAVE = 0x400, /* the same, and then go without being dismissed */
    /* The worker has said that it is ready, and the notify socket is let go of. With nobody to read
     * it takes but a few messages (net.unix.max_dgram_qlen, unix(7)): a worker that says WATCHDOG=1
     * would soon wait for room, for as long as opsd is away. */
    KEEPER_HEARD = 0x800,
};

/* The life of a keeper; runs in the child, with every signal blocked, and makes system calls only.
 * The word to go is the start of the keeper by proc(5), an int64_t, once opsd has written down that
 * it exists; or end of file when opsd died before that. */
_Noreturn void keeper_main(const struct keeper_task *task);

/* The signal that carries orders. */
int keeper_order_signal(void);

#endif
