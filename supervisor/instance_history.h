#ifndef OPS_INSTANCE_HISTORY_H
#define OPS_INSTANCE_HISTORY_H
/*
 * What is written into a worker's history (history.h) of its instances.
 *
 * A record: {"at","instance","pid","tick","attempt","skipped_ticks","by_hand","started",
 * "duration_ms","exit_code","exit_signal","reason","lines"}; tick, attempt and skipped_ticks (those
 * that came during the run) are of scheduled runs; null is what there is not.
 */
#include "instance.h"

/* Its process ended; the instance knows everything about it yet. */
void instance_history_end(const struct instance *instance);

/* There was no process: it could not be started, or was not tried. tick 0: of no tick. */
void instance_history_none(const struct instance *instance, int64_t tick, const char *reason);

/* Its process was there when the machine went down. */
void instance_history_cut(const struct instance *instance);

#endif
