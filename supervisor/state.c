/* The states of one instance: the table. */
#include "state.h"

/* clang-format off */

#define EXITS \
    [EVENT_ENDED]   = { STATE_STOPPED,   DO_NOTHING }, \
    [EVENT_RAN]     = { STATE_SCHEDULED, DO_NOTHING }, \
    [EVENT_RETRY]   = { STATE_BACKOFF,   DO_NOTHING }, \
    [EVENT_RESUME]  = { STATE_WAITING,   DO_NOTHING }, \
    [EVENT_GAVE_UP] = { STATE_ERRORED,   DO_NOTHING }

#define ENDINGS \
    [EVENT_STOP]     = { STATE_STOPPING, DO_SIGNAL }, \
    [EVENT_RESTART]  = { STATE_STOPPING, DO_SIGNAL }, \
    [EVENT_HOLD]     = { STATE_STOPPING, DO_SIGNAL }, \
    [EVENT_OVERTIME] = { STATE_STOPPING, DO_SIGNAL }

static const struct edge edges[STATES][EVENTS] = {
    [STATE_STOPPED] = {
        [EVENT_START]   = { STATE_WAITING,   DO_NOTHING },
        [EVENT_RESTART] = { STATE_WAITING,   DO_NOTHING },
    },
    [STATE_WAITING] = {
        [EVENT_STOP]    = { STATE_STOPPED,   DO_NOTHING },
        [EVENT_GO]      = { STATE_LAUNCHING, DO_SPAWN },
        [EVENT_PLAN]    = { STATE_SCHEDULED, DO_NOTHING },
    },
    [STATE_SCHEDULED] = {
        [EVENT_STOP]    = { STATE_STOPPED,   DO_NOTHING },
        [EVENT_RESTART] = { STATE_WAITING,   DO_NOTHING }, /* the manifest may say otherwise now */
        [EVENT_HOLD]    = { STATE_WAITING,   DO_NOTHING },
        [EVENT_GO]      = { STATE_LAUNCHING, DO_SPAWN },
    },
    [STATE_LAUNCHING] = {
        [EVENT_READY]   = { STATE_ONLINE,    DO_NOTHING },
        [EVENT_LATE]    = { STATE_STOPPING,  DO_SIGNAL },
        ENDINGS,
        EXITS,
    },
    [STATE_ONLINE] = {
        [EVENT_SILENT]  = { STATE_STOPPING,  DO_ABORT },
        ENDINGS,
        EXITS,
    },
    [STATE_STOPPING] = {
        [EVENT_FORCE]   = { STATE_STOPPING,  DO_KILL },
        EXITS,
    },
    [STATE_BACKOFF] = {
        [EVENT_START]   = { STATE_WAITING,   DO_NOTHING },
        [EVENT_RESTART] = { STATE_WAITING,   DO_NOTHING },
        [EVENT_STOP]    = { STATE_STOPPED,   DO_NOTHING },
        [EVENT_HOLD]    = { STATE_WAITING,   DO_NOTHING },
        [EVENT_GO]      = { STATE_LAUNCHING, DO_SPAWN },
    },
    [STATE_ERRORED] = {
        [EVENT_START]   = { STATE_WAITING,   DO_NOTHING },
        [EVENT_RESTART] = { STATE_WAITING,   DO_NOTHING },
        [EVENT_STOP]    = { STATE_STOPPED,   DO_NOTHING },
        [EVENT_GO]      = { STATE_LAUNCHING, DO_SPAWN }, /* the next tick of a scheduled worker */
    },
};

static const char *const state_names[STATES] = {
    [STATE_NONE]      = "none",
    [STATE_STOPPED]   = "stopped",
    [STATE_WAITING]   = "waiting",
    [STATE_SCHEDULED] = "scheduled",
    [STATE_LAUNCHING] = "launching",
    [STATE_ONLINE]    = "online",
    [STATE_STOPPING]  = "stopping",
    [STATE_BACKOFF]   = "waiting restart",
    [STATE_ERRORED]   = "errored",
};

/* clang-format on */

struct edge state_edge(enum state state, enum event event)
{
    return edges[state][event];
}

const char *state_name(enum state state)
{
    return state_names[state];
}
