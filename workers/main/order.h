#ifndef OPS_ORDER_H
#define OPS_ORDER_H
/*
 * A person's word on jobs, by `opsctl jobs` and by the API (the statements are in main.sql): what
 * may be ordered, and what came of a retry or a cancellation. Pure.
 *
 * Whoever orders (document 003, "Usage from API") is told at once what the worker would say later,
 * when the job is dead.
 */
#include <cjson/cJSON.h>

#include "db.h"
#include "err.h"

/* How many of the newest numbers are looked through for a list of jobs: what a filter that nothing
 * matches may cost, a tenth of a second. */
#define JOBS_LOOK_BACK "100000"

struct order {
    const char *queue, *kind;
    const char *bot;      /* NULL or "": that of the queue */
    const cJSON *payload; /* NULL: none was given */
};

/* Checks it, and fills in the bot. Returns 0, or -EINVAL with what is wrong and what there is. */
int order_check(struct order *order, struct err *reterr);

/* Reads what `retry` or `cancel` of the job id said. Returns 0 with the job's state, -ENOENT (there
 * is no such job) or -EINVAL (it is in a state in which that cannot be). */
int order_outcome(const struct rows *rows, const char *id, const char **ret_state,
                  struct err *reterr);

/* Returns -ENOENT. */
int order_no_job(const char *id, struct err *reterr);

#endif
