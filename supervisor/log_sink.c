/* A log file that is written to. */
#include "log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "instant.h"
#include "log.h"
#include "log_rotate.h"
#include "own.h"

enum {
    /* ext4 takes memory for what is written in as few folios as a write has room for, and large
     * ones are seldom those that a processor has in its cache: moved in pieces of 256 KiB instead,
     * lines took five times as long to reach a new file (Linux 6.18). */
    PIECE = 64 << 10,
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct log_sink *)a)->path, ((const struct log_sink *)b)->path);
}

static int compare_files(const void *a, const void *b)
{
    const struct log_sink *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

void log_sinks_init(struct log_sinks *sinks, uv_loop_t *loop, int home_fd)
{
    *sinks = (struct log_sinks){ .home_fd = home_fd };
    compressor_init(&sinks->compressor, loop);
}

void log_sinks_close(struct log_sinks *sinks)
{
    compressor_close(&sinks->compressor);
}

void log_path_tidy(char *path)
{
    char *to = path;

    for (const char *from = path; *from;) {
        size_t n = strcspn(from + 1, "/") + 1;

        if (n == 3 && from[1] == '.' && from[2] == '.')
            while (to > path && *--to != '/')
                ;
        else if (n > 2 || (n == 2 && from[1] != '.')) {
            memmove(to, from, n);
            to += n;
        }
        from += n;
    }
    *to = '\0';
}

static int check_kind(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
        return 0;
    return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

int log_sink_get(struct log_sinks *sinks, const char *path, struct log_sink **ret)
{
    struct log_sink *sink, **found;
    int r = check_kind(path);

    if (r < 0)
        return r;
    sink = calloc(1, sizeof *sink + strlen(path) + 1);
    if (!sink)
        return -ENOMEM;
    memcpy(sink->path, path, strlen(path) + 1);
    log_path_tidy(sink->path);
    found = tsearch(sink, &sinks->by_path, compare_paths);
    if (!found || *found != sink) {
        free(sink);
        if (!found)
            return -ENOMEM;
        (*found)->references++;
        *ret = *found;
        return 0;
    }
    sink->sinks = sinks;
    sink->times = (struct log_times){ .home_fd = sinks->home_fd, .path = sink->path };
    sink->references = 1;
    sink->fd = -1;
    sink->next = sinks->first;
    sink->prev = &sinks->first;
    if (sink->next)
        sink->next->prev = &sink->next;
    *ret = sinks->first = sink;
    return 0;
}

static void close_file(struct log_sink *sink)
{
    if (sink->fd < 0)
        return;
    (void)tdelete(sink, &sink->sinks->by_file, compare_files);
    (void)close(sink->fd);
    sink->fd = -1;
    sink->line_open = false;
}

void log_sink_put(struct log_sink *sink)
{
    if (!sink || --sink->references)
        return;
    close_file(sink);
    log_sink_put(sink->same);
    (void)tdelete(sink, &sink->sinks->by_path, compare_paths);
    *sink->prev = sink->next;
    if (sink->next)
        sink->next->prev = sink->prev;
    free(sink);
}

struct log_sink *log_sink_real(struct log_sink *sink)
{
    while (sink->same)
        sink = sink->same;
    return sink;
}

int64_t log_sink_length(const struct log_sink *sink)
{
    struct stat st;

    if (sink->fd >= 0)
        return sink->offset;
    return stat(sink->path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
}

static int make_folders(const char *path)
{
    OWN(free) char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return -ENOMEM;
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_dirs(folder, 0755);
}

/* O_NONBLOCK: a FIFO that nobody reads would keep us here. */
static int open_log(const char *path)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };
    int fd = open(path, FLAGS, 0640), r;

    if (fd < 0 && errno == ENOENT) {
        r = make_folders(path);
        if (r < 0)
            return r;
        fd = open(path, FLAGS, 0640);
    }
    return fd < 0 ? -errno : fd;
}

/* A line that had begun in the file when we came stays as it is: the rest of it may be in the pipe
 * still. */
static int open_file(struct log_sink *sink)
{
    OWN(close) int fd = open_log(sink->path);
    struct log_sink **found;
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        return -EINVAL;
    sink->device = st.st_dev;
    sink->inode = st.st_ino;
    found = tsearch(sink, &sink->sinks->by_file, compare_files);
    if (!found)
        return -ENOMEM;
    if (*found != sink) {
        sink->same = *found;
        sink->same->references++;
        return 0;
    }
    sink->regular = S_ISREG(st.st_mode);
    sink->offset = sink->regular ? st.st_size : 0;
    sink->fd = take_fd(&fd);
    return 0;
}

void log_sink_note(struct log_sink *sink)
{
    if (sink->regular)
        log_times_note(&sink->times, sink->device, sink->inode, sink->offset, instant_now());
}

/* Places in it that somebody knows are further back now, by as many bytes. */
static void tell_rotated(struct log_sink *sink, int64_t bytes, int64_t kept)
{
    struct log_sinks *sinks = sink->sinks;

    log_times_rotated(&sink->times, bytes, kept);
    if (sinks->rotated)
        sinks->rotated(sinks, sink, bytes);
}

/* False when the name leads somewhere else by now. */
static bool still_there(struct log_sink *sink)
{
    struct stat st;

    if (stat(sink->path, &st) < 0)
        return errno != ENOENT && errno != ENOTDIR;
    if (st.st_dev != sink->device || st.st_ino != sink->inode)
        return false;
    if (st.st_size < sink->offset)
        tell_rotated(sink, sink->offset, 0);
    if (st.st_size != sink->offset)
        sink->line_open = false;
    sink->offset = st.st_size;
    return true;
}

int log_sink_ready(struct log_sink *sink)
{
    sink = log_sink_real(sink);
    if (sink->fd >= 0 && (!sink->regular || still_there(sink)))
        return 0;
    if (sink->fd >= 0) {
        log_info("a log was moved or deleted; it is made again", LOG_TEXT("log", sink->path));
        tell_rotated(sink, sink->offset, 0);
        close_file(sink);
    }
    return open_file(sink);
}

int64_t log_sink_room(const struct log_sink *sink, const struct log_limits *limits)
{
    if (!limits->max_size || !sink->regular)
        return INT64_MAX;
    return sink->offset < limits->max_size ? limits->max_size - sink->offset : 0;
}

int log_sink_rotate(struct log_sink *sink, const struct log_limits *limits)
{
    int64_t bytes = sink->offset;
    int r = log_rotate(sink->path, limits->keep);

    if (r < 0)
        return r;
    close_file(sink);
    tell_rotated(sink, bytes, (limits->keep + 1) * limits->max_size);
    if (limits->compress && limits->keep)
        compressor_add(&sink->sinks->compressor, sink->path);
    return open_file(sink);
}

size_t log_sink_piece(const struct log_sink *sink, int64_t at, size_t n)
{
    size_t piece = PIECE - (size_t)at % PIECE;

    return sink->regular && piece < n ? piece : n;
}

static ssize_t write_piece(const struct log_sink *sink, const char *bytes, size_t n, int64_t at)
{
    n = log_sink_piece(sink, at, n);
    return sink->regular ? pwrite(sink->fd, bytes, n, at) : write(sink->fd, bytes, n);
}

int log_sink_write(struct log_sink *sink, const char *bytes, size_t n)
{
    size_t done = 0;
    ssize_t wrote;
    int error;

    log_sink_note(sink);
    while (done < n) {
        wrote = write_piece(sink, bytes + done, n - done, sink->offset + (int64_t)done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            error = wrote < 0 ? errno : EIO;
            if (sink->regular)
                (void)ftruncate(sink->fd, sink->offset);
            return -error;
        }
        done += (size_t)wrote;
    }
    sink->offset += (int64_t)n;
    if (n)
        sink->line_open = bytes[n - 1] != '\n';
    return 0;
}

void log_sinks_reopen(struct log_sinks *sinks)
{
    for (struct log_sink *sink = sinks->first; sink; sink = sink->next) {
        if (sink->fd < 0 || !sink->regular || still_there(sink))
            continue;
        close_file(sink);
        (void)open_file(sink);
    }
}

int log_sinks_flush(struct log_sinks *sinks, const char *path)
{
    struct log_sink *sink;
    struct stat st;

    log_rotate_remove_all(path);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && truncate(path, 0) < 0)
        return -errno;
    for (sink = sinks->first; sink; sink = sink->next)
        if (sink->fd >= 0 && sink->regular)
            (void)still_there(sink);
    return 0;
}
