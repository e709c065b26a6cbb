#ifndef OPS_STREAM_H
#define OPS_STREAM_H
/*
 * Log capture: bytes go from a worker's pipe to its log file.
 *
 * A worker's stdout and stderr are pipes, held open by us and its keeper too, so that nothing is
 * lost when either side is away for a while. tee(2) shows what is in a pipe without taking it, so
 * that the end of the last whole line can be found; splice(2) then moves exactly that much to the
 * file at an explicit offset. What was not moved is still in the pipe after a crash of ours; what
 * was moved is in the file: no byte is lost or doubled in between.
 *
 * Several streams may share a file (several instances, a run by hand): only whole lines are moved,
 * so that they never mix within one. A line longer than a pipe holds has the file to itself until
 * it ends, or until another writer is gone for good.
 *
 * The pipes are watched edge-triggered by an epoll of the pump's own, because one with half a line
 * in it stays readable. But a write(2) that has to wait for room, in a pipe that was not empty when
 * it began, wakes nobody (pipe_write in the kernel's fs/pipe.c): so where bytes were left, a timer
 * looks again, soon while something happens, every second otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uv.h>

#include "err.h"

enum {
    /* What is moved in one go; a pipe may hold more, the rest is for the next turn, so that one
     * noisy worker does not keep the others waiting. */
    STREAM_LOOK_BYTES = 256 << 10,
};

struct stream;
struct sink;

/* Whole lines (or the end of a very long one) that were just moved, with their newlines. */
typedef void stream_lines(struct stream *stream, const char *bytes, size_t n);

struct stream {
    struct pump *pump;
    struct sink *sink;
    int fd; /* of the pipe; -1: closed */
    bool queued, paused;
    bool left; /* bytes were left in the pipe: half a line, or what a full disk did not take */
    struct stream *next_queued, *next_in_sink;
    stream_lines *moved;
    void *owner;
};

struct pump {
    int epoll_fd, scratch[2];
    char *bytes; /* what tee showed */
    uv_poll_t poll;
    uv_idle_t more;   /* runs while streams are queued */
    uv_timer_t again; /* runs while bytes are left in a pipe */
    uint64_t again_ms;
    size_t long_line; /* this much without its end is not waited for any longer */
    struct stream *first_queued, **last_queued;
    struct sink *sinks;
};

/* Returns 0 or a negative errno. The pump lives as long as the loop. */
int pump_init(struct pump *pump, uv_loop_t *loop);
void pump_close(struct pump *pump);

/* A pipe as one descriptor for both ends, so that it never ends; owner is who may open it beside
 * us. Returns the descriptor or a negative errno. */
int stream_make_pipe(uid_t owner, struct err *reterr);

/* Begins to move the bytes of the pipe, whose descriptor it takes also when it fails, to log_path
 * (its folders are made; a regular file, or a device such as "/dev/null"). The stream's memory is
 * the caller's and must stay until stream_close. moved is called from the loop. Returns 0 or a
 * negative errno. */
int stream_open(struct stream *stream, struct pump *pump, int pipe_fd, const char *log_path,
                struct err *reterr);
void stream_close(struct stream *stream);

/* Moves what is there now, the last line also when it has no end: its writer is gone. */
void stream_drain(struct stream *stream);

/* How many bytes are in the pipe. */
size_t stream_pending(const struct stream *stream);

/* Leaves bytes in the pipe (its writer will wait) until it is resumed. */
void stream_pause(struct stream *stream, bool paused);

/* Makes the folders that a log file is in. Returns 0 or a negative errno. */
int stream_make_folders(const char *log_path);

/* Where the next byte goes: the log file and its length. */
const char *stream_log_path(const struct stream *stream);
int64_t stream_log_offset(const struct stream *stream);

/* True when that is this file, whatever its path. */
bool stream_logs_to(const struct stream *stream, const struct stat *file);

#endif
