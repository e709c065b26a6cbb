/* Finding out whether an instance's process is ready. */
#include "instance_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"
#include "fleet.h"
#include "instance_channel.h"
#include "instance_command.h"
#include "instance_files.h"
#include "instance_notify.h"
#include "instant.h"
#include "keeper_held.h"
#include "own.h"
#include "record.h"

enum {
    /* One try of a question that may be answered late or never; a command may have to start an
     * interpreter first. */
    TRY_MS = 2000,
    TRY_COMMAND_MS = 10000,
};

/* What the guard keeps it as. */
static const char PIPE[] = "ready";

void instance_probe_ready(struct instance *i)
{
    machine_ready(&i->machine, i->app, (int64_t)monotonic_now_ms());
    fleet_touch(i->fleet);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* --- the pipe */

/* Closes our end; for_good: nobody holds the other any more, or has to. */
static void close_pipe(struct instance *i, bool for_good)
{
    struct readiness *r = &i->readiness;

    if (r->fd >= 0 && for_good)
        instance_keep_no_more(i, PIPE);
    watch_close(&r->watch);
    close_fd(&r->fd);
}

static int make_pipe(struct instance *i)
{
    int ends[2];

    if (i->app->ready != READY_FD)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    i->readiness.fd = ends[0];
    i->ready_fd_write = ends[1];
    instance_keep(i, PIPE, ends[0]);
    return 0;
}

int instance_probe_prepare(struct instance *i, struct err *reterr)
{
    int r;

    instance_probe_end(i);
    instance_probe_handed(i);
    r = make_pipe(i);
    if (r == 0)
        r = instance_channel_make(i);
    return r < 0 ? err_set(reterr, r, "cannot make what it says it is ready with: %s", strerror(-r))
                 : 0;
}

void instance_probe_handed(struct instance *i)
{
    close_fd(&i->ready_fd_write);
    instance_channel_handed(i);
}

/* From the guard or, when that was killed as well, from the keeper, which holds it so that a worker
 * may say that it is ready when nobody listens. */
static int take_pipe(struct instance *i)
{
    int fd = instance_take_kept(i, PIPE);

    if (fd >= 0 || i->app->ready != READY_FD || i->machine.state != STATE_LAUNCHING)
        return fd;
    fd = keeper_held_open(i->keeper_pid, i->keeper_start, KEEPER_READY_FD);
    if (fd >= 0)
        instance_keep(i, PIPE, fd);
    return fd;
}

void instance_probe_adopt(struct instance *i)
{
    instance_probe_close(i);
    i->readiness.fd = take_pipe(i);
    instance_channel_adopt(i);
}

/* Copies what is first in a pipe, and leaves it there, unless descriptors are short. Returns as
 * read(2). */
static ssize_t peek(int fd, char *bytes, size_t n)
{
    OWN(close) int from = -1;
    OWN(close) int to = -1;
    int ends[2];
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return read(fd, bytes, n);
    from = ends[0];
    to = ends[1];
    got = tee(fd, to, n, SPLICE_F_NONBLOCK);
    return got > 0 ? read(from, bytes, (size_t)got) : got;
}

/* A newline means ready, and stays in the pipe until that is written down; whatever stands before
 * it means nothing. */
static void pipe_readable(void *owner)
{
    struct instance *i = owner;
    char bytes[256];
    ssize_t n = peek(i->readiness.fd, bytes, sizeof bytes);

    if (n > 0 && !memchr(bytes, '\n', (size_t)n)) {
        (void)!read(i->readiness.fd, bytes, (size_t)n);
        return;
    }
    if (n < 0 && errno != EBADF)
        return;
    if (n > 0 && !i->machine.ready)
        instance_probe_ready(i);
    if (n <= 0 || record_is_written(i))
        close_pipe(i, true);
}

/* A descriptor that cannot be watched is one on which nothing will be heard: the start then fails
 * by listen_timeout. */
static void listen_to(struct instance *i)
{
    struct readiness *r = &i->readiness;
    uv_loop_t *loop = i->fleet->loop;

    if (r->fd >= 0 && watch_open(loop, r->fd, pipe_readable, i, &r->watch) < 0)
        close_fd(&r->fd);
    instance_channel_begin(i);
}

/* --- asking */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t try_ms(const struct app *app)
{
    return least(app->listen_timeout_ms, app->ready == READY_EXEC ? TRY_COMMAND_MS : TRY_MS);
}

static void answered(void *owner, bool ready)
{
    struct instance *i = owner;

    probe_close(&i->readiness.probe);
    if (ready)
        instance_probe_ready(i);
    else
        i->next_probe_ms = (int64_t)monotonic_now_ms() + probe_every(i->app->ready);
    fleet_touch(i->fleet);
}

static int spawn_command(struct instance *i, const struct environment *env,
                         const struct credentials *who, struct process *ret)
{
    OWN(close) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct spawn what = { .file = i->app->ready_exec[0],
                          .become = { .argv = (char *const *)i->app->ready_exec,
                                      .env = env->list,
                                      .cwd = i->app->cwd,
                                      .out_fd = null,
                                      .err_fd = null,
                                      .own_session = true,
                                      .who = who } };

    return spawn_process(&what, ret, &i->machine.reason);
}

/* The command is the same user as the worker, in the same folder, with the same variables. */
static int start_command(void *owner, struct process *ret)
{
    struct instance *i = owner;
    struct credentials who = { .change = false };
    struct environment env;
    int r;

    r = instance_environment(i, &env, &i->machine.reason);
    if (r == 0)
        r = credentials_resolve(i->app->user, i->app->group, &who, &i->machine.reason);
    if (r == 0)
        r = spawn_command(i, &env, &who, ret);
    credentials_done(&who);
    environment_done(&env);
    return r;
}

static void ask(struct instance *i, int64_t now_ms)
{
    struct probe_ask what = { .loop = i->fleet->loop,
                              .kind = i->app->ready,
                              .number = i->app->ready_number,
                              .text = i->app->ready_text,
                              .round = i->readiness.round++,
                              .start = start_command,
                              .answered = answered,
                              .owner = i };
    int r = probe_begin(&what, &i->readiness.probe);

    i->next_probe_ms = now_ms + (r == 0 ? try_ms(i->app) : probe_every(i->app->ready));
    if (r > 0)
        instance_probe_ready(i);
}

void instance_probe_begin(struct instance *i, int64_t now_ms)
{
    listen_to(i);
    i->readiness.round = 0;
    i->next_probe_ms = !i->run && probe_every(i->app->ready) ? now_ms : 0;
}

void instance_probe(struct instance *i, int64_t now_ms)
{
    if (i->machine.state != STATE_LAUNCHING) {
        i->next_probe_ms = 0;
        probe_close(&i->readiness.probe);
    }
    if (!i->next_probe_ms || i->next_probe_ms > now_ms)
        return;
    if (!i->readiness.probe) {
        ask(i, now_ms);
        return;
    }
    /* This try took too long. */
    probe_close(&i->readiness.probe);
    i->next_probe_ms = now_ms + probe_every(i->app->ready);
}

/* --- being told */

void instance_probe_lines(struct instance *i, const char *bytes, size_t n)
{
    const char *text = i->app->ready_text;

    if (i->app->ready == READY_LOG && i->machine.state == STATE_LAUNCHING &&
        memmem(bytes, n, text, strlen(text)))
        instance_probe_ready(i);
}

/* Shown as a status text, unless it says something better. */
static void show_phase(struct instance *i, const struct notify_message *message)
{
    static const char reloading[] = "reloading", stopping[] = "stopping";
    bool was_reloading = strcmp(i->status_text, reloading) == 0;

    if (message->status)
        return;
    if (message->stopping || message->reloading)
        (void)snprintf(i->status_text, sizeof i->status_text, "%s",
                       message->stopping ? stopping : reloading);
    else if (message->ready && was_reloading)
        i->status_text[0] = '\0';
}

bool instance_probe_message(struct instance *i, const struct notify_message *message,
                            int64_t now_ms)
{
    if (message->ready && instance_notify_makes_ready(i))
        machine_ready(&i->machine, i->app, now_ms);
    if (message->watchdog)
        machine_heard(&i->machine, i->app, now_ms);
    if (message->trigger)
        instance_act(i, machine_trigger(&i->machine, i->app, now_ms));
    if (message->extend_ms)
        machine_extend(&i->machine, now_ms, message->extend_ms);
    show_phase(i, message);
    return message->ready || message->reloading || message->stopping || message->trigger;
}

/* --- the end */

static void stop_asking(struct instance *i)
{
    probe_close(&i->readiness.probe);
    i->next_probe_ms = 0;
}

void instance_probe_end(struct instance *i)
{
    stop_asking(i);
    close_pipe(i, true);
    instance_channel_close(i, true);
}

void instance_probe_close(struct instance *i)
{
    bool for_good = !i->keeper;

    stop_asking(i);
    close_pipe(i, for_good);
    instance_channel_close(i, for_good);
    instance_probe_handed(i);
}
