/* Log capture: which pipe is looked at when. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "own.h"
#include "stream_derive.h"
#include "stream_step.h"

enum {
    /* The pipe's size where the kernel grants it (pipe(7), pipe-user-pages-soft). */
    PIPE_BYTES = 1 << 20,
    EVENTS_A_TURN = 64,
    STEPS_A_TURN = 64,
    AGAIN_MOST_MS = 1000,
};

/* --- whose turn it is */

static void run_queue(uv_idle_t *idle);

void stream_queue(struct stream *stream)
{
    struct pump *pump = stream->pump;

    if (stream->queued || stream->paused || stream->fd < 0)
        return;
    stream->queued = true;
    stream->next_queued = NULL;
    *pump->last_queued = stream;
    pump->last_queued = &stream->next_queued;
    (void)uv_idle_start(&pump->more, run_queue);
}

static void unqueue(struct stream *stream)
{
    struct pump *pump = stream->pump;
    struct stream **p = &pump->first_queued;

    if (!stream->queued)
        return;
    while (*p != stream)
        p = &(*p)->next_queued;
    *p = stream->next_queued;
    if (pump->last_queued == &stream->next_queued)
        pump->last_queued = p;
    stream->queued = false;
}

/* Returns how many pipes there were with something new. */
static int collect(struct pump *pump)
{
    struct epoll_event ready[EVENTS_A_TURN];
    int n, total = 0;

    do {
        n = epoll_wait(pump->epoll_fd, ready, EVENTS_A_TURN, 0);
        for (int i = 0; i < n; i++)
            stream_queue(ready[i].data.ptr);
        total += n > 0 ? n : 0;
    } while (n == EVENTS_A_TURN);
    return total;
}

/* --- letting lines gather */

static void pipes_ready(uv_poll_t *poll_handle, int status, int events);

/* libuv takes a descriptor out of its epoll and puts it back when what is watched is watched again,
 * and an epoll in an epoll is searched for loops each time: dearer than to move a few lines. */
static void watch_pipes(struct pump *pump)
{
    if (!uv_is_active((uv_handle_t *)&pump->poll))
        (void)uv_poll_start(&pump->poll, UV_READABLE, pipes_ready);
}

static void gathered(uv_poll_t *poll_handle, int status, int events)
{
    struct pump *pump = poll_handle->data;
    uint64_t times;

    (void)status;
    (void)events;
    if (read(pump->gather_fd, &times, sizeof times) < 0)
        return;
    pump->gathering = false;
    if (collect(pump)) {
        run_queue(&pump->more);
        return;
    }
    pump->gather.ms = 0;
    watch_pipes(pump);
}

/* Everything that was there was looked at. */
static void end_round(struct pump *pump)
{
    struct itimerspec at = { 0 };

    log_gather_end(&pump->gather, uv_hrtime());
    at.it_value.tv_nsec = (long)(pump->gather.ms * 1e6);
    if (pump->gather.ms <= 0 || timerfd_settime(pump->gather_fd, 0, &at, NULL) < 0) {
        watch_pipes(pump);
        return;
    }
    (void)uv_poll_stop(&pump->poll);
    pump->gathering = true;
}

static void pipes_ready(uv_poll_t *poll_handle, int status, int events)
{
    struct pump *pump = poll_handle->data;

    (void)status;
    (void)events;
    if (collect(pump))
        run_queue(&pump->more);
}

/* --- looking */

static void look_again(uv_timer_t *timer)
{
    struct pump *pump = timer->data;

    if (pump->again_ms < AGAIN_MOST_MS)
        pump->again_ms *= 2;
    for (struct stream *s = pump->streams; s; s = s->next)
        if (s->left)
            stream_queue(s);
}

/* The kernel has a pipe's list of pages as large as the pipe may become, and a user few pages for
 * all (pipe(7), pipe-user-pages-soft): room is for those who print. */
static void make_room(struct stream *stream)
{
    stream->roomy = true;
    (void)fcntl(stream->fd, F_SETPIPE_SZ, PIPE_BYTES);
    stream->capacity = fcntl(stream->fd, F_GETPIPE_SZ);
}

