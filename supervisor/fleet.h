#ifndef OPS_FLEET_H
#define OPS_FLEET_H
/*
 * All instances, the manifest they come from, and the clocks that drive them.
 *
 * Callbacks only record what happened and set dirty; fleet_reconcile, once per turn of the loop,
 * compares what is wanted with what is, and acts.
 */
#include <stdbool.h>
#include <uv.h>

#include "buf.h"
#include "cgroup.h"
#include "events.h"
#include "home.h"
#include "instance.h"
#include "journal.h"
#include "listen.h"
#include "manifest.h"
#include "sources.h"
#include "stream.h"

struct control;
struct guard_link;

/* One look at all instances, by fleet_reconcile. */
struct turn {
    size_t at;             /* whose turn it is */
    int64_t begun_ms;      /* with the first */
    int64_t starts_ms;     /* when those were last let go that had been started; or it began */
    int64_t last_start_ms; /* when one had last been started since then; 0: none yet */
    size_t starts_from;    /* and of whom on it may start */
    size_t starts_until;   /* nor from here on, which is left to the next turn; 0: to the end */
};

struct fleet {
    uv_loop_t *loop;
    struct home *home;
    char *log_folder; /* logs/ beside the manifest */
    struct pump pump;
    struct keepers keepers;
    struct cgroups cgroups;
    struct listeners listeners;
    struct renewer renewer;
    struct events events;
    struct reclaim reclaim;
    struct guard_link *link; /* to the guard; NULL: none */
    struct journal journal;
    struct sources sources;
    struct instance **instances;
    size_t count, room;
    int next_id;
    int64_t started_ms; /* monotonic */
    bool dirty;
    struct turn turn;
    bool leaving;     /* opsd ends once everything is stopped */
    bool left;        /* everything is, and the journal is to say so */
    bool recovered;   /* until then nobody knows what runs, and nothing is started or written */
    bool unswept;     /* control groups of processes that are nobody's were not all cleared yet */
    bool rolled_back; /* the opsd of an upgrade did not come up */
    uv_timer_t timer;
    int clock_fd; /* timerfd(2) on the wall clock, for ticks; tells when that clock is set */
    uv_poll_t clock_poll;
    /* Told after each reconcile, so that whoever waits for a state can look. */
    void (*changed)(struct fleet *fleet);
    /* Whether a client has asked something that was not read yet; NULL: there is no socket. */
    bool (*asked)(const struct fleet *fleet);
    /* Told when lines of a log file were written. */
    void (*logged)(struct fleet *fleet, struct stream *stream);
    struct control *control; /* the socket through which all this is asked for */
    int64_t look_again_ms;   /* an extra moment to reconcile, set by changed; 0: none */
};

int fleet_init(struct fleet *fleet, uv_loop_t *loop, struct home *home, struct err *reterr);

/* Closes the clocks and the pump; all instances are gone by now. */
void fleet_close(struct fleet *fleet);

/* Writes down what changed and only then does what must not be done without it. */
void fleet_commit(struct fleet *fleet);

/* The same for those alone that were started and not told to go yet. */
void fleet_commit_starts(struct fleet *fleet);

/* Begins a new journal with what is. Returns 0 or a negative errno. */
int fleet_open_journal(struct fleet *fleet);

/* Writes down that everything was stopped in order. */
void fleet_journal_left(struct fleet *fleet);

/* Asks everything to stop, dependents first; whoever runs the loop leaves it when nothing runs any
 * more. */
void fleet_leave(struct fleet *fleet);

/* Somebody set the wall clock (ECANCELED of timerfd_settime(2)): schedules are looked at anew. */
void fleet_clock_set(struct fleet *fleet);

/* Something happened to an instance. */
void fleet_touch(struct fleet *fleet);

/* Once per turn of the loop. */
void fleet_reconcile(struct fleet *fleet);

/* True when name means this instance: "all", its name, NAME:NUMBER, its namespace, its id, or the
 * absolute path of the file that it comes from. */
bool fleet_selects(const char *name, const struct instance *instance);

/* The instance of that name with the lowest number, or NULL. */
struct instance *fleet_find(const struct fleet *fleet, const char *name);

/* The app of that name, or NULL. */
const struct app *fleet_app(const struct fleet *fleet, const char *name);

/* Starts one run of that app by hand, outside the fleet's own instances. The instance is freed by
 * itself after run->ended. NULL when there is no such app, or no memory. */
struct instance *fleet_run(struct fleet *fleet, const char *name, struct run *run);

/* The instance of that app with that number, also one that is about to go; or NULL. And the same
 * among the n first of the fleet only. */
struct instance *fleet_present(const struct fleet *fleet, const char *name, int number);
struct instance *fleet_present_among(const struct fleet *fleet, size_t n, const char *name,
                                     int number);

/* The same, but only one that people know. */
struct instance *fleet_member(const struct fleet *fleet, const char *name, int number);

/* Adds or removes an instance. */
int fleet_add(struct fleet *fleet, struct instance *instance);
void fleet_remove(struct fleet *fleet, struct instance *instance);

/* Random number from 0 to 1, for jitter. */
double fleet_chance(void);

#endif
