#ifndef OPS_LOG_SOURCE_H
#define OPS_LOG_SOURCE_H
/*
 * A log as its reader sees it: the file that is written to and those that were rotated away, as one
 * text, oldest first.
 *
 * Each part is held open from when it is known to be wanted, so that it can be read to its end
 * whatever becomes of its name. A compressed one is unpacked into a file without a name.
 *
 * log_source_find and log_source_skip read files from end to end: they are for a thread, and nobody
 * touches the source meanwhile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "buf.h"

struct log_part {
    struct log_part *next, *before;
    int fd;
    bool compressed;  /* and not unpacked yet */
    struct stat file; /* its identity, and its time */
    int64_t at, end;
};

struct log_source {
    char *path;
    struct log_part *first, *last; /* NULL: there is no file yet */
    size_t parts;
};

/* What is looked for: the last so many lines that hold a text and are not older than an instant. */
struct log_search {
    int64_t lines;
    const char *text; /* "": all */
    int64_t since;    /* 0: all */
    int64_t since_at; /* where those begin (log_times_find); filled in by log_source_find */
    int home_fd;
};

/* Opens the file that is written to, if there is one. Returns 0, -EINVAL when it is no file to be
 * read, or another negative errno. */
int log_source_open(struct log_source *source, const char *path);
void log_source_close(struct log_source *source);

/* Opens up to most of the rotated ones, too. */
void log_source_open_rotated(struct log_source *source, size_t most);

/* Something was written, or the file was replaced: takes notice of its new end, and of a new file.
 */
void log_source_follow(struct log_source *source);

/* Puts the source where the lines begin that are looked for. Returns 0 or a negative errno. */
int log_source_find(struct log_source *source, const struct log_search *search);

/* Closes the parts in front of the one to be read next. */
void log_source_trim(struct log_source *source);

/* How much there is to be read. */
int64_t log_source_behind(const struct log_source *source);

/* Goes on to the last `keep` bytes, at the beginning of a line, or further where it cannot be read.
 * Returns how many lines that leaves out, as far as they could be read. */
int64_t log_source_skip(struct log_source *source, int64_t keep);

enum { LOG_SOURCE_LINE_MAX = 4 << 20, LOG_SOURCE_BYTES_MAX = 4 * LOG_SOURCE_LINE_MAX };

/* Reads the next lines: bytes becomes what can be sent, whole lines up to about a block, or a
 * longer line. ended: nothing more will be added to it, so that half a line is one. Returns 0,
 * -ENODATA when there is nothing (yet), or another negative errno. */
int log_source_read(struct log_source *source, bool ended, struct buf *bytes);

/* n bytes of what was read are done with. */
void log_source_pass(struct log_source *source, size_t n);

#endif
