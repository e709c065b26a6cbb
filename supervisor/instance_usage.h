#ifndef OPS_INSTANCE_USAGE_H
#define OPS_INSTANCE_USAGE_H
/*
 * What an instance's process uses, measured when somebody asks: nothing wakes up for it in between.
 *
 * Whoever asks, asks for all of a fleet, so a descriptor of each process's figures is kept from its
 * start on. Opened for each question, a thousand of them took half of the answer's time.
 */
#include "instance.h"

/* Its process runs: i->pid. Once more begins anew. */
void instance_usage_begin(struct instance *instance);

/* It does not, or not for us; more often does no harm. */
void instance_usage_end(struct instance *instance);

/* Brings what is due in i->usage up to date. Returns 0 or a negative errno: -ESRCH or -ENOENT when
 * its process is gone, others when what it takes to look is not there. */
int instance_usage_measure(struct instance *instance);

#endif
