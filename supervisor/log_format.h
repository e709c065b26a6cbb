#ifndef OPS_LOG_FORMAT_H
#define OPS_LOG_FORMAT_H
/*
 * How a line that a worker printed stands in its log: as it is, behind a time, or as an object.
 *
 *     plain                          log_type raw
 *     2026-11-21T10:00:00: plain     log_date_format YYYY-MM-DDTHH:mm:ss, or time: true
 *     {"timestamp":…,"type":"out","process_id":0,"app_name":"w","message":"plain"}
 *
 * The same bytes at the same time make the same text, so that a log which was being written when
 * opsd was killed can be written again (log_spool.h). A line may come in pieces. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "manifest.h"

struct log_style {
    enum log_type type;
    const char *date_format; /* NULL: no time; for JSON, RFC 3339 */
    const char *app;
    int process_id; /* PM2's word for the instance's id */
    bool err;
};

/* Lines are written as they are. */
bool log_style_is_raw(const struct log_style *style);

/* What is to be written. */
struct log_lines {
    const char *bytes;
    size_t n;
    int64_t instant; /* at which they came */
    bool within;     /* they begin within a line; on return, they end within one */
    bool at_least_one;
};

/* Adds lines to to, and stops before the one that would make more than room bytes of text; but not
 * before the first, with at_least_one. Returns how many bytes were taken, or -ENOMEM. */
int64_t log_format(const struct log_style *style, struct log_lines *lines, int64_t room,
                   struct buf *to);

/* Ends a line that came without its newline. Returns 0 or -ENOMEM. */
int log_format_end(const struct log_style *style, struct buf *to);

#endif
