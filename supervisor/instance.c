/* One worker process as opsd holds it. */
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "fleet.h"
#include "instance_command.h"
#include "instant.h"
#include "json.h"
#include "log.h"
#include "own.h"
#include "procfs.h"

enum {
    MESSAGES_A_TURN = 64,
    /* Killed processes are gone within a millisecond, unless the kernel holds them. */
    CLEAR_EVERY_MAX_MS = 1000,
};

int instance_count(const struct app *app)
{
    int count = app->instances;

    if (count <= 0)
        count += (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? count : 1;
}

struct instance *instance_new(struct fleet *fleet, struct generation *generation,
                              const struct app *app, int number)
{
    struct instance *i = calloc(1, sizeof *i);

    if (!i)
        return NULL;
    machine_init(&i->machine);
    i->fleet = fleet;
    i->generation = generation;
    generation->references++;
    i->app = app;
    i->id = fleet->next_id++;
    i->number = number;
    i->process.pidfd = i->probe.pidfd = i->out.fd = i->err.fd = i->notify_fd = -1;
    return i;
}

/* The path of one of the instance's own files in the home: NAME-NUMBER.out and the like. A run by
 * hand has the fleet-wide id instead, so that several can go on at once. */
static char *own_path(const struct instance *i, const char *suffix)
{
    char *path;
    int r;

    if (i->run)
        r = asprintf(&path, "%s/run-%d.%s", i->fleet->folder, i->id, suffix);
    else
        r = asprintf(&path, "%s/%s-%d.%s", i->fleet->folder, i->app->name, i->number, suffix);
    return r < 0 ? NULL : path;
}

static void close_notify(struct instance *i)
{
    watch_close(&i->notify_watch);
    if (i->notify_fd < 0)
        return;
    (void)close(i->notify_fd);
    if (i->notify_address[0] != '@')
        (void)unlink(i->notify_address);
    i->notify_fd = -1;
}

/* Its end is seen by probe_ready; it is not waited for here. */
static void end_probe(struct instance *i)
{
    if (i->probe.pid)
        (void)process_signal(&i->probe, SIGKILL);
    i->probe_stale = true;
    i->next_probe_ms = 0;
}

/* The FIFO goes with the instance, unless a process still writes to it. */
static void close_stream(struct instance *i, struct stream *stream, const char *suffix)
{
    OWN(free) char *fifo = own_path(i, suffix);

    stream_close(stream);
    if (fifo && !i->process.pid)
        (void)unlink(fifo);
}

void instance_free(struct instance *i)
{
    end_probe(i);
    watch_close(&i->probe_watch);
    if (i->probe.pid)
        (void)close(i->probe.pidfd);
    watch_close(&i->exit_watch);
    close_stream(i, &i->out, "out");
    close_stream(i, &i->err, "err");
    close_notify(i);
    generation_unref(i->generation);
    free(i->needs);
    free(i);
}

struct log_span instance_span(const struct instance *i)
{
    struct log_span span = i->span;

    if (i->out.sink)
        span.out_to = stream_log_offset(&i->out);
    if (i->err.sink)
        span.err_to = stream_log_offset(&i->err);
    return span;
}

/* Writes the end of i's process down with whom it concerns: itself or, for a run by hand, the
 * worker that was run. */
static void keep_exit(const struct instance *i, struct instance *whose)
{
    struct exit_record *record = &whose->exits[whose->exit_count++ % EXITS_KEPT];

    *record = (struct exit_record){ .at = instant_now(),
                                    .status = i->machine.last_exit,
                                    .uptime_ms = i->machine.last_uptime_ms,
                                    .span = instance_span(i) };
    (void)err_set(&record->reason, 0, "%s%.400s", i->run ? "run by hand: " : "",
                  i->machine.reason.text);
    if (i->run)
        (void)snprintf(whose->stats, sizeof whose->stats, "%s", i->stats);
    if (!i->app->scheduled)
        return;
    whose->last_run = (struct last_run){ .known = true,
                                         .tick = i->run ? 0 : i->tick,
                                         .started = i->started_at,
                                         .duration_ms = i->machine.last_uptime_ms,
                                         .status = i->machine.last_exit };
}

static void log_exit(const struct instance *i)
{
    bool well = !i->ended.signal && i->ended.code == 0;

    log_write(well || !i->machine.wanted ? LOG_INFO : LOG_WARN, "ended",
              (const struct log_field[]){ LOG_TEXT("worker", i->app->name),
                                          LOG_INT("instance", i->number),
                                          LOG_TEXT("why", i->machine.reason.text),
                                          LOG_TEXT("state", state_name(i->machine.state)),
                                          { 0 } });
}

/* Nothing of it runs any more: take its last lines and decide. */
static void finish_exit(struct instance *i, int64_t now_ms)
{
    struct instance *whose;

    i->group = 0;
    stream_drain(&i->out);
    stream_drain(&i->err);
    machine_exited(&i->machine, i->app, i->ended, now_ms, fleet_chance());
    whose = i->run ? fleet_find(i->fleet, i->app->name) : i;
    if (whose)
        keep_exit(i, whose);
    log_exit(i);
    i->status_text[0] = '\0';
    fleet_touch(i->fleet);
    if (i->run) {
        struct exit_status status = i->ended;
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

static void clear_soon(struct instance *i)
{
    i->next_clear_ms = 0;
    i->clear_every_ms = 1;
    fleet_touch(i->fleet);
}

void instance_clear(struct instance *i, int64_t now_ms)
{
    if (!i->group || i->next_clear_ms > now_ms)
        return;
    if (!procfs_group_runs(i->group) && !is_behind(i)) {
        finish_exit(i, now_ms);
        return;
    }
    i->next_clear_ms = now_ms + i->clear_every_ms;
    if (i->clear_every_ms < CLEAR_EVERY_MAX_MS)
        i->clear_every_ms *= 2;
    fleet_touch(i->fleet);
}

/* The process has ended, and its group is killed with it; the next one must not meet them. */
static void exit_ready(void *owner)
{
    struct instance *i = owner;

    if (!process_ended(&i->process, &i->ended))
        return;
    watch_close(&i->exit_watch);
    end_probe(i);
    i->group = i->process.pid;
    clear_soon(i);
    process_reap(&i->process);
    instance_clear(i, (int64_t)monotonic_now_ms());
}

static void take_message(struct instance *i, const struct notify_message *message)
{
    cJSON *stats;

    if (message->ready)
        machine_ready(&i->machine, i->app, (int64_t)monotonic_now_ms());
    if (message->status)
        (void)snprintf(i->status_text, sizeof i->status_text, "%s", message->status);
    if (message->stats && strlen(message->stats) < sizeof i->stats &&
        json_parse(message->stats, strlen(message->stats), &stats, NULL) == 0) {
        if (cJSON_IsObject(stats))
            (void)snprintf(i->stats, sizeof i->stats, "%s", message->stats);
        cJSON_Delete(stats);
    }
    fleet_touch(i->fleet);
}

static void notify_ready(void *owner)
{
    struct instance *i = owner;
    char text[NOTIFY_BYTES_MAX + 1];
    struct notify_message message;
    int r;

    /* More than that at once waits for the next turn of the loop. */
    for (int n = 0; n < MESSAGES_A_TURN; n++) {
        r = notify_socket_read(i->notify_fd, i->process.pid, text, &message);
        if (r < 0)
            return;
        if (r > 0)
            take_message(i, &message);
    }
}

static void moved(struct stream *stream, const char *bytes, size_t n)
{
    struct instance *i = stream->owner;

    if (i->run)
        i->run->output(i->run, stream == &i->err, bytes, n);
    if (i->fleet->logged)
        i->fleet->logged(i->fleet, stream);
}

/* What the manifest says. */
static char *wanted_log_path(const struct instance *i, bool err)
{
    const char *given = err ? i->app->error_file : i->app->out_file;
    const char *kind = err ? "error" : "out";
    char *path;
    int r;

    if (i->app->disable_logs)
        return strdup("/dev/null");
    if (given)
        return strdup(given);
    if (instance_count(i->app) > 1)
        r = asprintf(&path, "%s/%s-%d-%s.log", i->fleet->log_folder, i->app->name, i->number, kind);
    else
        r = asprintf(&path, "%s/%s-%s.log", i->fleet->log_folder, i->app->name, kind);
    return r < 0 ? NULL : path;
}

char *instance_log_path(const struct instance *i, bool err)
{
    const struct stream *stream = err ? &i->err : &i->out;

    return stream->sink ? strdup(stream_log_path(stream)) : wanted_log_path(i, err);
}

static int open_stream(struct instance *i, struct stream *stream, bool err, struct err *reterr)
{
    OWN(free) char *fifo = own_path(i, err ? "err" : "out");
    OWN(free) char *log = wanted_log_path(i, err);

    if (!fifo || !log)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (stream->sink && strcmp(stream_log_path(stream), log) == 0)
        return 0;
    /* The manifest names another file since. */
    stream_close(stream);
    stream->moved = moved;
    stream->owner = i;
    return stream_open(stream, &i->fleet->pump, fifo, log, reterr);
}

static int open_files(struct instance *i, struct err *reterr)
{
    char name[128];
    int r;

    r = open_stream(i, &i->out, false, reterr);
    if (r == 0)
        r = open_stream(i, &i->err, true, reterr);
    if (r < 0 || i->notify_fd >= 0)
        return r;
    (void)snprintf(name, sizeof name, i->run ? "run-%s-%d.notify" : "%s-%d.notify", i->app->name,
                   i->run ? i->id : i->number);
    i->notify_fd = notify_socket_open(i->fleet->folder, name, i->notify_address, reterr);
    if (i->notify_fd < 0)
        return i->notify_fd;
    r = watch_open(i->fleet->loop, i->notify_fd, notify_ready, i, &i->notify_watch);
    if (r < 0)
        close_notify(i);
    return r < 0 ? err_set(reterr, r, "cannot watch the notify socket: %s", strerror(-r)) : 0;
}

/* One whose end would not be seen is not kept. */
static int let_go(struct process *process, int error, struct err *reterr)
{
    process_reap(process);
    return err_set(reterr, error, "cannot watch the process: %s", strerror(-error));
}

static int start_process(struct instance *i, struct err *reterr)
{
    OWN(free) const char **argv = NULL;
    struct environment env;
    struct spawn what;
    int r;

    r = open_files(i, reterr);
    if (r < 0)
        return r;
    i->span = (struct log_span){ .out_from = stream_log_offset(&i->out),
                                 .err_from = stream_log_offset(&i->err) };
    r = instance_environment(i, &env, reterr);
    argv = instance_argv(i);
    if (r == 0 && !argv)
        r = err_set(reterr, -ENOMEM, "out of memory");
    if (r == 0) {
        what = (struct spawn){ .file = argv[0],
                               .argv = (char *const *)argv,
                               .env = env.list,
                               .cwd = i->app->cwd,
                               .out_fd = i->out.fd,
                               .err_fd = i->err.fd,
                               .fifos = true };
        r = spawn_process(&what, &i->process, reterr);
    }
    environment_done(&env);
    if (r < 0)
        return r;
    r = watch_open(i->fleet->loop, i->process.pidfd, exit_ready, i, &i->exit_watch);
    return r < 0 ? let_go(&i->process, r, reterr) : 0;
}

static void launch(struct instance *i)
{
    int64_t now = (int64_t)monotonic_now_ms();
    struct err why = { "" };
    int r = start_process(i, &why);

    fleet_touch(i->fleet);
    i->fleet->starts_left--;
    if (r < 0) {
        log_error("cannot start", LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
                  LOG_TEXT("why", why.text));
        machine_spawn_failed(&i->machine, i->app, -r, now, fleet_chance());
        i->machine.reason = why;
        if (i->run) {
            struct run *run = i->run;

            fleet_remove(i->fleet, i);
            run->ended(run, (struct exit_status){ 0 }, 0, why.text);
        }
        return;
    }
    log_info("started", LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
             LOG_INT("pid", i->process.pid));
    i->started_at = instant_now();
    i->stats[0] = '\0';
    i->cpu_seen_ms = i->cpu_seen_at = 0;
    i->cpu_percent = 0;
    if (i->app->ready == READY_AT_ONCE || i->run)
        machine_ready(&i->machine, i->app, now);
    else if (i->app->ready == READY_EXEC)
        i->next_probe_ms = now;
}

void instance_act(struct instance *i, enum action action)
{
    if (action == DO_SPAWN)
        launch(i);
    /* While what it left behind is cleared there is nobody to ask any more. */
    else if (action != DO_NOTHING && i->process.pid)
        (void)process_signal(&i->process, action == DO_KILL ? SIGKILL : i->app->kill_signal);
}

void instance_pause(struct instance *i, bool paused)
{
    stream_pause(&i->out, paused);
    stream_pause(&i->err, paused);
    if (!paused && i->group)
        clear_soon(i);
}

/* --- readiness by a command that exits 0 */

enum { PROBE_EVERY_MS = 250 };

static void probe_ready(void *owner)
{
    struct instance *i = owner;
    struct exit_status status;

    if (!process_ended(&i->probe, &status))
        return;
    watch_close(&i->probe_watch);
    process_reap(&i->probe);
    if (i->probe_stale)
        return;
    if (!status.signal && status.code == 0)
        machine_ready(&i->machine, i->app, (int64_t)monotonic_now_ms());
    else
        i->next_probe_ms = (int64_t)monotonic_now_ms() + PROBE_EVERY_MS;
    fleet_touch(i->fleet);
}

static int start_probe(struct instance *i)
{
    OWN(close) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct environment env;
    struct spawn what;
    int r;

    i->probe_stale = false;
    r = instance_environment(i, &env, NULL);
    if (r == 0) {
        what = (struct spawn){ .file = i->app->ready_exec[0],
                               .argv = (char *const *)i->app->ready_exec,
                               .env = env.list,
                               .cwd = i->app->cwd,
                               .out_fd = null,
                               .err_fd = null };
        r = spawn_process(&what, &i->probe, &i->machine.reason);
    }
    environment_done(&env);
    if (r < 0)
        return r;
    r = watch_open(i->fleet->loop, i->probe.pidfd, probe_ready, i, &i->probe_watch);
    return r < 0 ? let_go(&i->probe, r, &i->machine.reason) : 0;
}

void instance_probe(struct instance *i, int64_t now_ms)
{
    if (i->machine.state != STATE_LAUNCHING)
        i->next_probe_ms = 0;
    if (!i->next_probe_ms || i->next_probe_ms > now_ms)
        return;
    /* A stale one may still be on its way out. */
    if (i->probe.pid || start_probe(i) < 0)
        i->next_probe_ms = now_ms + PROBE_EVERY_MS;
    else
        i->next_probe_ms = 0;
}

/* --- schedule */

void instance_plan(struct instance *i, int64_t after)
{
    double jitter = i->app->jitter_ms ? fleet_chance() * (double)i->app->jitter_ms : 0;

    if (cron_next(&i->app->schedule, i->zone, after, &i->next_tick) < 0)
        i->next_tick = 0;
    i->next_due = i->next_tick ? i->next_tick + (int64_t)jitter : 0;
}
