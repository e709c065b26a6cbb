#ifndef OPS_STREAM_H
#define OPS_STREAM_H
/*
 * Log capture: bytes go from a worker's pipe to its log file.
 *
 * A worker's stdout and stderr are pipes, held open by us and its keeper too, so that nothing is
 * lost when either side is away for a while. Here is which pipe is looked at when; what one look
 * does is in stream_step.h.
 *
 * The pipes are watched edge-triggered by an epoll of the pump's own, but while lines come fast
 * they are left to gather instead (log_gather.h). A worker that prints now and then is looked at as
 * soon as it does.
 *
 * A write(2) that has to wait for room, in a pipe that was not empty when it began, wakes nobody
 * (pipe_write in the kernel's fs/pipe.c): so where bytes were left, a timer looks again, soon while
 * something happens, every second otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uv.h>

#include "err.h"
#include "log_format.h"
#include "log_gather.h"
#include "log_sink.h"

enum {
    /* How soon a pipe is looked at again in which bytes were left, once something has moved. */
    STREAM_AGAIN_FIRST_MS = 10,
    /* What is moved in one go; a pipe may hold more, the rest is for the next turn, so that one
     * noisy worker does not keep the others waiting. */
    STREAM_LOOK_BYTES = 256 << 10,
};

struct stream;
struct derivation;

/* How the lines of a stream are written at present; the texts are the owner's. */
struct stream_settings {
    struct log_limits limits;
    struct log_style style;
};

/* What the owner of a stream says and hears, from the loop. */
struct stream_kind {
    void (*settings)(const struct stream *stream, struct stream_settings *ret);
    /* Whole lines (or the end of a very long one) that were just moved, with their newlines; bytes
     * is NULL for a stream that shows none. */
    void (*moved)(struct stream *stream, const char *bytes, size_t n);
};

/* What a stream is opened with. */
struct stream_paths {
    const char *log;  /* a regular file, or a device such as "/dev/null" */
    const char *both; /* a second one for the same lines; NULL: none */
    const char *name; /* of its spool in the home (log_spool.h) */
};

struct stream {
    struct pump *pump;
    struct log_sink *sink, *both;
    int fd; /* of the pipe; -1: closed */
    int capacity;
    bool roomy; /* the pipe is as large as it gets */
    bool queued, paused;
    bool left;  /* bytes were left in the pipe: half a line, or what a full disk did not take */
    bool shows; /* moved wants to see the bytes */
    uint64_t round;
    size_t gathered; /* bytes that were there in that round */
    struct stream *next_queued, *next, **prev;
    const struct stream_kind *kind;
    void *owner;
    char *name;
    struct derivation *derivation; /* NULL: lines are written as they are */
};

struct pump {
    int epoll_fd, gather_fd, scratch[2], null_fd, home_fd;
    char *bytes;     /* what tee showed */
    struct buf text; /* room for what is made of it */
    uv_poll_t poll;
    uv_idle_t more;     /* runs while streams are queued */
    uv_timer_t again;   /* runs while bytes are left in a pipe */
    uv_poll_t gathered; /* of a timerfd(2): a millisecond is too long for a fast writer */
    bool gathering;     /* it runs */
    struct log_gather gather;
    uint64_t again_ms;
    size_t look; /* how much of a pipe is shown at most. Where no line ends in so much, its end is
                  * not waited for any longer */
    struct stream *first_queued, **last_queued, *streams;
    struct log_sinks sinks;
};

/* Returns 0 or a negative errno. The pump lives as long as the loop; home_fd is its caller's. */
int pump_init(struct pump *pump, uv_loop_t *loop, int home_fd);
void pump_close(struct pump *pump);

/* A pipe as one descriptor for both ends, so that it never ends; owner is who may open it beside
 * us. It blocks whoever writes, and is never waited for here: splice(2) and tee(2) are told not to
 * (SPLICE_F_NONBLOCK). Returns the descriptor or a negative errno. */
int stream_make_pipe(uid_t owner, struct err *reterr);

/* The descriptor for the next process to write to, which has it in common with us: it blocks,
 * though the process before may have had its way with that, as Node does. */
int stream_lend(const struct stream *stream);

/* Begins to move the bytes of the pipe, whose descriptor it takes also when it fails; stream->kind,
 * owner and shows are the caller's to set before. Files are opened when there is something to
 * write. The stream's memory is the caller's and must stay until stream_close. Returns 0 or a
 * negative errno. */
int stream_open(struct stream *stream, struct pump *pump, int pipe_fd,
                const struct stream_paths *paths, struct err *reterr);

/* Stays: somebody else will go on with what is left in the pipe and the spool. */
void stream_close(struct stream *stream, bool stays);

/* Moves what is there now, the last line also when it has no end: its writer is gone. */
void stream_drain(struct stream *stream);

/* How many bytes are in the pipe. */
size_t stream_pending(const struct stream *stream);

/* Leaves bytes in the pipe (its writer will wait) until it is resumed. */
void stream_pause(struct stream *stream, bool paused);

/* Where the next byte goes: the log file and its length. */
const char *stream_log_path(const struct stream *stream);
int64_t stream_log_offset(const struct stream *stream);

/* Has the stream looked at, in this turn of the loop or the next. */
void stream_queue(struct stream *stream);

#endif
