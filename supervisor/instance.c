/* One worker process as opsd holds it. */
#include "instance.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "fleet_depends.h"
#include "instance_channel.h"
#include "instance_files.h"
#include "instance_fork.h"
#include "instance_history.h"
#include "instance_lines.h"
#include "instance_logs.h"
#include "instance_probe.h"
#include "instance_ran.h"
#include "instance_usage.h"
#include "instant.h"
#include "keeper_remains.h"
#include "log.h"
#include "own.h"
#include "pid_file.h"
#include "procfs.h"
#include "schedule.h"

enum {
    /* Killed processes are gone within a millisecond, unless the kernel holds them. */
    CLEAR_EVERY_MAX_MS = 1000,
    ADOPT_EVERY_MS = 1000,
    ADOPT_SOON_MS = 10, /* it starts at this moment, or ends because opsd did */
};

bool instance_is_member(const struct instance *i)
{
    return !i->run && !i->hidden && !i->retiring;
}

struct instance *instance_new(struct fleet *fleet, struct generation *generation,
                              const struct app *app, int number)
{
    struct instance *i = calloc(1, sizeof *i);

    if (!i)
        return NULL;
    machine_init(&i->machine);
    i->fleet = fleet;
    i->generation = generation_ref(generation);
    i->app = app;
    i->id = fleet->next_id++;
    i->number = number;
    i->out.fd = i->err.fd = i->notify_fd = i->memory_fd = -1;
    i->cpu_clock = PROCFS_NO_CLOCK;
    readiness_init(&i->readiness);
    i->ready_fd_write = i->channel_fd_theirs = -1;
    return i;
}

static void forget_keeper_file(const struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);

    if (file)
        keepers_forget(&i->fleet->keepers, file);
}

void instance_free(struct instance *i)
{
    instance_probe_close(i);
    /* Its process, if it has one, goes on and can be adopted. */
    if (i->keeper)
        i->keeper->owner = NULL;
    else
        forget_keeper_file(i);
    instance_close_files(i);
    instance_usage_end(i);
    generation_unref(i->ran_generation);
    generation_unref(i->generation);
    fleet_forget_needs(i);
    for (unsigned n = 0; i->exits && n < EXITS_KEPT; n++)
        free(i->exits[n].said);
    free(i->exits);
    free(i->stats);
    free(i);
}

struct exit_record *instance_next_exit(struct instance *i)
{
    struct exit_record *record;

    if (!i->exits)
        i->exits = calloc(EXITS_KEPT, sizeof *i->exits);
    if (!i->exits)
        return NULL;
    record = &i->exits[i->exit_count++ % EXITS_KEPT];
    free(record->said);
    record->said = NULL;
    return record;
}

/* Writes the end of i's process down with whom it concerns: itself or, for a run by hand, the
 * worker that was run. */
static void keep_exit(const struct instance *i, struct instance *whose)
{
    struct exit_record *record = instance_next_exit(whose);

    if (!record)
        return;
    *record = (struct exit_record){ .at = instant_now(),
                                    .status = i->machine.last_exit,
                                    .uptime_ms = i->machine.last_uptime_ms,
                                    .span = instance_span(i) };
    instance_keep_lines(i, record);
    (void)err_set(&record->reason, 0, "%s%.400s", i->run ? "run by hand: " : "",
                  i->machine.reason.text);
    if (i->run) {
        free(whose->stats);
        whose->stats = i->stats ? strdup(i->stats) : NULL;
    }
    if (!i->app->scheduled)
        return;
    whose->last_run = (struct last_run){ .known = true,
                                         .tick = i->run ? 0 : i->ticks.last,
                                         .started = i->started_at,
                                         .duration_ms = i->machine.last_uptime_ms,
                                         .status = i->machine.last_exit };
}

