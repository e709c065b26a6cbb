#ifndef OPS_TICKS_H
#define OPS_TICKS_H
/*
 * Which tick of a schedule is to be run, and which is not: what became of the time between two
 * looks at the clock. Pure: the wall clock is an argument, in ms.
 *
 * A tick is an instant at which the schedule is due. Each is taken once at most, in order; the
 * looks may be late (opsd was away, the machine slept, the clock was set): then of the ticks that
 * came meanwhile only the last one counts, so that there is never a burst. One that is taken more
 * than TICK_LATE_MAX_MS late was missed.
 *
 * Plain data without pointers: the journal keeps it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "cron.h"

enum {
    /* A loop that is busy, an opsd that is replaced: no later than this, a tick is still on time.
     */
    TICK_LATE_MAX_MS = 60 * 1000,
    /* A clock that is put back by no more than this was adjusted (as by hand at the end of summer),
     * and no tick is taken again; one that is put back further was wrong before. */
    CLOCK_BACK_MAX_MS = 60 * 60 * 1000,
};

struct ticks {
    int64_t next;   /* the first that is not dealt with yet; 0: none, or to be planned */
    int64_t due;    /* next and its jitter */
    int64_t queued; /* to be run as soon as nothing else runs; 0: none */
    int64_t passed; /* the last that came while a run was under way, and was not queued; 0: none */
    int64_t last;   /* the one that was run last, or is */
    int tries;      /* runs of last */
    int skipped;    /* ticks that came and were not run, since last began */
};

/* A schedule as the manifest has it. */
struct tick_rule {
    const struct cron *cron;
    const struct zone *zone;
    int64_t
        jitter_ms; /* each is due later by up to this, but before half of the time to the next */
    uint64_t seed; /* of that lateness: the same for the same worker and tick, always */
};

/* Plans the first tick after an instant. */
void ticks_plan(struct ticks *ticks, const struct tick_rule *rule, int64_t wall);

enum ticks_due { TICKS_NONE, TICKS_DUE, TICKS_MISSED };

/* Takes the tick that is due now, if there is one, and plans the one after it. *ret is set unless
 * the answer is TICKS_NONE. */
enum ticks_due ticks_take(struct ticks *ticks, const struct tick_rule *rule, int64_t wall,
                          int64_t *ret);

/* The clock was set: what was planned may be too far ahead. */
void ticks_clock_set(struct ticks *ticks, const struct tick_rule *rule, int64_t wall);

/* A run of a tick begins. */
void ticks_begin(struct ticks *ticks, int64_t tick);

#endif
