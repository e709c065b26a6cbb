#ifndef OPS_SCHEDULE_H
#define OPS_SCHEDULE_H
/*
 * Scheduled workers: begins the runs that ticks.c finds due, or says why it does not.
 *
 * Ticks that came while nothing could run them (opsd was away, the machine was off, its clock was
 * put forward) are dropped, or the last of them is made up for: catch_up. A person who stops a
 * worker wants no runs: what came due until it is started again never counts.
 */
#include "fleet.h"

/* Once per turn: begins, queues or skips the run that is due. */
void schedule_settle(struct instance *instance, int64_t now_ms, int64_t wall);

/* When (wall clock) a turn is needed next; 0: not for this. */
int64_t schedule_next(const struct instance *instance);

/* The wall clock was set. */
void schedule_clock_set(struct instance *instance);

/* The instance is about to get its app from another manifest. */
void schedule_follow(struct instance *instance, const struct app *app);

/* Its process ended, or is about to be ended with opsd: a run that is cut off by the end of opsd is
 * a tick that was missed. */
void schedule_ended(struct instance *instance);
void schedule_leaving(struct instance *instance);

/* A new life of opsd after everything was stopped. interrupted: a run was under way or to be tried
 * again when the machine went down. */
void schedule_begin_anew(struct instance *instance, bool interrupted);

#endif
