/*
 * The machine against a world of random commands, exits, ticks and deadlines, with a clock of its
 * own. The world knows little of the machine: whether a process exists, what was asked for last,
 * and how often it failed; that must agree with what the machine says, after every step.
 *
 * The seed is printed; SEED=N ./test_machine_model repeats a run.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "chance.h"
#include "machine.h"

enum {
    STEPS = 1000000,
    /* Steps with one world before the next one with another policy. */
    LIFE = 500,
};

static const int good_ends[] = { 7 };

/* Each world has one of these. */
/* clang-format off */
#define RESTART .autorestart = true, .min_uptime_ms = 1000, .max_restarts = 4
#define BACKOFF .backoff = { 100, 2000, 1.5, 5000, 10 }
static const struct app apps[] = {
    { .name = "service", .restart = { RESTART, BACKOFF },
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000 },
    { .name = "notify", .restart = { RESTART, BACKOFF }, .ready = READY_NOTIFY,
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000 },
    { .name = "fixed delay", .restart = { RESTART, BACKOFF, .restart_delay_ms = 700 },
      .kill_timeout_ms = 0, .listen_timeout_ms = 3000 },
    { .name = "watchdog", .restart = { RESTART, BACKOFF }, .ready = READY_MESSAGE,
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000, .watchdog_ms = 2000 },
    { .name = "window", .restart = { RESTART, BACKOFF, .restart_window_ms = 60000 },
      .ready = READY_EXEC, .kill_timeout_ms = 300, .listen_timeout_ms = 2000 },
    { .name = "task", .restart = { BACKOFF, .stop_exit_codes = good_ends, .stop_exit_codes_count = 1,
                                   .min_uptime_ms = 1000, .max_restarts = 4 },
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000 },
    { .name = "stop code", .restart = { RESTART, BACKOFF, .stop_exit_codes = good_ends,
                                        .stop_exit_codes_count = 1 },
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000 },
    { .name = "scheduled", .restart = { RESTART, BACKOFF, .one_shot = true }, .scheduled = true,
      .kill_timeout_ms = 1600, .listen_timeout_ms = 3000, .timeout_ms = 4000 },
    { .name = "scheduled, notify", .restart = { RESTART, BACKOFF, .one_shot = true },
      .scheduled = true, .ready = READY_NOTIFY, .kill_timeout_ms = 1600,
      .listen_timeout_ms = 3000, .timeout_ms = 4000, .watchdog_ms = 1500 },
};
/* clang-format on */

/* Why the world expects the machine to have given up. */
enum given_up { NOT, BY_CODE, BY_ERROR, BY_BUDGET };

struct world {
    const struct app *app;
    struct machine machine;
    int64_t now;
    bool process; /* there is one, or may be: its start was ordered and its end not told */
    bool spawned; /* it was told that it runs */
    bool signalled;
    int64_t signalled_at, heard_at;
    bool wanted;         /* by the last command */
    int unstable;        /* failures in a row that count, as documented */
    int64_t failures[4]; /* when the last max_restarts exits were that count for restart_window */
    unsigned failure_count;
    enum given_up given_up;
    unsigned tick_count, begun_count, skipped_count;
};

