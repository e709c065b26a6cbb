#ifndef OPS_RECOVER_H
#define OPS_RECOVER_H
/*
 * The one way to start: from what the journal says, whether it says nothing yet, or opsd was
 * killed, is replaced by a new version, or the machine was started again.
 */
#include "fleet.h"

/* Loads the manifest and brings every instance into the state that the journal tells, with the
 * processes that are still there. start: what is wanted but does not run is started; without it
 * that is so only for a fleet that runs. Returns 0 or a negative errno with what is wrong in
 * problems. */
int recover(struct fleet *fleet, bool start, struct buf *problems);

/* Clears the control groups of processes that are nobody's; sets fleet->unswept while some of those
 * are still about to end. */
void recover_sweep(struct fleet *fleet);

#endif