static void log_exit(const struct instance *i)
{
    bool well = !i->machine.last_exit.signal && i->machine.last_exit.code == 0;

    log_write(well || !i->machine.wanted ? LOG_INFO : LOG_WARN, "ended",
              (const struct log_field[]){ LOG_TEXT("worker", i->app->name),
                                          LOG_INT("instance", i->number),
                                          LOG_TEXT("why", i->machine.reason.text),
                                          LOG_TEXT("state", state_name(i->machine.state)),
                                          { 0 } });
}

/* --- starting */

static void start_failed(struct instance *i, int error, const struct err *why)
{
    struct run *run = i->run;

    log_error("cannot start", LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
              LOG_TEXT("why", why->text));
    machine_spawn_failed(&i->machine, i->app, error, (int64_t)monotonic_now_ms(), fleet_chance());
    i->machine.reason = *why;
    i->unstarted = true;
    fleet_touch(i->fleet);
    if (!run) {
        instance_history_none(i, i->app->scheduled ? i->ticks.last : 0, why->text);
        return;
    }
    fleet_remove(i->fleet, i);
    run->ended(run, (struct exit_status){ 0 }, 0, why->text);
}

/* The keeper starts the worker when it is told to (fleet_commit), and reports how that went. */
static void launch(struct instance *i)
{
    struct err why = { "" };
    int r;

    fleet_touch(i->fleet);
    i->unstarted = false;
    i->ticks.tries++;
    r = instance_open_files(i, &why);
    if (r == 0) {
        i->span = (struct log_span){ .out_from = stream_log_offset(&i->out),
                                     .err_from = stream_log_offset(&i->err) };
        r = instance_fork(i, &why);
    }
    i->started_at = instant_now();
    free(i->stats);
    i->stats = NULL;
    i->usage = (struct usage){ 0 };
    i->fleet->turn.last_start_ms = (int64_t)monotonic_now_ms();
    if (r < 0)
        start_failed(i, -r, &why);
}

/* --- ending */

/* Returns true when nothing is left in it. */
static bool clear_group(const struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);

    return file && cgroup_clear(&i->fleet->cgroups, file);
}

static void forget_process(struct instance *i)
{
    if (i->keeper)
        keeper_dismiss(&i->keeper);
    instance_ran_end(i);
    instance_usage_end(i);
    i->pid = i->keeper_pid = 0;
    i->pid_start = i->keeper_start = 0;
}

/* Nothing of it runs any more: take its last lines and decide. */
static void finish_exit(struct instance *i)
{
    struct exit_status status = i->report.status;
    struct instance *whose;

    i->ended = i->lost = false;
    stream_drain(&i->out);
    stream_drain(&i->err);
    machine_exited(&i->machine, i->app, status, i->report.ended_ms, fleet_chance());
    schedule_ended(i);
    instance_history_end(i);
    pid_file_remove(i);
    forget_process(i);
    whose = i->run ? fleet_find(i->fleet, i->app->name) : i;
    if (whose)
        keep_exit(i, whose);
    log_exit(i);
    i->status_text[0] = '\0';
    fleet_touch(i->fleet);
    if (i->run) {
        struct run *run = i->run;
        int64_t lived = i->machine.last_uptime_ms;

        fleet_remove(i->fleet, i);
        run->ended(run, status, lived, NULL);
    }
}

/* The rest of a run's output is more than should be sent at once. */
static bool is_behind(const struct instance *i)
{
    return i->run && i->machine.wanted &&
           (stream_pending(&i->out) > STREAM_LOOK_BYTES ||
            stream_pending(&i->err) > STREAM_LOOK_BYTES);
}

/* Its keeper died before it was told to start it, as one does when opsd dies. */
static void never_ran(struct instance *i)
{
    i->ended = i->lost = false;
    forget_process(i);
    instance_resume(i);
}

static void clear_soon(struct instance *i)
{
    i->next_clear_ms = (int64_t)monotonic_now_ms();
    i->clear_every_ms = 1;
    fleet_touch(i->fleet);
}

