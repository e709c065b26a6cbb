/* Log capture: bytes go from a worker's pipe to its log file. */
#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "own.h"

enum {
    /* The pipe's size where the kernel grants it (pipe(7), pipe-user-pages-soft). */
    PIPE_BYTES = 1 << 20,
    EVENTS_A_TURN = 64,
    STEPS_A_TURN = 64,
    AGAIN_FIRST_MS = 10,
    AGAIN_MOST_MS = 1000,
};

/* A log file, shared by the streams that write to it. */
struct sink {
    struct sink *next;
    struct pump *pump;
    struct stream *streams;
    struct stream *within; /* whose line has begun and not ended */
    int fd;
    dev_t device; /* device and inode: the same file may have several paths */
    ino_t inode;
    int64_t offset;
    char path[];
};

static void sink_close(struct sink *sink)
{
    struct sink **p = &sink->pump->sinks;

    while (*p != sink)
        p = &(*p)->next;
    *p = sink->next;
    (void)close(sink->fd);
    free(sink);
}

int stream_make_folders(const char *log_path)
{
    OWN(free) char *folder = strdup(log_path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return -ENOMEM;
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_dirs(folder, 0755);
}

static bool sink_is(const struct sink *sink, const struct stat *file)
{
    return sink->device == file->st_dev && sink->inode == file->st_ino;
}

/* O_NONBLOCK: a FIFO that nobody reads would keep us here. */
static int open_log(const char *path)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };
    int fd = open(path, FLAGS, 0640), r;

    if (fd < 0 && errno == ENOENT) {
        r = stream_make_folders(path);
        if (r < 0)
            return r;
        fd = open(path, FLAGS, 0640);
    }
    return fd < 0 ? -errno : fd;
}

static int sink_open(struct pump *pump, const char *path, struct sink **ret)
{
    OWN(close) int fd = -1;
    struct sink *sink;
    struct stat st;

    fd = open_log(path);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        return -EINVAL;
    for (sink = pump->sinks; sink; sink = sink->next)
        if (sink_is(sink, &st)) {
            *ret = sink;
            return 0;
        }
    sink = calloc(1, sizeof *sink + strlen(path) + 1);
    if (!sink)
        return -ENOMEM;
    memcpy(sink->path, path, strlen(path) + 1);
    sink->pump = pump;
    sink->device = st.st_dev;
    sink->inode = st.st_ino;
    sink->offset = S_ISREG(st.st_mode) ? st.st_size : 0;
    sink->fd = take_fd(&fd);
    sink->next = pump->sinks;
    *ret = pump->sinks = sink;
    return 0;
}

static void run_queue(uv_idle_t *idle);

static void enqueue(struct stream *stream)
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

/* Shows what the pipe holds without taking it. Returns the number of bytes; 0: nothing there. */
static size_t peek(struct stream *stream)
{
    struct pump *pump = stream->pump;
    ssize_t n = tee(stream->fd, pump->scratch[1], STREAM_LOOK_BYTES, SPLICE_F_NONBLOCK), got;
    size_t have = 0;

    while (n > 0 && have < (size_t)n) {
        got = read(pump->scratch[0], pump->bytes + have, (size_t)n - have);
        if (got < 0 && errno == EINTR)
            continue;
        /* tee has just put n bytes there. */
        assert(got > 0);
        have += (size_t)got;
    }
    return have;
}

static bool pipe_is_full(const struct stream *stream)
{
    struct pollfd p = { .fd = stream->fd, .events = POLLOUT };

    return poll(&p, 1, 0) == 0;
}

/* How many of the n bytes shown may be moved now. */
static size_t whole_lines(const struct stream *stream, size_t n, bool drain)
{
    const char *end = memrchr(stream->pump->bytes, '\n', n);

    if (end)
        return (size_t)(end - stream->pump->bytes) + 1;
    return drain || n >= stream->pump->long_line || pipe_is_full(stream) ? n : 0;
}

