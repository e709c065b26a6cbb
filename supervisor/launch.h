#ifndef OPS_LAUNCH_H
#define OPS_LAUNCH_H
/*
 * What a keeper has to know, as one block of memory outside of the heap: it is forked without that
 * (heap.h).
 */
#include "err.h"
#include "keeper.h"

/* Copies the task and everything it points at. Returns the copy, or NULL with reterr; there is one
 * at a time: the next call writes over it. */
const struct keeper_task *launch_pack(const struct keeper_task *task, struct err *reterr);

/* In the keeper: the copy is of no use any more. */
void launch_forget(void);

#endif