static bool is_cleared(const struct instance *i)
{
    char cookie[sizeof "NOTIFY_SOCKET=" + NOTIFY_ADDRESS_MAX];
    struct keeper_remains remains = { .keeper = i->keeper_pid,
                                      .worker = i->pid,
                                      .worker_start = i->pid_start,
                                      .cookie = i->notify_address[0] ? cookie : NULL };

    if (!i->lost)
        return clear_group(i);
    (void)snprintf(cookie, sizeof cookie, "NOTIFY_SOCKET=%s", i->notify_address);
    /* Both: root's processes may leave a group. */
    return clear_group(i) & !keeper_clear(&remains);
}

void instance_clear(struct instance *i, int64_t now_ms)
{
    if (!i->ended || i->next_clear_ms > now_ms)
        return;
    if (is_cleared(i) && !is_behind(i)) {
        if (i->report.phase == KEEPER_WAITS)
            never_ran(i);
        else
            finish_exit(i);
        return;
    }
    i->next_clear_ms = now_ms + i->clear_every_ms;
    if (i->clear_every_ms < CLEAR_EVERY_MAX_MS)
        i->clear_every_ms *= 2;
    fleet_touch(i->fleet);
}

/* --- what its keeper reports */

/* The first report that names a process. */
static void worker_began(struct instance *i)
{
    int64_t now = (int64_t)monotonic_now_ms();
    struct proc_stat stat;

    /* It may have run for long, while there was no opsd. */
    if (i->report.started_ms && i->report.started_ms < now)
        now = i->report.started_ms;
    i->pid = i->report.worker;
    i->pid_start = i->report.worker_start;
    /* A child of its keeper, it cannot be somebody else yet. */
    if (!i->pid_start && procfs_stat(i->pid, &stat) == 0 && stat.parent == i->keeper_pid)
        i->pid_start = stat.start_ticks;
    log_info("started", LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
             LOG_INT("pid", i->pid));
    pid_file_write(i);
    instance_usage_begin(i);
    instance_act(i, machine_spawned(&i->machine, i->app, now));
    if (i->run)
        machine_ready(&i->machine, i->app, now);
    instance_probe_begin(i, now);
}

static void worker_not_started(struct instance *i)
{
    struct err why;
    int r;

    r = instance_explain(i, &why);
    (void)clear_group(i);
    forget_process(i);
    start_failed(i, -r, &why);
}

/* Of what the worker started, too, nothing runs any more. */
static void tree_ended(struct instance *i)
{
    instance_probe_end(i);
    i->ended = true;
    clear_soon(i);
    instance_clear(i, (int64_t)monotonic_now_ms());
}

/* The keeper was killed, and cleared nothing. What it last said of its worker's end, it said. */
static void keeper_lost(struct instance *i)
{
    log_warn("its keeper is gone; what it kept is killed", LOG_TEXT("worker", i->app->name),
             LOG_INT("instance", i->number));
    i->lost = true;
    if (i->report.phase != KEEPER_ENDED) {
        i->report.status = (struct exit_status){ .signal = SIGKILL };
        i->report.ended_ms = (int64_t)monotonic_now_ms();
    }
    tree_ended(i);
}

/* What it started may take its time to leave, if it was asked to; an opsd that was killed may have
 * asked, and not written it down. */
static void worker_ended(struct instance *i)
{
    instance_probe_end(i);
    if (i->machine.state != STATE_STOPPING)
        instance_act(i, DO_KILL);
}

static void take_report(struct instance *i, bool gone)
{
    enum keeper_phase phase = i->report.phase;

    fleet_touch(i->fleet);
    if (phase != KEEPER_WAITS && phase != KEEPER_FAILED && !i->pid)
        worker_began(i);
    if (phase == KEEPER_FAILED)
        worker_not_started(i);
    else if (phase == KEEPER_EMPTY)
        tree_ended(i);
    else if (gone)
        keeper_lost(i);
    else if (phase == KEEPER_ENDED)
        worker_ended(i);
}

