#ifndef OPS_INSTANCE_LOGS_H
#define OPS_INSTANCE_LOGS_H
/*
 * Where what an instance prints is written, and in which form.
 */
#include "instance.h"

/* Opens both streams, or takes up other logs when the manifest names others. Returns 0 or a
 * negative errno; what was opened stays for the next try. */
int instance_open_logs(struct instance *instance, struct err *reterr);

/* Closes both; while a process of it runs, somebody else will go on with them. */
void instance_close_logs(struct instance *instance);

enum instance_log { INSTANCE_LOG_OUT, INSTANCE_LOG_ERR, INSTANCE_LOG_BOTH, INSTANCE_LOGS };

/* Where that is written, or will be; the caller frees it. NULL: nowhere, or no memory. */
char *instance_log_path(const struct instance *instance, enum instance_log which);

/* What the present or, when none runs, the last process wrote. */
struct log_span instance_span(const struct instance *instance);

/* For struct log_sinks: the places in that log, of all instances of the fleet, are further back. */
void instance_log_rotated(struct log_sinks *sinks, const struct log_sink *sink, int64_t bytes);

#endif
