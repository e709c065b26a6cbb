#ifndef OPS_INSTANCE_NOTIFY_H
#define OPS_INSTANCE_NOTIFY_H
/*
 * What a worker says about itself: sd_notify(3).
 */

/* Takes what is in the notify socket of an instance; a callback of watch.h. */
void instance_notified(void *instance);

#endif
