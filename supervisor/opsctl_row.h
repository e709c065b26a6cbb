#ifndef OPS_OPSCTL_ROW_H
#define OPS_OPSCTL_ROW_H
/*
 * The members of a worker's row (`stat --json`) as text, one function each, for the table of
 * `stat` and the list of `describe`. They add nothing where a value does not apply.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct row_context {
    const cJSON *row; /* in the list of all that are shown */
    int64_t now;      /* ms; spans are counted from it */
};

/* It ended by itself and well, and is not to be started again: a migration, say. */
bool row_is_completed(const cJSON *row);

/* Returns 0, -EMSGSIZE or -ENOMEM. The text is not yet safe for a terminal. */
typedef int row_text(const struct row_context *context, struct buf *to);

/* row_outcome is the state, or "completed". */
row_text row_outcome;
/* Why it is in its state and what comes next, a sentence (opsctl_why.c). */
row_text row_why;
row_text row_id, row_name, row_namespace, row_state, row_pid, row_uptime, row_restarts, row_cpu,
    row_memory, row_last_run, row_next_run, row_stats, row_status;

/* "in 4m12s" or "12s ago" for an RFC 3339 instant of the row. */
int row_add_instant(struct buf *to, const char *instant, int64_t now);

/* "exit 1" or "signal 9"; nothing when both are null. */
int row_add_exit(struct buf *to, const cJSON *object);

#endif