void instance_reported(struct keeper *keeper)
{
    struct instance *i = keeper->owner;

    i->report = keeper->report;
    take_report(i, keeper->gone);
}

/* --- after an earlier opsd */

void instance_resume(struct instance *i)
{
    struct err why;

    (void)err_set(&why, 0, "opsd was killed before it could start it");
    start_failed(i, EAGAIN, &why);
}

void instance_adopt(struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);
    struct keeper_identity identity;
    bool known = i->pid > 0;
    struct err why;
    int r = instance_open_files(i, &why);

    if (r == -EAGAIN) {
        i->adopt_again_ms = (int64_t)monotonic_now_ms() + ADOPT_SOON_MS;
        fleet_touch(i->fleet);
        return;
    }
    if (r < 0)
        log_error("cannot take over the output", LOG_TEXT("worker", i->app->name),
                  LOG_TEXT("why", why.text));
    identity = (struct keeper_identity){ file, i->keeper_pid, i->keeper_start };
    r = file ? keeper_adopt(&i->fleet->keepers, &identity, i, &i->keeper, &i->report) : -ENOMEM;
    i->adopt_again_ms = 0;
    fleet_touch(i->fleet);
    if (r < 0 && r != -ESRCH) {
        /* It is there, and we lack what it takes: descriptors, memory. */
        log_error("cannot take over a process yet", LOG_TEXT("worker", i->app->name),
                  LOG_INT("instance", i->number), LOG_TEXT("why", strerror(-r)));
        i->adopt_again_ms = (int64_t)monotonic_now_ms() + ADOPT_EVERY_MS;
        return;
    }
    i->adopted = r == 0;
    if (r == 0)
        instance_ran_adopt(i);
    instance_probe_adopt(i);
    log_info(r == 0 ? "adopted" : "ended meanwhile", LOG_TEXT("worker", i->app->name),
             LOG_INT("instance", i->number), LOG_INT("pid", i->pid));
    if (r < 0 || i->report.phase != KEEPER_WAITS)
        take_report(i, r < 0);
    machine_resumed(&i->machine, i->app, (int64_t)monotonic_now_ms());
    if (known && machine_runs(&i->machine) && i->pid) {
        instance_usage_begin(i);
        instance_probe_begin(i, (int64_t)monotonic_now_ms());
    }
    if (i->machine.state == STATE_LAUNCHING && i->app->ready == READY_LOG)
        instance_probe_printed(i);
}

/* --- acting */

static void order(struct instance *i, int what)
{
    int r = keeper_order(i->keeper, what);

    if (r < 0 && r != -ESRCH)
        log_error("cannot tell the keeper what to do", LOG_TEXT("worker", i->app->name),
                  LOG_TEXT("why", strerror(-r)));
}

/* The keeper alone could run after processes that fork faster than it kills. */
static void kill_all(struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);

    order(i, KEEPER_KILL);
    if (file)
        cgroup_kill(&i->fleet->cgroups, file);
}

/* One that does not run yet is asked once it does (machine_spawned). */
static void ask_to_leave(struct instance *i, int signal)
{
    if (i->keeper && i->pid)
        order(i, KEEPER_STOP | signal);
}

void instance_act(struct instance *i, enum action action)
{
    events_look(&i->fleet->events, i);
    switch (action) {
    case DO_NOTHING:
        return;
    case DO_SPAWN:
        launch(i);
        return;
    case DO_SIGNAL:
        if (!i->pid || !i->app->shutdown_with_message || instance_channel_shutdown(i) < 0)
            ask_to_leave(i, i->app->kill_signal);
        return;
    case DO_ABORT:
        ask_to_leave(i, SIGABRT);
        return;
    case DO_KILL:
        if (i->keeper)
            kill_all(i);
        return;
    }
}

void instance_pause(struct instance *i, bool paused)
{
    stream_pause(&i->out, paused);
    stream_pause(&i->err, paused);
    if (!paused)
        clear_soon(i);
}
