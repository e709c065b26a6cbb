#ifndef OPS_INSTANCE_CHANNEL_H
#define OPS_INSTANCE_CHANNEL_H
/*
 * Node's IPC channel of an instance: PM2's process.send('ready'), and its "shutdown".
 *
 * The order for each process is that of instance_probe.h, which calls all but the last.
 */
#include <stdbool.h>

#include "instance.h"

/* Makes it if the app needs one. Returns 0 or a negative errno. */
int instance_channel_make(struct instance *instance);

/* The process has its end, or there will be none: closes ours of it. */
void instance_channel_handed(struct instance *instance);

/* Takes our end back, which an earlier opsd left with the guard or the keeper. */
void instance_channel_adopt(struct instance *instance);

/* Listens, and hears the word that it is ready. */
void instance_channel_begin(struct instance *instance);

/* Closes our end; for_good: nobody holds the other any more, or has to. */
void instance_channel_close(struct instance *instance, bool for_good);

/* Sends PM2's "shutdown" (shutdown_with_message). Returns 0, or a negative errno when it cannot
 * hear that: a signal has to do. */
int instance_channel_shutdown(struct instance *instance);

#endif
