/* One line, one event. */
#include "log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "instant.h"
#include "text.h"

/* The longest line: a message and a few cut-off values; a pipe takes 4096 bytes in one piece
 * (PIPE_BUF), so lines of several writers do not mix. */
enum { LOG_LINE_MAX = 4095, VALUE_MAX = 1000 };

static const char *const level_names[LOG_LEVELS] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static bool with_time;

void log_with_time(void)
{
    with_time = true;
}

static bool debug_wanted(void)
{
    const char *value = getenv("OPS_DEBUG");

    return value && strcmp(value, "0") != 0;
}

const char *log_or_null(const char *text)
{
    return text ? text : "null";
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    char now[INSTANT_TEXT_MAX];
    OWN_BUF struct buf line = { 0 };
    size_t n;

    buf_init(&line, LOG_LINE_MAX);
    if (level == LOG_DEBUG && !debug_wanted())
        return;
    if (with_time)
        (void)buf_printf(&line, "%s ", instant_print(instant_now(), now));
    (void)buf_printf(&line, "%s %s", level_names[level], message);
    for (const struct log_field *f = fields; f->key; f++) {
        if (buf_printf(&line, " %s=", f->key) < 0)
            break;
        n = f->text ? strnlen(f->text, VALUE_MAX) : 0;
        if (f->text)
            (void)text_add_escaped(&line, f->text, n);
        else
            (void)buf_printf(&line, "%lld", (long long)f->number);
    }
    if (buf_add(&line, "\n", 1) < 0)
        line.p[line.len - 1] = '\n';
    (void)file_write_all(level >= LOG_WARN ? STDERR_FILENO : STDOUT_FILENO, line.p, line.len);
}
