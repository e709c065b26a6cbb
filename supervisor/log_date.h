#ifndef OPS_LOG_DATE_H
#define OPS_LOG_DATE_H
/*
 * The time in front of a log line, as log_date_format says.
 *
 * The format is PM2's, that is day.js': tokens such as YYYY-MM-DD HH:mm:ss.SSS Z, [text] as it is,
 * everything else as it is (https://day.js.org/docs/en/display/format and its advancedFormat). One
 * with a % in it is strftime(3)'s. The time is local time, as PM2's.
 */
#include <stddef.h>
#include <stdint.h>

enum { LOG_DATE_MAX = 256 };

/* Writes the instant (ms) with '\0', cut off where it is longer than LOG_DATE_MAX. Returns the
 * length. */
size_t log_date_print(const char *format, int64_t instant, char to[static LOG_DATE_MAX]);

#endif
