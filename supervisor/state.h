#ifndef OPS_STATE_H
#define OPS_STATE_H
/*
 * The states of one instance and what leads from one to the next: a table, no clock, no loop.
 *
 * What somebody wants (a person, the start of opsd) is kept apart from what is: machine.h. Every
 * stop ends in an exit, so a running process is left behind by one of the five exit events only.
 */

enum state {
    STATE_NONE,
    STATE_STOPPED,
    STATE_WAITING,   /* for a dependency */
    STATE_SCHEDULED, /* for its tick */
    STATE_LAUNCHING, /* it runs, and is not ready yet */
    STATE_ONLINE,
    STATE_STOPPING,
    STATE_BACKOFF, /* PM2's "waiting restart" */
    STATE_ERRORED,
    STATES
};

enum event {
    EVENT_NONE,
    /* what people ask for */
    EVENT_START,
    EVENT_STOP,
    EVENT_RESTART,
    /* what the time or a dependency brings */
    EVENT_HOLD,     /* a dependency was taken away */
    EVENT_GO,       /* nothing is in the way any more: dependency, tick or back-off */
    EVENT_PLAN,     /* the same for a scheduled worker, which now waits for its tick */
    EVENT_READY,    /* it says that it is ready */
    EVENT_LATE,     /* it did not say so in time */
    EVENT_OVERTIME, /* its run takes too long */
    EVENT_SILENT,   /* its WATCHDOG=1 does not come */
    EVENT_FORCE,    /* it did not leave in time */
    /* how its process ended (machine_exited chooses) */
    EVENT_ENDED,   /* for good */
    EVENT_RAN,     /* a scheduled run is over */
    EVENT_RETRY,   /* again after a delay */
    EVENT_RESUME,  /* again as soon as nothing is in the way */
    EVENT_GAVE_UP, /* not again */
    EVENTS
};

enum action {
    DO_NOTHING,
    DO_SPAWN,
    DO_SIGNAL, /* ask it to leave: kill_signal */
    DO_ABORT,  /* it hangs, and should show where: SIGABRT */
    DO_KILL,   /* make it leave: SIGKILL */
};

struct edge {
    enum state next; /* STATE_NONE: this event means nothing in this state */
    enum action action;
};

struct edge state_edge(enum state state, enum event event);

/* The word that people see: PM2's where it has one. */
const char *state_name(enum state state);

#endif