static bool step(struct stream *stream, bool drain)
{
    struct pump *pump = stream->pump;
    bool more;

    if (!stream->roomy)
        make_room(stream);
    (void)stream_step(stream, drain, &more);
    if (stream->left && !uv_is_active((uv_handle_t *)&pump->again))
        (void)uv_timer_start(&pump->again, look_again, pump->again_ms, 0);
    return more;
}

static void run_queue(uv_idle_t *idle)
{
    struct pump *pump = idle->data;
    struct stream *stream;

    for (int n = 0; n < STEPS_A_TURN && (stream = pump->first_queued); n++) {
        unqueue(stream);
        if (step(stream, false))
            stream_queue(stream);
    }
    if (pump->first_queued) {
        /* While some keep us busy nobody else is forgotten. */
        (void)collect(pump);
        return;
    }
    (void)uv_idle_stop(idle);
    if (!pump->gathering)
        end_round(pump);
}

/* --- the pump */

/* A pipe that could not be made larger shows less, in the worst case half of what it holds: its
 * pages need not be full. */
static size_t look_of(int scratch)
{
    size_t shows = (size_t)fcntl(scratch, F_GETPIPE_SZ) / 2;

    return shows < STREAM_LOOK_BYTES ? shows : STREAM_LOOK_BYTES;
}

int pump_init(struct pump *pump, uv_loop_t *loop, int home_fd)
{
    int r;

    *pump = (struct pump){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                           .scratch = { -1, -1 },
                           .home_fd = home_fd };
    pump->last_queued = &pump->first_queued;
    pump->again_ms = STREAM_AGAIN_FIRST_MS;
    pump->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pump->gather_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (pump->epoll_fd < 0 || pump->null_fd < 0 || pump->gather_fd < 0 ||
        pipe2(pump->scratch, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    (void)fcntl(pump->scratch[1], F_SETPIPE_SZ, PIPE_BYTES);
    pump->look = look_of(pump->scratch[1]);
    pump->bytes = malloc(STREAM_LOOK_BYTES);
    if (!pump->bytes)
        return -ENOMEM;
    pump->poll.data = pump->more.data = pump->again.data = pump->gathered.data = pump;
    log_sinks_init(&pump->sinks, loop, home_fd);
    (void)uv_idle_init(loop, &pump->more);
    (void)uv_timer_init(loop, &pump->again);
    /* The last ones that can fail: they stay uninitialised when they do. */
    if (uv_poll_init(loop, &pump->gathered, pump->gather_fd) < 0 ||
        uv_poll_init(loop, &pump->poll, pump->epoll_fd) < 0)
        return -ENOMEM;
    r = uv_poll_start(&pump->gathered, UV_READABLE, gathered);
    return r < 0 ? r : uv_poll_start(&pump->poll, UV_READABLE, pipes_ready);
}

void pump_close(struct pump *pump)
{
    uv_close((uv_handle_t *)&pump->poll, NULL);
    uv_close((uv_handle_t *)&pump->more, NULL);
    uv_close((uv_handle_t *)&pump->again, NULL);
    uv_close((uv_handle_t *)&pump->gathered, NULL);
    log_sinks_close(&pump->sinks);
    (void)close(pump->epoll_fd);
    (void)close(pump->gather_fd);
    (void)close(pump->null_fd);
    (void)close(pump->scratch[0]);
    (void)close(pump->scratch[1]);
    free(pump->bytes);
    buf_done(&pump->text);
}

/* --- one of its streams */

int stream_make_pipe(uid_t owner, struct err *reterr)
{
    OWN(close) int in = -1, out = -1, fd = -1;
    char path[48];
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(reterr, -errno, "cannot make a pipe: %s", strerror(errno));
    in = ends[0];
    out = ends[1];
    /* The worker opens descriptions of its own (/dev/stdout), which its user must be allowed to. */
    if (owner != geteuid() && fchown(in, owner, (gid_t)-1) < 0)
        return err_set(reterr, -errno, "cannot give a pipe to its user: %s", strerror(errno));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", in);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set(reterr, -errno, "cannot open a pipe: %s", strerror(errno));
    return take_fd(&fd);
}

int stream_lend(const struct stream *stream)
{
    (void)fcntl(stream->fd, F_SETFL, O_RDWR);
    return stream->fd;
}

static int get_sinks(struct stream *stream, const struct stream_paths *paths, struct err *reterr)
{
    struct log_sinks *sinks = &stream->pump->sinks;
    const char *path = paths->log;
    int r;

    r = log_sink_get(sinks, path, &stream->sink);
    if (r == 0 && paths->both) {
        path = paths->both;
        r = log_sink_get(sinks, path, &stream->both);
        if (r < 0)
            log_sink_put(stream->sink);
    }
    if (r == 0)
        return 0;
    stream->sink = stream->both = NULL;
    return err_set(reterr, r, "cannot write the log %s: %s", path,
                   r == -EINVAL ? "it is no file" : strerror(-r));
}

/* An opsd before us may have been killed while it did that. */
static void go_on_compressing(struct stream *stream)
{
    struct stream_settings settings;

    stream->kind->settings(stream, &settings);
    if (!settings.limits.compress)
        return;
    compressor_add(&stream->pump->sinks.compressor, stream->sink->path);
    if (stream->both)
        compressor_add(&stream->pump->sinks.compressor, stream->both->path);
}

static void forget(struct stream *stream)
{
    log_sink_put(stream->sink);
    log_sink_put(stream->both);
    free(stream->name);
    stream->sink = stream->both = NULL;
    stream->name = NULL;
    stream->fd = -1;
}

int stream_open(struct stream *stream, struct pump *pump, int pipe_fd,
                const struct stream_paths *paths, struct err *reterr)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = stream };
    OWN(close) int fd = pipe_fd;
    int r;

    stream->pump = pump;
    r = get_sinks(stream, paths, reterr);
    if (r < 0)
        return r;
    stream->queued = stream->paused = stream->left = false;
    stream->derivation = NULL;
    stream->capacity = fcntl(fd, F_GETPIPE_SZ);
    stream->roomy = stream->capacity >= PIPE_BYTES;
    stream->name = strdup(paths->name);
    if (!stream->name || epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        r = stream->name ? -errno : -ENOMEM;
        forget(stream);
        return err_set(reterr, r, "cannot watch the pipe for %s: %s", paths->log, strerror(-r));
    }
    stream->fd = take_fd(&fd);
    stream->next = pump->streams;
    stream->prev = &pump->streams;
    if (stream->next)
        stream->next->prev = &stream->next;
    pump->streams = stream;
    /* Before anybody else writes to its log. */
    if (derive_recover(stream) == 0 && stream->left)
        (void)step(stream, false);
    go_on_compressing(stream);
    return 0;
}

