#ifndef OPS_INSTANCE_LINES_H
#define OPS_INSTANCE_LINES_H
/*
 * The last lines that a process of an instance printed, for people who ask why it ended. They are
 * looked up in its logs, by the span that it wrote.
 */
#include <cjson/cJSON.h>

#include "instance.h"

/* Adds the last n lines of each of its logs to array: of the present or, when none runs, of the
 * last process; errors last. */
void instance_add_lines(const struct instance *instance, int n, cJSON *array);

/* The same of a process that has ended; from what was kept of them then, if it was. */
void instance_add_exit_lines(const struct instance *instance, const struct exit_record *record,
                             int n, cJSON *array);

/* Keeps the last lines of a process that has just ended with the record of its exit: by the time
 * that somebody asks, its logs may be rotated away. */
void instance_keep_lines(const struct instance *instance, struct exit_record *record);

/* Looks for the text that says it is ready (READY_LOG) in what its process printed before this opsd
 * was there to see it. */
void instance_probe_printed(struct instance *instance);

#endif
