#ifndef OPS_LAUNCH_H
#define OPS_LAUNCH_H
/*
 * Forks a keeper. What it has to know goes along as one block of memory outside of the heap, since
 * it is forked without that (heap.h), and its descriptors in slots (slots.h).
 */
#include "err.h"
#include "keeper.h"

/* Copies the task and everything it points at. Returns the copy, or NULL with reterr; there is one
 * at a time: the next call writes over it. */
const struct keeper_task *launch_pack(const struct keeper_task *task, struct err *reterr);

/* Forks the keeper of that task; status and go become KEEPER_STATUS_FD and KEEPER_GO_FD. Returns
 * the pid, and *ret_pidfd is the caller's as slots_fork says; or a negative errno. */
pid_t launch_keeper(const struct keeper_task *task, int status, int go, int *ret_pidfd,
                    struct err *reterr);

/* In a keeper that does not need its task any more. */
void launch_forget(void);

#endif