void stream_close(struct stream *stream, bool stays)
{
    if (!stream->sink)
        return;
    unqueue(stream);
    stream_release(stream, log_sink_real(stream->sink));
    if (stream->both)
        stream_release(stream, log_sink_real(stream->both));
    *stream->prev = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    /* A child on its way to exec may hold the descriptor for a moment longer. */
    (void)epoll_ctl(stream->pump->epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
    (void)close(stream->fd);
    derive_close(stream, stays);
    forget(stream);
}

void stream_drain(struct stream *stream)
{
    /* A child that the writer left behind may go on for ever; what comes from now on waits. */
    size_t left = stream_pending(stream), moved;
    bool more;

    if (stream->fd < 0)
        return;
    for (; left && (moved = stream_step(stream, true, &more)); left -= moved < left ? moved : left)
        ;
    if (stream->left && !uv_is_active((uv_handle_t *)&stream->pump->again))
        (void)uv_timer_start(&stream->pump->again, look_again, stream->pump->again_ms, 0);
    stream_release(stream, log_sink_real(stream->sink));
    if (stream->both)
        stream_release(stream, log_sink_real(stream->both));
}

size_t stream_pending(const struct stream *stream)
{
    int n = 0;

    if (stream->fd < 0 || ioctl(stream->fd, FIONREAD, &n) < 0)
        return 0;
    return (size_t)n;
}

void stream_pause(struct stream *stream, bool paused)
{
    if (stream->paused == paused)
        return;
    stream->paused = paused;
    if (paused)
        unqueue(stream);
    else
        stream_queue(stream);
}

const char *stream_log_path(const struct stream *stream)
{
    return stream->sink->path;
}

int64_t stream_log_offset(const struct stream *stream)
{
    return log_sink_length(log_sink_real(stream->sink));
}