#define check(condition)                                                           \
    do                                                                             \
        if (!(condition))                                                          \
            fail_msg("SEED=%llu, %s, %s at %lld: %s", seed, w->app->name,          \
                     state_name(w->machine.state), (long long)w->now, #condition); \
    while (0)

static void forget_failures(struct world *w)
{
    w->unstable = 0;
    w->failure_count = 0;
    w->given_up = NOT;
}

/* A back-off delay lies between the first and the longest one, with its jitter. */
static void check_delay(const struct world *w)
{
    const struct restart_policy *p = &w->app->restart;
    double delay = (double)(w->machine.deadline_ms - w->now);

    if (p->restart_delay_ms)
        check(delay == p->restart_delay_ms);
    else
        check(delay >= p->backoff.initial_ms * 0.9 - 1 && delay <= p->backoff.max_ms * 1.1);
}

static void perform(struct world *w, enum action action)
{
    switch (action) {
    case DO_NOTHING:
        break;
    case DO_SPAWN:
        check(!w->process);
        check(w->wanted);
        check(w->machine.begun_ms == w->now && !w->machine.just_started);
        w->process = true;
        w->spawned = w->signalled = false;
        break;
    case DO_ABORT:
        check(w->app->watchdog_ms && w->machine.cause == STOP_SILENT);
        /* fall through */
    case DO_SIGNAL:
        check(w->process && !w->signalled);
        w->signalled = true;
        w->signalled_at = w->now;
        break;
    case DO_KILL:
        check(w->process && w->signalled);
        check(w->now >= w->signalled_at + w->app->kill_timeout_ms);
        break;
    }
}

/* Whether this exit counts as a failure, and whether it was one too many, told from the documents
 * and not from restart.c. */
static void count_failure(struct world *w, struct exit_status status, int64_t lived, bool ready)
{
    const struct restart_policy *p = &w->app->restart;
    unsigned most = sizeof w->failures / sizeof *w->failures;

    if (!status.signal && status.code == EXIT_MISCONFIGURED)
        w->given_up = BY_CODE;
    if (!status.signal && (status.code == EXIT_TRY_LATER || status.code == EXIT_MISCONFIGURED))
        return;
    if (!p->autorestart)
        return;
    w->unstable = lived < p->min_uptime_ms || !ready ? w->unstable + 1 : 0;
    w->failures[w->failure_count++ % most] = w->now;
    if (w->unstable >= p->max_restarts)
        w->given_up = BY_BUDGET;
    if (p->restart_window_ms && w->failure_count >= most &&
        w->now - w->failures[w->failure_count % most] < p->restart_window_ms)
        w->given_up = BY_BUDGET;
}

static bool is_good_end(const struct app *app, struct exit_status status)
{
    return !status.signal && ((app->restart.one_shot && status.code == 0) ||
                              (app->restart.stop_exit_codes_count && status.code == 7));
}

/* Something other than its own fault made it leave, and it comes back at once. */
static bool resumes(enum stop_cause cause)
{
    return cause == STOP_RESTART || cause == STOP_RENEW || cause == STOP_DEPENDENCY;
}

static void do_spawn_failure(struct world *w)
{
    static const int errors[] = { ENOENT, EACCES, EAGAIN, ENOMEM, EMFILE };
    struct machine *m = &w->machine;
    enum stop_cause cause = m->cause;
    int error = errors[pick(5)];

    w->process = false;
    machine_spawn_failed(m, w->app, error, w->now, chance());
    if (!w->wanted) {
        check(m->state == STATE_STOPPED);
    } else if (resumes(cause)) {
        check(m->state == STATE_WAITING);
    } else if (error == ENOENT || error == EACCES) {
        check(m->state == STATE_ERRORED);
        w->given_up = BY_ERROR;
    } else {
        check(m->state == STATE_BACKOFF);
        check_delay(w);
    }
}

/* The program runs: the end that was ordered before is ordered again, for it to hear. */
static void do_spawned(struct world *w)
{
    bool leaving = w->signalled, ready = w->machine.ready || w->app->ready == READY_AT_ONCE;

    w->spawned = true;
    w->signalled = false;
    perform(w, machine_spawned(&w->machine, w->app, w->now));
    check(w->signalled == leaving);
    check(w->machine.started_ms == w->now);
    check(leaving || (w->machine.state == STATE_ONLINE) == ready);
    if (ready && !leaving)
        w->heard_at = w->now;
    check(leaving || w->app->ready != READY_AT_ONCE || w->machine.state == STATE_ONLINE);
}

static void do_exit(struct world *w)
{
    static const int codes[] = { 0, 0, 1, 1, 2, 7, EXIT_TRY_LATER, EXIT_MISCONFIGURED };
    struct exit_status status = { 0 };
    struct machine *m = &w->machine;
    enum stop_cause cause = m->cause;
    bool ready = m->ready || w->app->ready == READY_AT_ONCE;
    int64_t lived = w->now - m->started_ms;

    if (pick(4) == 0)
        status.signal = 1 + (int)pick(15);
    else
        status.code = codes[pick(8)];
    w->process = false;
    machine_exited(m, w->app, status, w->now, chance());
    check(m->last_exit.code == status.code && m->last_exit.signal == status.signal);
    check(m->last_uptime_ms == lived);
    if (!w->wanted) {
        check(m->state == STATE_STOPPED);
        return;
    }
    if (resumes(cause)) {
        check(m->state == STATE_WAITING);
        return;
    }
    if (cause == STOP_NONE && is_good_end(w->app, status)) {
        check(m->state == (w->app->scheduled ? STATE_SCHEDULED : STATE_STOPPED));
        return;
    }
    /* One that hung failed, whatever it exits with. */
    if (cause != STOP_NONE)
        status = (struct exit_status){ .signal = 9 };
    count_failure(w, status, lived, ready);
    if (w->given_up == BY_BUDGET && w->app->scheduled)
        check(m->state == STATE_SCHEDULED);
    else if (w->given_up)
        check(m->state == STATE_ERRORED);
    else
        check(m->state == (w->app->restart.autorestart ? STATE_BACKOFF : STATE_STOPPED));
    if (m->state == STATE_BACKOFF)
        check_delay(w);
    check(m->completed == (!w->app->restart.autorestart && !status.signal && status.code == 0));
}

/* What a process, or opsd in its name, has to say. */
static void do_talk(struct world *w)
{
    struct machine *m = &w->machine;
    enum state before = m->state;
    int64_t deadline = m->deadline_ms;

    switch (pick(5)) {
    case 0:
    case 1:
        if (before == STATE_LAUNCHING)
            w->heard_at = w->now;
        machine_ready(m, w->app, w->now);
        check(before != STATE_LAUNCHING || (m->state == STATE_ONLINE) == w->spawned);
        break;
    case 2:
        machine_heard(m, w->app, w->now);
        w->heard_at = w->now;
        break;
    case 3:
        machine_extend(m, w->now, pick(2) ? pick(5000) : INT64_MAX - pick(1000));
        check(m->deadline_ms >= deadline && (m->deadline_ms != 0) == (deadline != 0));
        break;
    default:
        machine_resumed(m, w->app, w->now);
        w->heard_at = w->now;
        break;
    }
}

static void do_renew(struct world *w)
{
    struct machine *m = &w->machine;
    struct restart_history history = m->history;
    enum state before = m->state;

    perform(w, machine_renew(m, w->app, w->now, "its memory"));
    if (before == STATE_LAUNCHING || before == STATE_ONLINE)
        check(m->state == STATE_STOPPING && m->cause == STOP_RENEW);
    else
        check(m->state == before);
    check(memcmp(&history, &m->history, sizeof history) == 0);
}

static void do_start(struct world *w)
{
    enum state before = w->machine.state;

    /* Starting what is up, or waits to be, changes nothing. */
    if (!(w->wanted && w->process) && before != STATE_SCHEDULED && before != STATE_WAITING)
        forget_failures(w);
    w->wanted = true;
    perform(w, machine_start(&w->machine));
    check(w->machine.just_started || w->process || before == STATE_SCHEDULED ||
          before == STATE_WAITING);
}

static void do_stop(struct world *w)
{
    w->wanted = false;
    perform(w, machine_stop(&w->machine, w->app, w->now));
    check(w->process ? w->machine.state == STATE_STOPPING : w->machine.state == STATE_STOPPED);
}

static void do_restart(struct world *w)
{
    int before = w->machine.restarts;

    w->wanted = true;
    forget_failures(w);
    perform(w, machine_restart(&w->machine, w->app, w->now));
    check(w->machine.restarts - before == 0 || (w->machine.restarts - before == 1 && w->process));
}

static void do_tick(struct world *w)
{
    enum state before = w->machine.state;
    enum action action;
    bool pending = w->machine.tick_pending;

    if (!w->app->scheduled || !w->wanted)
        return;
    w->tick_count++;
    if (!machine_tick(&w->machine, w->app, w->now, &action)) {
        w->skipped_count++;
        check(w->process || (before == STATE_WAITING && !pending) || before == STATE_STOPPED);
        check(w->machine.state == before && action == DO_NOTHING);
        return;
    }
    w->begun_count++;
    check(action == (before == STATE_WAITING ? DO_NOTHING : DO_SPAWN));
    forget_failures(w);
    perform(w, action);
}

/* What reconcile.c does each turn: deadlines, and a start of what is wanted. */
static void settle(struct world *w)
{
    struct machine *m = &w->machine;

    if (m->deadline_ms && m->deadline_ms <= w->now)
        perform(w, machine_due(m, w->app, w->now));
    if (m->wanted && m->state == STATE_STOPPED && !m->finished)
        perform(w, machine_start(m));
}

/* The process, if there is one, goes on. */
static void live(struct world *w)
{
    if (!w->process)
        return;
    if (!w->spawned && pick(4))
        do_spawned(w);
    else if (!w->spawned && pick(3))
        do_spawn_failure(w);
    else
        do_exit(w);
}

static void step(struct world *w)
{
    struct machine *m = &w->machine;

    switch (pick(14)) {
    case 0:
        do_start(w);
        break;
    case 1:
        if (pick(3) == 0)
            do_stop(w);
        break;
    case 2:
        if (pick(3) == 0)
            do_restart(w);
        break;
    case 3:
        if (m->wanted && pick(3) == 0)
            perform(w, machine_hold(m, w->app, w->now, "db"));
        break;
    case 4:
    case 5:
        live(w);
        break;
    case 6:
    case 7:
        if (w->process)
            do_talk(w);
        break;
    case 8:
        do_tick(w);
        break;
    case 9:
    case 10:
        if (m->state == STATE_WAITING)
            perform(w, machine_unblock(m, w->app, w->now));
        break;
    case 11:
        w->now += pick(200);
        break;
    case 12:
        if (pick(4) == 0)
            do_renew(w);
        else if (pick(8) == 0)
            perform(w, machine_trigger(m, w->app, w->now));
        break;
    default:
        w->now += pick(10) == 0 ? pick(100000) : pick(3000);
        break;
    }
    settle(w);
}

/* A deadline of the present state lies where the manifest, and what the process asked for, put it.
 */
static void check_deadline(const struct world *w)
{
    const struct machine *m = &w->machine;
    int64_t until = m->deadline_ms;

    if (m->state == STATE_STOPPING)
        check(until && until <= w->signalled_at + w->app->kill_timeout_ms + MACHINE_EXTEND_MAX_MS +
                                    (w->now - w->signalled_at) + 1000);
    if (m->state == STATE_LAUNCHING && w->app->ready != READY_AT_ONCE)
        check((until != 0) == w->spawned);
    if (m->state == STATE_ONLINE && w->app->watchdog_ms)
        check(until && until <= w->heard_at + w->app->watchdog_ms);
    if (m->state == STATE_ONLINE && w->app->timeout_ms)
        check(until && until <= m->started_ms + w->app->timeout_ms);
    if (m->state == STATE_BACKOFF)
        check(until);
}

static void check_world(const struct world *w)
{
    const struct machine *m = &w->machine;

    check(machine_runs(m) == w->process);
    check(m->wanted == w->wanted);
    check(m->state != STATE_ONLINE || (m->ready && m->spawned));
    check(w->process || (!m->ready && m->cause == STOP_NONE));
    check((m->state == STATE_STOPPING) == (w->process && w->signalled));
    check((m->state == STATE_STOPPING) == (m->cause != STOP_NONE));
    check(m->spawned == (w->process && w->spawned));
    check_deadline(w);
    check(w->wanted || m->state == STATE_STOPPED || m->state == STATE_STOPPING);
    check(m->state != STATE_ERRORED || w->given_up);
    check(m->state != STATE_SCHEDULED || (w->app->scheduled && !m->tick_pending));
    check(!w->app->scheduled || m->state != STATE_BACKOFF || m->tick_pending);
    check(w->tick_count == w->begun_count + w->skipped_count);
    check(!m->completed || (m->exited && !m->last_exit.signal));
}

/* Whatever state it is in, a stop ends it, and nothing but the process itself can delay that. */
static void stop_for_good(struct world *w)
{
    do_stop(w);
    for (int i = 0; w->process && i < 5; i++) {
        w->now = w->machine.deadline_ms;
        settle(w);
        check(w->machine.state == STATE_STOPPING);
    }
    if (w->process)
        do_exit(w);
    check(w->machine.state == STATE_STOPPED && !w->process);
    w->now += 1000000;
    settle(w);
    check(w->machine.state == STATE_STOPPED && !w->process);
}

static void a_random_life_keeps_every_promise(void **state)
{
    struct world w = { 0 };
    unsigned visited[STATES] = { 0 };

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        if (i % LIFE == 0) {
            if (i)
                stop_for_good(&w);
            w = (struct world){ .app = &apps[pick(sizeof apps / sizeof *apps)], .now = 1000 };
            machine_init(&w.machine);
        }
        step(&w);
        check_world(&w);
        visited[w.machine.state]++;
    }
    /* A world in which something never happens proves little. */
    for (int s = STATE_NONE + 1; s < STATES; s++)
        assert_true(visited[s] > STEPS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_random_life_keeps_every_promise),
    };

    chance_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
