/*
 * Once per turn of the loop: compare what is wanted of each instance with what is, and act.
 */
#include <errno.h>
#include <sys/timerfd.h>

#include "fleet_depends.h"
#include "fleet_parts.h"
#include "fleet_reload.h"
#include "instance_notify.h"
#include "instance_probe.h"
#include "instant.h"
#include "record.h"
#include "recover.h"
#include "schedule.h"

enum {
    /* Once starts have taken this long, with what ended before them, they are told to go: some
     * fifteen where nobody else wants a processor, and one at least. Clients are heard then. */
    STARTS_MS = 4,
    /* Where there is nobody to hear, a turn goes on with starts, but not for longer than this: of
     * each turn the larger part is to look at all the others. */
    TURN_MS = 25,
    SWEEP_AGAIN_MS = 50,
};

/* A stop that was asked for waits until nothing that depends on the worker runs. */
static void settle_stop(struct fleet *fleet, struct instance *i, int64_t now)
{
    if (!i->stop_asked || (!i->machine.completed && fleet_has_running_dependents(fleet, i)))
        return;
    i->stop_asked = false;
    if (fleet->leaving)
        schedule_leaving(i);
    instance_act(i, machine_stop(&i->machine, i->app, now));
    if (i->run)
        instance_pause(i, false);
}

/* Some have been started: lets them go, or leaves the rest to the next turn. */
static void settle_starts(struct fleet *fleet)
{
    struct turn *turn = &fleet->turn;
    int64_t now = turn->last_start_ms;

    if (turn->starts_until || !now || now - turn->starts_ms < STARTS_MS)
        return;
    if (now - turn->begun_ms >= TURN_MS || (fleet->asked && fleet->asked(fleet))) {
        turn->starts_until = turn->at;
        return;
    }
    fleet_commit_starts(fleet);
    turn->starts_ms = now;
    turn->last_start_ms = 0;
}

/* When a turn has started enough, the next goes on from there: in a storm of crashes those that
 * come first would have no room for the others. And the end of one process is written down before
 * the next takes its status file, which tells of that end. */
static bool may_start(struct fleet *fleet, const struct instance *i)
{
    if (i->recorded_exits != i->exit_count) {
        fleet_touch(fleet);
        return false;
    }
    return fleet->turn.at >= fleet->turn.starts_from && !fleet->turn.starts_until;
}

static void settle_dependencies(struct fleet *fleet, struct instance *i, int64_t now)
{
    struct machine *m = &i->machine;
    const char *gone = m->wanted && !i->run ? fleet_lost_need(i) : NULL;

    if (i->held != (gone != NULL))
        fleet_touch(fleet);
    i->held = gone != NULL;
    i->blocked = NULL;
    if (m->state == STATE_WAITING) {
        i->blocked = fleet_unmet_need(i);
        if (i->blocked) {
            (void)err_set(&m->reason, 0, "waits for %s", i->blocked);
        } else if (may_start(fleet, i)) {
            instance_act(i, machine_unblock(m, i->app, now));
        }
        return;
    }
    if (!gone && !i->run && (m->state == STATE_LAUNCHING || m->state == STATE_ONLINE))
        gone = fleet_replaced_need(i);
    if (gone && !fleet_has_running_dependents(fleet, i))
        instance_act(i, machine_hold(m, i->app, now, gone));
}

/* For what may start a process, or only go on with one. */
static bool may_act(struct fleet *fleet, const struct instance *i)
{
    return may_start(fleet, i) || machine_runs(&i->machine);
}