/* Returns how many bytes reached the file; fewer than n when it takes no more (a full disk). */
static size_t move(struct stream *stream, size_t n)
{
    struct sink *sink = stream->sink;
    size_t done = 0;
    ssize_t moved;
    loff_t at;

    while (done < n) {
        at = sink->offset;
        moved = splice(stream->fd, NULL, sink->fd, &at, n - done, SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            break;
        sink->offset += moved;
        done += (size_t)moved;
    }
    return done;
}

static void look_again(uv_timer_t *timer)
{
    struct pump *pump = timer->data;

    if (pump->again_ms < AGAIN_MOST_MS)
        pump->again_ms *= 2;
    for (struct sink *sink = pump->sinks; sink; sink = sink->next)
        for (struct stream *s = sink->streams; s; s = s->next_in_sink)
            if (s->left)
                enqueue(s);
}

static void leave(struct stream *stream, bool left)
{
    struct pump *pump = stream->pump;

    stream->left = left;
    if (left && !uv_is_active((uv_handle_t *)&pump->again))
        (void)uv_timer_start(&pump->again, look_again, pump->again_ms, 0);
}

/* The line that held the file has ended: the others may go on. */
static void release(struct sink *sink)
{
    sink->within = NULL;
    for (struct stream *s = sink->streams; s; s = s->next_in_sink)
        enqueue(s);
}

/* One look at one stream. Returns how many bytes it moved. */
static size_t step(struct stream *stream, bool drain)
{
    struct sink *sink = stream->sink;
    size_t shown, n, done;

    if (sink->within && sink->within != stream && !drain)
        return 0;
    shown = peek(stream);
    n = shown ? whole_lines(stream, shown, drain) : 0;
    done = n ? move(stream, n) : 0;
    if (done)
        stream->pump->again_ms = AGAIN_FIRST_MS;
    leave(stream, done < shown);
    if (!done)
        return 0;
    if (stream->pump->bytes[done - 1] != '\n' && !drain)
        sink->within = stream;
    else if (sink->within == stream)
        release(sink);
    stream->moved(stream, stream->pump->bytes, done);
    return done;
}

static void run_queue(uv_idle_t *idle)
{
    struct pump *pump = idle->data;
    struct stream *stream;

    for (int n = 0; n < STEPS_A_TURN && (stream = pump->first_queued); n++) {
        unqueue(stream);
        if (step(stream, false))
            enqueue(stream);
    }
    if (!pump->first_queued)
        (void)uv_idle_stop(idle);
}

static void pipes_ready(uv_poll_t *poll_handle, int status, int events)
{
    struct pump *pump = poll_handle->data;
    struct epoll_event ready[EVENTS_A_TURN];
    int n;

    (void)status;
    (void)events;
    n = epoll_wait(pump->epoll_fd, ready, EVENTS_A_TURN, 0);
    for (int i = 0; i < n; i++)
        enqueue(ready[i].data.ptr);
}

/* A pipe that could not be made larger shows less, in the worst case half of what it holds: its
 * pages need not be full. */
static size_t long_line_of(int scratch)
{
    size_t shows = (size_t)fcntl(scratch, F_GETPIPE_SZ) / 2;

    return shows < STREAM_LOOK_BYTES ? shows : STREAM_LOOK_BYTES;
}

int pump_init(struct pump *pump, uv_loop_t *loop)
{
    int r;

    *pump = (struct pump){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .scratch = { -1, -1 } };
    pump->last_queued = &pump->first_queued;
    pump->again_ms = AGAIN_FIRST_MS;
    if (pump->epoll_fd < 0 || pipe2(pump->scratch, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    (void)fcntl(pump->scratch[1], F_SETPIPE_SZ, PIPE_BYTES);
    pump->long_line = long_line_of(pump->scratch[1]);
    pump->bytes = malloc(STREAM_LOOK_BYTES);
    if (!pump->bytes)
        return -ENOMEM;
    pump->poll.data = pump->more.data = pump->again.data = pump;
    r = uv_poll_init(loop, &pump->poll, pump->epoll_fd);
    if (r < 0)
        return r;
    (void)uv_idle_init(loop, &pump->more);
    (void)uv_timer_init(loop, &pump->again);
    return uv_poll_start(&pump->poll, UV_READABLE, pipes_ready);
}

void pump_close(struct pump *pump)
{
    uv_close((uv_handle_t *)&pump->poll, NULL);
    uv_close((uv_handle_t *)&pump->more, NULL);
    uv_close((uv_handle_t *)&pump->again, NULL);
    (void)close(pump->epoll_fd);
    (void)close(pump->scratch[0]);
    (void)close(pump->scratch[1]);
    free(pump->bytes);
}

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
    (void)fcntl(in, F_SETPIPE_SZ, PIPE_BYTES);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", in);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set(reterr, -errno, "cannot open a pipe: %s", strerror(errno));
    return take_fd(&fd);
}

int stream_open(struct stream *stream, struct pump *pump, int pipe_fd, const char *log_path,
                struct err *reterr)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = stream };
    OWN(close) int fd = pipe_fd;
    struct sink *sink = NULL;
    int r;

    r = sink_open(pump, log_path, &sink);
    if (r < 0)
        return err_set(reterr, r, "cannot write the log %s: %s", log_path, strerror(-r));
    stream->pump = pump;
    stream->sink = sink;
    stream->queued = stream->paused = stream->left = false;
    stream->next_in_sink = sink->streams;
    sink->streams = stream;
    if (epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        r = -errno;
        stream->fd = -1;
        stream_close(stream);
        return err_set(reterr, r, "cannot watch the pipe for %s: %s", log_path, strerror(-r));
    }
    stream->fd = take_fd(&fd);
    return 0;
}

void stream_close(struct stream *stream)
{
    struct stream **p;

    if (!stream->sink)
        return;
    unqueue(stream);
    if (stream->sink->within == stream)
        release(stream->sink);
    unqueue(stream);
    for (p = &stream->sink->streams; *p != stream;)
        p = &(*p)->next_in_sink;
    *p = stream->next_in_sink;
    if (!stream->sink->streams)
        sink_close(stream->sink);
    if (stream->fd >= 0) {
        /* A child on its way to exec may hold the descriptor for a moment longer. */
        (void)epoll_ctl(stream->pump->epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
        (void)close(stream->fd);
    }
    stream->sink = NULL;
    stream->fd = -1;
}

void stream_drain(struct stream *stream)
{
    /* A child that the writer left behind may go on for ever; what comes from now on waits. */
    size_t left = stream_pending(stream), moved;

    if (stream->fd < 0)
        return;
    for (; left && (moved = step(stream, true)); left -= moved < left ? moved : left)
        ;
    if (stream->sink->within == stream)
        release(stream->sink);
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
        enqueue(stream);
}

const char *stream_log_path(const struct stream *stream)
{
    return stream->sink->path;
}

bool stream_logs_to(const struct stream *stream, const struct stat *file)
{
    return sink_is(stream->sink, file);
}

int64_t stream_log_offset(const struct stream *stream)
{
    return stream->sink->offset;
}
