#ifndef OPS_USAGE_H
#define OPS_USAGE_H
/*
 * What a process uses, looked at as seldom as the figures allow. Pure: whoever is asked reads
 * procfs.h, and of it only what is due.
 *
 * The time it used is one look at a clock, its memory a file to read, twice as much, and to open
 * and close where it is not kept open (instance_usage.h). A process that used no time since was not
 * running, so its memory is what it was: only a kernel that is short of memory takes some from
 * whoever sleeps. It counts what it takes, from all together; when it took any, memory is read
 * again that was read USAGE_MEMORY_MS ago.
 */
#include <stdbool.h>
#include <stdint.h>

enum { USAGE_WINDOW_MS = 1000, USAGE_MEMORY_MS = 10000 };

/* Of one process; zeroed when another one begins. Instants are monotonic, 0: it was not yet. */
struct usage {
    int64_t at, cpu_ns;  /* when the time it used was looked at, and how much it was */
    uint64_t cpu_tenths; /* per mille of a processor since the time before */
    int64_t memory_at, memory_bytes;
    int64_t memory_cpu_ns; /* the time it had used before its memory was read */
    int64_t memory_taken;  /* and the pages that the kernel had taken, from whomever */
};

/* False: what was measured within the last USAGE_WINDOW_MS is to be told again. */
bool usage_is_due(const struct usage *usage, int64_t now_ms);

/* How many pages the kernel took so far, and when that was looked at. Of a whole fleet; zeroed
 * before the first look. */
struct reclaim {
    int64_t at, taken;
};

/* What tells that memory is what it was: the time a process used, and the pages that the kernel
 * took back from any process (negative: unknown). */
struct usage_clues {
    int64_t cpu_ns, taken;
};

/* Whether its memory may be another than what was read last. */
bool usage_memory_is_due(const struct usage *usage, struct usage_clues now, int64_t now_ms);

/* Its memory was read, after the clues were: what happens in between is seen the next time. */
void usage_take_memory(struct usage *usage, int64_t bytes, struct usage_clues before,
                       int64_t now_ms);

/* The time it used since it was looked at last, at first since its start, is what cpu_tenths tells.
 * Over less than USAGE_WINDOW_MS it tells nothing: then it stays as it is. */
void usage_take_cpu(struct usage *usage, int64_t cpu_ns, int64_t started_ms, int64_t now_ms);

#endif
