#ifndef OPS_ORDER_H
#define OPS_ORDER_H
/*
 * Jobs that a person may order (document 003, "Usage from API"): which kinds there are, and whether
 * a payload is one that their worker takes. Pure.
 *
 * Whoever orders is told at once what the worker would say later, when the job is dead.
 */
#include <cjson/cJSON.h>

#include "err.h"

struct order {
    const char *queue, *kind;
    const char *bot;      /* NULL or "": that of the queue */
    const cJSON *payload; /* NULL: none was given */
};

/* Checks it, and fills in the bot. Returns 0, or -EINVAL with what is wrong and what there is. */
int order_check(struct order *order, struct err *reterr);

#endif
