#ifndef OPS_RENEW_H
#define OPS_RENEW_H
/*
 * Restarts for reasons of opsd's own: cron_restart, a changed file (watch), too much memory
 * (max_memory_restart).
 *
 * What runs is restarted by machine_renew. A worker that is not to be up is left alone; one that
 * is, but has ended or was given up, is started by cron_restart and by a changed file, as in PM2.
 * Nothing here wakes opsd up unless an app asks for it.
 *
 * Logs why a worker is restarted.
 */
#include <stdbool.h>
#include <stdint.h>

#include "manifest.h"
#include "memory_limit.h"
#include "ticks.h"

struct fleet;
struct instance;
struct watcher;

enum { RENEW_PATH_MAX = 256 };

/* Of one instance; zeroed when it is new. */
struct renewal {
    struct ticks cron;  /* of cron_restart; kept by the journal */
    int64_t changed_ms; /* when a file changed last, monotonic; 0: none did */
    char changed[RENEW_PATH_MAX];
    struct memory_limit memory;
    int64_t memory_begun_ms; /* machine.begun_ms of the process whose memory is looked at */
    int64_t memory_bytes;    /* of its tree, at the last look */
    bool looked;             /* memory_bytes was not judged yet */
};

/* Of the fleet; zeroed at first. */
struct renewer {
    struct watcher *watcher; /* NULL: nothing has to be watched */
    bool stale;              /* what is watched, since a manifest was read */
    int64_t next_sample_ms;  /* monotonic; 0: nobody's memory is looked at */
};

/* Instances came, went, or belong to another reading of their manifest: what is to be watched is
 * found out again in the next turn. */
void renew_loaded(struct fleet *fleet);

/* The instance is about to get its app from another manifest. */
void renew_follow(struct instance *instance, const struct app *app);

/* Once per turn, before the instances are looked at: watches for what they want now, and takes a
 * sample of memory when that is due. */
void renew_begin(struct fleet *fleet, int64_t now_ms);

/* Once per turn for each instance: restarts it if there is a reason. */
void renew_look(struct instance *instance, int64_t now_ms, int64_t wall);

/* The wall clock was set. */
void renew_clock_set(struct instance *instance);

/* When a turn is needed next: by the monotonic clock for the fleet, by the wall clock for an
 * instance; 0: not for this. */
int64_t renew_next(const struct fleet *fleet);
int64_t renew_next_cron(const struct instance *instance);

/* Nothing is watched any more. */
void renew_close(struct fleet *fleet);

#endif
