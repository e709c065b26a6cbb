#ifndef OPS_INSTANCE_FORK_H
#define OPS_INSTANCE_FORK_H
/*
 * Gathers what the manifest says of a process, and forks the keeper that will start it.
 */
#include "instance.h"

/* Forks instance->keeper, which waits for keepers_go. Returns 0 or a negative errno. */
int instance_fork(struct instance *instance, struct err *reterr);

/* Says for people why the keeper could not start the worker (KEEPER_FAILED). Returns the negative
 * errno. */
int instance_explain(const struct instance *instance, struct err *reterr);

#endif
