#ifndef OPS_TREE_USAGE_H
#define OPS_TREE_USAGE_H
/*
 * What whole trees of processes use, by one pass over proc(5) for all of them.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_usage {
    pid_t root;
    /* Of all descendants of root, the rest is filled in; of root itself, nothing: it is a keeper,
     * whose pages are opsd's. */
    int processes;
    /* Resident memory but for pages of files and shared memory (statm, the second number less the
     * third): what several processes map is not counted for each of them. A page that a fork left
     * in common still is; only smaps_rollup tells, at the price of a walk through all page tables.
     */
    int64_t memory_bytes;
    /* User and system time of those that run; what ended takes its part with it, so this may go
     * back. */
    int64_t cpu_ms;
};

/* A process belongs to the nearest of the roots above it. Processes come and go meanwhile; one that
 * cannot be read is left out. Returns 0 or a negative errno; then nothing is filled in. */
int tree_usage(struct tree_usage *trees, size_t count);

#endif
