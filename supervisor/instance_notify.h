#ifndef OPS_INSTANCE_NOTIFY_H
#define OPS_INSTANCE_NOTIFY_H
/*
 * What a worker says about itself: sd_notify(3).
 *
 * The socket outlives opsd: the guard has a copy and, until the worker is ready, so has the keeper.
 * That it is ready stays in the socket until it is written down: no crash of opsd loses it.
 */
#include "instance.h"

/* Opens the socket if it is not open yet, the one that the process knows if there is a process.
 * Returns 0; -EAGAIN when its keeper was told to let go of it: try again soon; or another negative
 * errno. */
int instance_notify_open(struct instance *instance, struct err *reterr);

/* Closes and forgets it; while a process of it runs, only closes it. */
void instance_notify_close(struct instance *instance);

/* True when READY=1 is what its start waits for. */
bool instance_notify_makes_ready(const struct instance *instance);

/* Takes what is in the socket; a callback of watch.h. */
void instance_notified(void *instance);

#endif
