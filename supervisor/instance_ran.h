#ifndef OPS_INSTANCE_RAN_H
#define OPS_INSTANCE_RAN_H
/*
 * What the present process of an instance was started with: the manifest may have been read again
 * since, and `apply` and `diff` compare with what runs.
 */
#include "instance.h"

/* The process begins by the manifest as it is now. */
void instance_ran_begin(struct instance *instance);

/* A process that an earlier opsd began: by the reading that the journal names, if that is known
 * still; else by the manifest as it is now. */
void instance_ran_adopt(struct instance *instance);

/* There is no process any more. */
void instance_ran_end(struct instance *instance);

#endif
