/* One instance as data. */
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    /* After SIGKILL only a process stuck in the kernel remains; it is tried again this often. */
    KILL_AGAIN_MS = 1000,
    /* What a process said while opsd was away is read well within this. */
    RESUME_MS = 1000,
    /* What could not be started lacks something (memory, a process): at once means no sooner. */
    SPAWN_AGAIN_MS = 50,
};

void machine_init(struct machine *m)
{
    *m = (struct machine){ .state = STATE_STOPPED };
}

bool machine_runs(const struct machine *m)
{
    return m->state == STATE_LAUNCHING || m->state == STATE_ONLINE || m->state == STATE_STOPPING;
}

/* The earlier of two deadlines, 0 being none. */
static int64_t earlier(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

static int64_t overtime_at(const struct machine *m, const struct app *app)
{
    return app->timeout_ms ? m->started_ms + app->timeout_ms : 0;
}

static int64_t silent_at(const struct machine *m, const struct app *app)
{
    return app->watchdog_ms ? m->heard_ms + app->watchdog_ms : 0;
}

/* When the state just entered needs looking at again. */
static int64_t deadline_of(const struct machine *m, const struct app *app, int64_t now_ms)
{
    switch (m->state) {
    case STATE_LAUNCHING:
        return m->spawned && app->ready != READY_AT_ONCE ? now_ms + app->listen_timeout_ms : 0;
    case STATE_ONLINE:
        return earlier(overtime_at(m, app), silent_at(m, app));
    case STATE_STOPPING:
        return now_ms + app->kill_timeout_ms;
    default:
        return 0;
    }
}

static void set_deadline(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->deadline_ms = app ? deadline_of(m, app, now_ms) : 0;
    m->latest_ms = m->deadline_ms ? m->deadline_ms + MACHINE_EXTEND_MAX_MS : 0;
}

/* Follows the table's edge, if there is one. app may be NULL where no deadline can begin. */
static enum action follow(struct machine *m, enum event event, const struct app *app,
                          int64_t now_ms)
{
    struct edge edge = state_edge(m->state, event);

    if (edge.next == STATE_NONE)
        return DO_NOTHING;
    m->state = edge.next;
    if (edge.action == DO_SPAWN) {
        m->begun_ms = m->started_ms = now_ms;
        m->spawned = m->just_started = false;
        m->reason.text[0] = '\0';
    }
    set_deadline(m, app, now_ms);
    return edge.action;
}

static void begin_anew(struct machine *m)
{
    m->wanted = m->just_started = true;
    m->finished = m->completed = false;
    m->history = (struct restart_history){ 0 };
}

enum action machine_start(struct machine *m)
{
    if (machine_runs(m) && m->wanted)
        return DO_NOTHING;
    if (m->state == STATE_SCHEDULED || m->state == STATE_WAITING)
        return DO_NOTHING;
    begin_anew(m);
    /* Started again while it still leaves: its end is followed by the start. */
    if (m->state == STATE_STOPPING)
        m->cause = STOP_RESTART;
    m->reason.text[0] = '\0';
    return follow(m, EVENT_START, NULL, 0);
}

enum action machine_stop(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->wanted = false;
    m->tick_pending = false;
    if (m->state == STATE_STOPPING || m->state == STATE_LAUNCHING || m->state == STATE_ONLINE)
        m->cause = STOP_PERSON;
    (void)err_set(&m->reason, 0, "stopped by hand");
    return follow(m, EVENT_STOP, app, now_ms);
}

enum action machine_restart(struct machine *m, const struct app *app, int64_t now_ms)
{
    bool again = machine_runs(m) && m->cause != STOP_RESTART && m->cause != STOP_RENEW;

    begin_anew(m);
    if (machine_runs(m))
        m->cause = STOP_RESTART;
    m->restarts += again;
    (void)err_set(&m->reason, 0, "restarted by hand");
    return follow(m, EVENT_RESTART, app, now_ms);
}

enum action machine_renew(struct machine *m, const struct app *app, int64_t now_ms, const char *why)
{
    if (m->state != STATE_LAUNCHING && m->state != STATE_ONLINE)
        return DO_NOTHING;
    m->cause = STOP_RENEW;
    m->restarts++;
    (void)err_set(&m->reason, 0, "restarted: %s", why);
    return follow(m, EVENT_RESTART, app, now_ms);
}

bool machine_outlived(const struct machine *m, const struct machine *need)
{
    return (m->state == STATE_LAUNCHING || m->state == STATE_ONLINE) &&
           m->begun_ms < need->begun_ms;
}

enum action machine_unblock(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->reason.text[0] = '\0';
    return follow(m, app->scheduled && !m->tick_pending ? EVENT_PLAN : EVENT_GO, app, now_ms);
}

enum action machine_hold(struct machine *m, const struct app *app, int64_t now_ms,
                         const char *dependency)
{
    if (state_edge(m->state, EVENT_HOLD).next == STATE_NONE)
        return DO_NOTHING;
    if (machine_runs(m))
        m->cause = STOP_DEPENDENCY;
    (void)err_set(&m->reason, 0, "waits for %s", dependency);
    return follow(m, EVENT_HOLD, app, now_ms);
}

bool machine_tick(struct machine *m, const struct app *app, int64_t now_ms, enum action *ret)
{
    *ret = DO_NOTHING;
    if (state_edge(m->state, EVENT_GO).next == STATE_NONE)
        return false;
    if (m->state == STATE_WAITING && !m->tick_pending)
        return false;
    m->tick_pending = true;
    m->history = (struct restart_history){ 0 };
    if (m->state != STATE_WAITING)
        *ret = follow(m, EVENT_GO, app, now_ms);
    return true;
}

static enum action stop_late(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->cause = STOP_LATE;
    (void)err_set(&m->reason, 0, "not ready within %lld ms (listen_timeout)",
                  (long long)(m->deadline_ms - m->started_ms));
    return follow(m, EVENT_LATE, app, now_ms);
}

static enum action stop_overtime(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->cause = STOP_OVERTIME;
    (void)err_set(&m->reason, 0, "ran longer than %lld ms (timeout)", (long long)app->timeout_ms);
    return follow(m, EVENT_OVERTIME, app, now_ms);
}

static enum action stop_silent(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->cause = STOP_SILENT;
    (void)err_set(&m->reason, 0, "no WATCHDOG=1 for %lld ms (watchdog)",
                  (long long)app->watchdog_ms);
    return follow(m, EVENT_SILENT, app, now_ms);
}

static enum action online_due(struct machine *m, const struct app *app, int64_t now_ms)
{
    int64_t overtime = overtime_at(m, app), silent = silent_at(m, app);

    if (overtime && overtime <= now_ms)
        return stop_overtime(m, app, now_ms);
    if (silent && silent <= now_ms)
        return stop_silent(m, app, now_ms);
    /* The manifest was changed since. */
    set_deadline(m, app, now_ms);
    return DO_NOTHING;
}

static enum action force(struct machine *m, const struct app *app, int64_t now_ms)
{
    enum action action = follow(m, EVENT_FORCE, app, now_ms);

    m->deadline_ms = m->latest_ms = now_ms + KILL_AGAIN_MS;
    return action;
}

enum action machine_due(struct machine *m, const struct app *app, int64_t now_ms)
{
    switch (m->state) {
    case STATE_LAUNCHING:
        return stop_late(m, app, now_ms);
    case STATE_ONLINE:
        return online_due(m, app, now_ms);
    case STATE_STOPPING:
        return force(m, app, now_ms);
    case STATE_BACKOFF:
        return follow(m, EVENT_GO, app, now_ms);
    default:
        m->deadline_ms = 0;
        return DO_NOTHING;
    }
}

/* Ready, and known to run. */
static void serve(struct machine *m, const struct app *app, int64_t now_ms)
{
    m->reason.text[0] = '\0';
    (void)follow(m, EVENT_READY, app, now_ms);
}

enum action machine_spawned(struct machine *m, const struct app *app, int64_t now_ms)
{
    if (!machine_runs(m) || m->spawned)
        return DO_NOTHING;
    m->spawned = true;
    m->started_ms = now_ms;
    if (m->state == STATE_LAUNCHING && m->ready)
        serve(m, app, now_ms);
    else if (m->state == STATE_LAUNCHING && app->ready == READY_AT_ONCE)
        machine_ready(m, app, now_ms);
    else
        set_deadline(m, app, now_ms);
    return m->state == STATE_STOPPING ? DO_SIGNAL : DO_NOTHING;
}

void machine_ready(struct machine *m, const struct app *app, int64_t now_ms)
{
    if (m->state != STATE_LAUNCHING)
        return;
    m->ready = true;
    m->heard_ms = now_ms;
    /* Whoever sees one that is online may ask for its pid; its word is kept until that is known. */
    if (m->spawned)
        serve(m, app, now_ms);
}

void machine_heard(struct machine *m, const struct app *app, int64_t now_ms)
{
    if (m->state != STATE_ONLINE)
        return;
    m->heard_ms = now_ms;
    set_deadline(m, app, now_ms);
}

enum action machine_trigger(struct machine *m, const struct app *app, int64_t now_ms)
{
    if (m->state != STATE_ONLINE || !app->watchdog_ms)
        return DO_NOTHING;
    m->cause = STOP_SILENT;
    (void)err_set(&m->reason, 0, "it said WATCHDOG=trigger");
    return follow(m, EVENT_SILENT, app, now_ms);
}

void machine_extend(struct machine *m, int64_t now_ms, int64_t extend_ms)
{
    int64_t until = extend_ms < MACHINE_EXTEND_MAX_MS ? now_ms + extend_ms : m->latest_ms;

    if ((m->state != STATE_LAUNCHING && m->state != STATE_STOPPING) || !m->deadline_ms)
        return;
    if (until > m->latest_ms)
        until = m->latest_ms;
    if (until > m->deadline_ms)
        m->deadline_ms = until;
}

void machine_resumed(struct machine *m, const struct app *app, int64_t now_ms)
{
    if (m->state == STATE_LAUNCHING && m->deadline_ms && m->deadline_ms < now_ms + RESUME_MS)
        m->deadline_ms = now_ms + RESUME_MS;
    machine_heard(m, app, now_ms);
}

/* Errors that a second try cannot cure. */
static bool is_permanent(int error)
{
    return error == ENOENT || error == EACCES || error == ENOEXEC || error == ENOTDIR ||
           error == EPERM || error == ELOOP || error == EISDIR || error == EINVAL;
}

/* It leaves for what is not its own fault: it comes back as soon as nothing is in the way. */
static bool is_to_resume(enum stop_cause cause)
{
    return cause == STOP_RESTART || cause == STOP_RENEW || cause == STOP_DEPENDENCY;
}

/* There is no process any more, or there never was. Returns why it was asked to leave. */
static enum stop_cause forget_process(struct machine *m)
{
    enum stop_cause cause = m->cause;

    m->spawned = m->ready = false;
    m->cause = STOP_NONE;
    return cause;
}

void machine_spawn_failed(struct machine *m, const struct app *app, int error, int64_t now_ms,
                          double chance)
{
    enum stop_cause cause = forget_process(m);
    int64_t delay;

    if (!m->wanted) {
        (void)follow(m, EVENT_ENDED, app, now_ms);
        return;
    }
    if (is_to_resume(cause)) {
        (void)follow(m, EVENT_RESUME, app, now_ms);
        return;
    }
    if (is_permanent(error)) {
        m->tick_pending = false;
        (void)follow(m, EVENT_GAVE_UP, app, now_ms);
        return;
    }
    (void)follow(m, EVENT_RETRY, app, now_ms);
    delay = restart_delay(&app->restart, &m->history, 0, chance);
    m->deadline_ms = now_ms + (delay > SPAWN_AGAIN_MS ? delay : SPAWN_AGAIN_MS);
}

/* How an exit reads: "exited with code 1", "killed by signal 9". */
static void describe_exit(struct machine *m)
{
    /* Of the others the reason has said more since it was told to leave. */
    static const char *const causes[STOP_CAUSES] = {
        [STOP_PERSON] = "stopped by hand",
        [STOP_RESTART] = "restarted by hand",
        [STOP_DEPENDENCY] = "stopped for a dependency",
    };
    struct err why = m->reason;
    const char *name = sigabbrev_np(m->last_exit.signal);
    char how[64];

    if (m->last_exit.signal)
        (void)snprintf(how, sizeof how, "killed by signal %d (SIG%s)", m->last_exit.signal,
                       name ? name : "RT");
    else
        (void)snprintf(how, sizeof how, "exited with code %d", m->last_exit.code);
    if (causes[m->cause])
        (void)err_set(&why, 0, "%s", causes[m->cause]);
    (void)err_set(&m->reason, 0, "%.200s%s%s after %lld ms", m->cause ? why.text : "",
                  m->cause ? ", " : "", how, (long long)m->last_uptime_ms);
}

/* Adds to the reason what an exit alone does not tell. */
static void add_reason(struct machine *m, const char *why)
{
    struct err exit = m->reason;

    (void)err_set(&m->reason, 0, "%.300s; %s", exit.text, why);
}

static enum event event_of(struct machine *m, const struct app *app,
                           const struct restart_decision *decision)
{
    switch (decision->verdict) {
    case RESTART_DONE:
        m->finished = !app->scheduled;
        return app->scheduled ? EVENT_RAN : EVENT_ENDED;
    case RESTART_AGAIN:
        m->restarts += !app->scheduled;
        m->unstable_restarts += decision->unstable;
        return EVENT_RETRY;
    case RESTART_GIVE_UP:
        add_reason(m, app->scheduled ? "too many failures in a row, the next tick is awaited"
                                     : "too many failures in a row (max_restarts), given up");
        return app->scheduled ? EVENT_RAN : EVENT_GAVE_UP;
    default:
        add_reason(m, app->scheduled ? "its configuration is wrong; the next tick tries again"
                                     : "its configuration is wrong, so it is not tried again");
        return EVENT_GAVE_UP;
    }
}

/* Decides on the end of a process that was to go on, and does so. */
static void decide(struct machine *m, const struct app *app, const struct life *life, double chance)
{
    struct restart_decision decision = restart_decide(&app->restart, &m->history, life, chance);
    bool well = !life->status.signal && life->status.code == 0;
    enum event event;

    m->completed = decision.verdict == RESTART_DONE && well;
    event = event_of(m, app, &decision);
    if (event != EVENT_RETRY)
        m->tick_pending = false;
    (void)follow(m, event, app, life->ended_ms);
    if (event == EVENT_RETRY)
        m->deadline_ms = life->ended_ms + decision.delay_ms;
}

void machine_exited(struct machine *m, const struct app *app, struct exit_status status,
                    int64_t now_ms, double chance)
{
    struct life life = { .status = status,
                         .uptime_ms = now_ms - m->started_ms,
                         .ready = m->ready || app->ready == READY_AT_ONCE,
                         .ended_ms = now_ms };
    enum stop_cause cause;

    m->exited = true;
    m->last_exit = status;
    m->last_uptime_ms = life.uptime_ms;
    m->completed = false;
    describe_exit(m);
    cause = forget_process(m);
    /* No exit code of one that hung is a good end, or a reason to leave it at that. */
    if (cause >= STOP_LATE && !status.signal)
        life.status = (struct exit_status){ .signal = SIGKILL };
    if (!m->wanted)
        (void)follow(m, EVENT_ENDED, app, now_ms);
    else if (is_to_resume(cause))
        (void)follow(m, EVENT_RESUME, app, now_ms);
    else
        decide(m, app, &life, chance);
}
