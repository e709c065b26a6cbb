/* For how long lines are left to gather. */
#include "log_gather.h"

/* Of a pipe. Its pages hold half of what they could at worst, and whoever sleeps may wake late. */
static const double part = 0.25;

/* A follower sees a line this much later at worst. */
static const double most_ms = 20;

/* To sleep for less costs more than to look at once. */
static const double least_ms = 0.1;

/* Lines that come further apart than this are not waited for. */
static const double busy_ms = 5;

void log_gather_saw(struct log_gather *gather, double seen)
{
    if (seen > gather->fullest)
        gather->fullest = seen;
}

/* More than before only by and by, since a rate that was seen for a moment may be wrong. */
static double next_ms(const struct log_gather *gather, double elapsed_ms)
{
    double most = 2 * gather->ms + 1, ms = most;

    if (elapsed_ms > busy_ms + gather->ms)
        return 0;
    if (gather->fullest > 0)
        ms = elapsed_ms * part / gather->fullest;
    if (ms > most)
        ms = most;
    if (ms > most_ms)
        ms = most_ms;
    return ms < least_ms ? 0 : ms;
}

void log_gather_end(struct log_gather *gather, uint64_t now_ns)
{
    gather->ms = next_ms(gather, (double)(now_ns - gather->round_at_ns) / 1e6);
    gather->round_at_ns = now_ns;
    gather->fullest = 0;
    gather->round++;
}
