/* Scheduled workers. */
#include "schedule.h"

#include "instance_history.h"
#include "instant.h"
#include "log.h"
#include "text.h"

#define MISSED "it came while nothing could be run"

static bool is_scheduled(const struct instance *i)
{
    return i->app->scheduled && !i->run;
}

static bool catches_up(const struct instance *i)
{
    return i->app->catch_up == CATCH_UP_ONCE;
}

/* Instances and workers are late by different spans. */
static uint64_t seed_of(const struct instance *i)
{
    return text_hash(i->app->name, (uint64_t)i->number);
}

static struct tick_rule rule_of(const struct instance *i)
{
    return (struct tick_rule){ .cron = &i->app->schedule,
                               .zone = i->zone,
                               .jitter_ms = i->app->jitter_ms,
                               .seed = i->app->jitter_ms ? seed_of(i) : 0 };
}

static void plan(struct instance *i, int64_t wall)
{
    struct tick_rule rule = rule_of(i);

    ticks_plan(&i->ticks, &rule, wall);
    i->zone_version = zone_version(i->zone);
}

static void forget(struct instance *i)
{
    i->ticks.next = i->ticks.due = i->ticks.queued = i->ticks.passed = 0;
}

/* --- one tick */

static void log_tick(const struct instance *i, const char *what, int64_t tick, const char *because)
{
    char text[INSTANT_TEXT_MAX];

    log_warn(what, LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
             LOG_TEXT("tick", instant_print(tick, text)), LOG_TEXT("because", because));
}

static void begin(struct instance *i, int64_t tick, int64_t now)
{
    enum action action;

    if (tick == i->ticks.queued)
        i->ticks.queued = 0;
    if (!machine_tick(&i->machine, i->app, now, &action)) {
        /* The history says how many more there were during this run. */
        if (!i->ticks.skipped++)
            log_tick(i, "tick skipped", tick, state_name(i->machine.state));
        i->ticks.passed = tick;
        return;
    }
    ticks_begin(&i->ticks, tick);
    instance_act(i, action);
}

static void take(struct instance *i, int64_t tick, int64_t now)
{
    if (machine_runs(&i->machine) && i->app->overlap == OVERLAP_QUEUE && !i->ticks.queued)
        i->ticks.queued = tick;
    else
        begin(i, tick, now);
}

/* What waits for the end of the run under way. A run that failed is not tried again past the next
 * tick: that one's run takes over, though it was skipped when it came. */
static void begin_waiting(struct instance *i, int64_t now)
{
    if (machine_runs(&i->machine))
        return;
    if (i->ticks.queued)
        begin(i, i->ticks.queued, now);
    else if (i->ticks.passed && i->machine.tick_pending)
        begin(i, i->ticks.passed, now);
    else
        i->ticks.passed = 0;
}

/* --- turns */

/* Waiting for a dependency it takes no tick, unless one is to be tried again anyway: whether it
 * still is in time is asked when it may run. */
static bool takes_ticks(const struct instance *i)
{
    return is_scheduled(i) && i->machine.wanted && !i->stop_asked &&
           (i->machine.state != STATE_WAITING || i->machine.tick_pending);
}

/* The first turn after a start by hand, or with the fleet: run_on_start, unless a missed tick is to
 * be run anyway. */
static void arrive(struct instance *i, int64_t wall)
{
    bool missed = i->ticks.due && i->ticks.due <= wall;

    i->machine.just_started = false;
    if (i->app->run_on_start && !missed && !i->ticks.queued)
        i->ticks.queued = wall - wall % 1000;
}

void schedule_settle(struct instance *i, int64_t now, int64_t wall)
{
    struct tick_rule rule;
    int64_t tick;

    if (is_scheduled(i) && !i->machine.wanted && !i->fleet->leaving)
        forget(i);
    if (!takes_ticks(i))
        return;
    if (!i->ticks.next)
        plan(i, wall);
    if (i->machine.just_started && i->machine.state == STATE_SCHEDULED)
        arrive(i, wall);
    begin_waiting(i, now);
    rule = rule_of(i);
    switch (ticks_take(&i->ticks, &rule, wall, &tick)) {
    case TICKS_MISSED:
        if (!catches_up(i)) {
            log_tick(i, "tick missed", tick, MISSED);
            instance_history_none(i, tick, "missed: " MISSED);
            break;
        }
        /* fall through */
    case TICKS_DUE:
        take(i, tick, now);
        break;
    case TICKS_NONE:
        break;
    }
}

int64_t schedule_next(const struct instance *i)
{
    return takes_ticks(i) ? i->ticks.due : 0;
}

void schedule_clock_set(struct instance *i)
{
    struct tick_rule rule = rule_of(i);

    if (is_scheduled(i) && i->ticks.next)
        ticks_clock_set(&i->ticks, &rule, instant_now());
}

/* --- what changes around it */

/* A tick that is due but not begun must survive another reading of the same schedule. */
void schedule_follow(struct instance *i, const struct app *app)
{
    const struct app *before = i->app;

    if (app->scheduled)
        (void)zone_open(app->timezone, &i->zone, NULL);
    if (before->scheduled != app->scheduled ||
        !text_same(before->schedule_text, app->schedule_text) ||
        !text_same(before->timezone, app->timezone))
        forget(i);
    else if (app->scheduled && i->zone_version != zone_version(i->zone) &&
             i->ticks.next > instant_now())
        i->ticks.next = i->ticks.due = 0;
}

void schedule_ended(struct instance *i)
{
    const struct exit_status *status = &i->machine.last_exit;

    if (is_scheduled(i) && i->fleet->leaving && !status->signal && status->code == 0)
        i->ticks.queued = 0;
}

void schedule_leaving(struct instance *i)
{
    if (is_scheduled(i) && catches_up(i) && i->machine.tick_pending)
        i->ticks.queued = i->ticks.last;
}

void schedule_begin_anew(struct instance *i, bool interrupted)
{
    bool missed = i->ticks.next && i->ticks.next <= instant_now();

    if (!is_scheduled(i))
        return;
    if (!missed || !catches_up(i))
        i->ticks.next = i->ticks.due = 0;
    if (!catches_up(i) || missed)
        i->ticks.queued = 0;
    if (interrupted && !missed && i->machine.wanted)
        i->ticks.queued = i->ticks.last;
}
