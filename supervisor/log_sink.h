#ifndef OPS_LOG_SINK_H
#define OPS_LOG_SINK_H
/*
 * A log file that is written to, by one stream or by several.
 *
 * It is opened when there is something to write, and looked at before each time that something is:
 * one stat(2) for all the lines that came together tells that it was moved or deleted (it is made
 * again), cut to nothing (logrotate's copytruncate) or added to by somebody else. So nothing has to
 * watch it while nobody writes.
 *
 * Where the next byte goes is known here, never left to O_APPEND: splice(2) refuses that.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log_compress.h"
#include "log_stall.h"
#include "log_times.h"

/* What a log may take: of the manifest, and so of each stream. */
struct log_limits {
    int64_t max_size; /* bytes; 0: it is never rotated */
    int keep;
    bool compress;
    int64_t stall_ms;
};

struct log_sinks {
    struct log_sink *first;
    void *by_path, *by_file; /* tsearch(3) */
    struct compressor compressor;
    int home_fd;
    /* A log of that many bytes was moved out of the way, or emptied. */
    void (*rotated)(struct log_sinks *sinks, const struct log_sink *sink, int64_t bytes);
    void *owner;
};

struct log_sink {
    struct log_sinks *sinks;
    struct log_sink *next, **prev;
    struct log_sink *same; /* the same file under another path, opened before */
    int references;
    int fd; /* -1: not open */
    bool regular;
    bool line_open; /* its last byte is no newline */
    dev_t device;
    ino_t inode;
    int64_t offset;
    struct log_stall stall;
    struct log_times times;
    const void *within; /* the stream whose line has begun and not ended */
    char path[];
};

void log_sinks_init(struct log_sinks *sinks, uv_loop_t *loop, int home_fd);
void log_sinks_close(struct log_sinks *sinks);

/* Takes "//", "/./" and, as path_tidy does not, "/../" out of an absolute path, so that one file
 * has one name; a name that leads there by a link is found out when the file is opened. */
void log_path_tidy(char *path);

/* The sink of that path, made if need be; give it back with log_sink_put. Returns 0, -EISDIR or
 * -EINVAL when something is there that is no log, or -ENOMEM. */
int log_sink_get(struct log_sinks *sinks, const char *path, struct log_sink **ret);
void log_sink_put(struct log_sink *sink);

/* The one that really is written to, when several paths lead there. */
struct log_sink *log_sink_real(struct log_sink *sink);

/* Where the next byte goes, also while it is not open. */
int64_t log_sink_length(const struct log_sink *sink);

/* Opens it, or finds out what became of it. Returns 0 or a negative errno; it may be another real
 * one after this. */
int log_sink_ready(struct log_sink *sink);

/* How many more bytes it may take before it is to be rotated. */
int64_t log_sink_room(const struct log_sink *sink, const struct log_limits *limits);

/* Puts the file out of the way and opens a new one. Returns 0 or a negative errno. */
int log_sink_rotate(struct log_sink *sink, const struct log_limits *limits);

/* Something is about to be written: notes when. */
void log_sink_note(struct log_sink *sink);

/* Of n bytes that are to stand at that place, how many to write in one go. */
size_t log_sink_piece(const struct log_sink *sink, int64_t at, size_t n);

/* Writes all of it, or nothing. Returns 0 or a negative errno. */
int log_sink_write(struct log_sink *sink, const char *bytes, size_t n);

/* Closes every file and opens it again by its name. */
void log_sinks_reopen(struct log_sinks *sinks);

/* Empties the log at path and removes what was rotated away from it. Returns 0 or a negative errno.
 */
int log_sinks_flush(struct log_sinks *sinks, const char *path);

#endif
