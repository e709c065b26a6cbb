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
#include "home.h"
#include "instance.h"
#include "manifest.h"
#include "stream.h"

/* One reading of the manifest; it lives as long as an instance comes from it. */
struct generation {
    int references;
    struct manifest manifest;
};

struct control;

struct fleet {
    uv_loop_t *loop;
    struct home *home;
    char *folder;     /* of FIFOs and notify sockets, in the home */
    char *log_folder; /* logs/ beside the manifest */
    struct pump pump;
    struct generation *generation;
    struct instance **instances;
    size_t count, room;
    int next_id;
    int64_t started_ms; /* monotonic */
    bool dirty;
    int starts_left; /* in this turn of the loop */
    bool leaving;    /* opsd ends once everything is stopped */
    uv_timer_t timer;
    int clock_fd; /* timerfd(2) on the wall clock, for ticks; tells when that clock is set */
    uv_poll_t clock_poll;
    /* Told after each reconcile, so that whoever waits for a state can look. */
    void (*changed)(struct fleet *fleet);
    /* Told when lines of a log file were written. */
    void (*logged)(struct fleet *fleet, struct stream *stream);
    struct control *control; /* the socket through which all this is asked for */
    int64_t look_again_ms;   /* an extra moment to reconcile, set by changed; 0: none */
};

int fleet_init(struct fleet *fleet, uv_loop_t *loop, struct home *home, struct err *reterr);

/* Closes the clocks and the pump; all instances are gone by now. */
void fleet_close(struct fleet *fleet);

/* Reads the manifest again: new apps become instances, present ones use it from their next start.
 * On failure the fleet goes on as it was and problems holds every error, one a line. */
int fleet_load(struct fleet *fleet, struct buf *problems);

/* Asks everything to stop, dependents first; whoever runs the loop leaves it when nothing runs any
 * more. */
void fleet_leave(struct fleet *fleet);

/* Something happened to an instance. */
void fleet_touch(struct fleet *fleet);

/* Whether the condition of the app's d-th dependency holds. */
bool fleet_dependency_met(const struct instance *instance, size_t d);

/* Once per turn of the loop. */
void fleet_reconcile(struct fleet *fleet);

/* True when name means this instance: "all", its name, NAME:NUMBER, its namespace or its id. */
bool fleet_selects(const char *name, const struct instance *instance);

/* The instance of that name with the lowest number, or NULL. */
struct instance *fleet_find(const struct fleet *fleet, const char *name);

/* Starts one run by hand, outside the fleet's own instances. arguments end with NULL and are added
 * to those of the app. The instance is freed by itself after run_ended. */
struct instance *fleet_run(struct fleet *fleet, const struct app *app, struct run *run);

/* Adds or removes an instance. */
int fleet_add(struct fleet *fleet, struct instance *instance);
void fleet_remove(struct fleet *fleet, struct instance *instance);

void generation_unref(struct generation *generation);

/* Random number from 0 to 1, for jitter. */
double fleet_chance(void);

#endif
