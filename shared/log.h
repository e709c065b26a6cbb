#ifndef OPS_LOG_H
#define OPS_LOG_H
/*
 * One line, one event: `level message key=value…`, info and debug on stdout, warnings and errors
 * on stderr, each line one write(2). Values from outside are escaped by text_add_escaped.
 *
 *     log_info("subscription renewed", LOG_INT("subscription", id), LOG_TEXT("until", end));
 *
 * Secrets are not for here: whoever logs a connection string or a URL scrubs it first.
 * A worker's lines carry no time: opsd knows when it got them. Debug lines appear only when
 * OPS_DEBUG is set to anything but 0.
 */
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };

struct log_field {
    const char *key;
    const char *text; /* NULL: number is meant */
    int64_t number;
};

#define LOG_TEXT(key, value) ((struct log_field){ (key), log_or_null(value), 0 })
#define LOG_INT(key, value) ((struct log_field){ (key), 0, (int64_t)(value) })

#define log_debug(...) LOG_WRITE(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_WRITE(LOG_INFO, __VA_ARGS__)
#define log_warn(...) LOG_WRITE(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_WRITE(LOG_ERROR, __VA_ARGS__)

#define LOG_WRITE(level, message, ...) \
    log_write((level), (message), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })

/* From now on each line begins with the time, UTC: for a daemon's own log. */
void log_with_time(void);

/* fields ends with a zeroed one. Never fails visibly: a line that cannot be written is lost. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/* "null" for NULL, so that a missing text does not end the line. */
const char *log_or_null(const char *text);

#endif
