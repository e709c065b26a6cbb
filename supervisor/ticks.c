/* Which tick of a schedule is to be run. */
#include "ticks.h"

/* splitmix64: neighbours become unlike each other. */
static uint64_t scatter(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* Close to the next tick it would be in that one's way. */
static int64_t jitter_of(const struct tick_rule *rule, int64_t tick)
{
    int64_t span = rule->jitter_ms, after;

    if (!span)
        return 0;
    if (cron_next(rule->cron, rule->zone, tick, &after) == 0 && (after - tick) / 2 < span)
        span = (after - tick) / 2;
    return (int64_t)(scatter(rule->seed ^ scatter((uint64_t)tick)) % (uint64_t)span);
}

static void set_next(struct ticks *ticks, const struct tick_rule *rule, int64_t tick)
{
    ticks->next = tick;
    ticks->due = tick + jitter_of(rule, tick);
}

void ticks_plan(struct ticks *ticks, const struct tick_rule *rule, int64_t wall)
{
    int64_t after = wall, tick;

    if (ticks->last > wall && ticks->last - wall <= CLOCK_BACK_MAX_MS)
        after = ticks->last;
    if (cron_next(rule->cron, rule->zone, after, &tick) == 0)
        set_next(ticks, rule, tick);
    else
        ticks->next = ticks->due = 0;
}

enum ticks_due ticks_take(struct ticks *ticks, const struct tick_rule *rule, int64_t wall,
                          int64_t *ret)
{
    int64_t tick;
    bool late;

    if (!ticks->next || ticks->due > wall)
        return TICKS_NONE;
    /* None: the schedule is another one than when this was planned. */
    if (cron_last(rule->cron, rule->zone, ticks->next - 1, wall, &tick) < 0) {
        ticks_plan(ticks, rule, wall);
        return TICKS_NONE;
    }
    if (tick != ticks->next)
        set_next(ticks, rule, tick);
    if (ticks->due > wall)
        return TICKS_NONE;
    late = wall - ticks->due > TICK_LATE_MAX_MS;
    ticks_plan(ticks, rule, wall);
    *ret = tick;
    return late ? TICKS_MISSED : TICKS_DUE;
}

void ticks_clock_set(struct ticks *ticks, const struct tick_rule *rule, int64_t wall)
{
    if (ticks->next > wall)
        ticks_plan(ticks, rule, wall);
}

void ticks_begin(struct ticks *ticks, int64_t tick)
{
    if (tick != ticks->last)
        ticks->tries = 0;
    ticks->last = tick;
    ticks->passed = 0;
    ticks->skipped = 0;
}
