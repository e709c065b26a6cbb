#ifndef OPS_MEMORY_LIMIT_H
#define OPS_MEMORY_LIMIT_H
/*
 * max_memory_restart: when a worker takes too much memory for too long. Pure; whoever samples
 * counts the whole tree.
 *
 * One look above the limit proves nothing: a request or a collection of garbage takes memory for a
 * moment. So it has to be above it at several looks in a row.
 */
#include <stdbool.h>
#include <stdint.h>

enum { MEMORY_SAMPLES = 3 };

/* Of one process; zeroed when another one begins. */
struct memory_limit {
    int above; /* looks in a row */
};

/* Takes one look at a worker that is online. Returns true when it is one too many above limit (0:
 * none); counting begins anew then. */
bool memory_limit_look(struct memory_limit *memory, int64_t bytes, int64_t limit);

#endif
