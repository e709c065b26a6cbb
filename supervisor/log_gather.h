#ifndef OPS_LOG_GATHER_H
#define OPS_LOG_GATHER_H
/*
 * For how long lines are left to gather in the pipes that they are printed to.
 *
 * To be woken for each line, and to move it alone, is what costs most; whoever sleeps until a pipe
 * is full makes its writer wait. So lines that come fast gather for as long as fills a part of the
 * fullest pipe at the rate of the last round, in which all pipes were emptied; never for long, as
 * somebody may be watching. Pure: time is an argument, monotonic.
 */
#include <stdint.h>

struct log_gather {
    double ms; /* from now on; 0: the next line is not waited for */
    double fullest;
    uint64_t round, round_at_ns;
};

/* As much as that part of a pipe has come since the round began; more than 1 where it was filled
 * more than once. */
void log_gather_saw(struct log_gather *gather, double seen);

/* All pipes were emptied: a round ends and the next begins. */
void log_gather_end(struct log_gather *gather, uint64_t now_ns);

#endif