static void settle(struct fleet *fleet, struct instance *i, int64_t now, int64_t wall)
{
    struct machine *m = &i->machine;

    events_look(&fleet->events, i);
    if (i->adopt_again_ms && i->adopt_again_ms <= now)
        instance_adopt(i);
    settle_stop(fleet, i, now);
    if (m->deadline_ms && m->deadline_ms <= now && may_act(fleet, i)) {
        /* What it said in time counts, though we were late to hear it. */
        if (i->notify_fd >= 0)
            instance_notified(i);
        if (m->deadline_ms && m->deadline_ms <= now && !i->notify_taken)
            instance_act(i, machine_due(m, i->app, now));
    }
    if (m->wanted && m->state == STATE_STOPPED && !m->finished)
        instance_act(i, machine_start(m));
    settle_dependencies(fleet, i, now);
    if (may_act(fleet, i))
        schedule_settle(i, now, wall);
    fleet_settle_reload(fleet, i, now);
    renew_look(i, now, wall);
    instance_probe(i, now);
    events_look(&fleet->events, i);
    instance_clear(i, now);
}

/* The earlier of two moments, 0 being none. */
static int64_t earliest(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

static void timer_fired(uv_timer_t *timer)
{
    fleet_touch(timer->data);
}

static void arm_timer(struct fleet *fleet)
{
    int64_t next = earliest(fleet->look_again_ms, renew_next(fleet));
    int64_t now = (int64_t)monotonic_now_ms();

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        next = earliest(next, i->machine.deadline_ms);
        next = earliest(next, i->adopt_again_ms);
        next = earliest(next, i->reload.due_ms);
        next = earliest(next, i->next_probe_ms);
        next = earliest(next, i->ended ? i->next_clear_ms : 0);
    }
    if (next)
        (void)uv_timer_start(&fleet->timer, timer_fired, next > now ? (uint64_t)(next - now) : 0,
                             0);
    else
        (void)uv_timer_stop(&fleet->timer);
}

static void arm_clock(struct fleet *fleet)
{
    struct itimerspec at = { 0 };
    int64_t next = 0;

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        next = earliest(next, schedule_next(i));
        next = earliest(next, renew_next_cron(i));
    }
    at.it_value.tv_sec = next / 1000;
    at.it_value.tv_nsec = next % 1000 * 1000000;
    /* ECANCELED: it was set since we looked, and read(2) will not tell. */
    if (timerfd_settime(fleet->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) <
            0 &&
        errno == ECANCELED)
        fleet_clock_set(fleet);
}

/* A run by hand leaves the list by the look that finds it ended. */
static bool is_there(const struct fleet *fleet, const struct instance *i)
{
    return fleet->turn.at < fleet->count && fleet->instances[fleet->turn.at] == i;
}

/* Returns whether some were not started that might have been. The clocks are looked at once: most
 * instances want nothing. */
static bool settle_all(struct fleet *fleet)
{
    struct turn *turn = &fleet->turn;
    int64_t now = (int64_t)monotonic_now_ms(), wall = instant_now();

    *turn = (struct turn){ .begun_ms = now, .starts_ms = now, .starts_from = turn->starts_until };
    while (turn->at < fleet->count) {
        struct instance *i = fleet->instances[turn->at];

        settle_starts(fleet);
        settle(fleet, i, now, wall);
        if (!is_there(fleet, i))
            continue;
        if (i->retiring && !i->stop_asked && !machine_runs(&i->machine)) {
            record_gone(i);
            fleet_remove(fleet, i);
            (void)fleet_resolve(fleet);
            continue;
        }
        turn->at++;
    }
    return turn->starts_until || turn->starts_from;
}

void fleet_reconcile(struct fleet *fleet)
{
    bool more;

    if (!fleet->dirty)
        return;
    fleet->dirty = false;
    fleet->look_again_ms = 0;
    renew_begin(fleet, (int64_t)monotonic_now_ms());
    more = settle_all(fleet);
    if (fleet->unswept)
        recover_sweep(fleet);
    fleet_commit(fleet);
    if (fleet->sources.prune && fleet->recovered)
        fleet_keep_sources(fleet);
    if (fleet->changed)
        fleet->changed(fleet);
    /* What one instance did may concern another that was looked at before it. */
    if (more || fleet->dirty)
        fleet->look_again_ms = (int64_t)monotonic_now_ms();
    else if (fleet->unswept && !fleet->look_again_ms)
        fleet->look_again_ms = (int64_t)monotonic_now_ms() + SWEEP_AGAIN_MS;
    arm_timer(fleet);
    arm_clock(fleet);
}
