/* What is wrong with a manifest, in words: the path of a value, what was wanted, the line. */
#include "manifest_problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Enough to recognise a value by, short enough that one wrong value does not fill the screen. */
enum { SHOWN_MAX = 64 };

void problems_init(struct problems *problems, struct buf *errors)
{
    *problems = (struct problems){ .errors = errors };
    buf_init(&problems->notes, (size_t)PROBLEMS_MAX * PROBLEM_LINE_MAX);
}

void problems_done(struct problems *problems)
{
    buf_done(&problems->notes);
}

int value_line(const cJSON *value)
{
    return value->valueint;
}

/* How much of text is shown: all, or as many whole characters as fit in SHOWN_MAX bytes. */
static size_t shown_length(const char *text)
{
    size_t n = strnlen(text, SHOWN_MAX);

    if (!text[n])
        return n;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void add_quoted(struct buf *to, const char *text)
{
    OWN_BUF struct buf escaped = { 0 };
    size_t n = shown_length(text);
    const char *quote, *dots = text[n] ? "..." : "";

    buf_init(&escaped, PROBLEM_LINE_MAX);
    if (text_add_escaped(&escaped, text, n) < 0)
        return;
    quote = escaped.p[0] == '"' ? "" : "\"";
    (void)buf_printf(to, "%s%s%s%s", quote, escaped.p, quote, dots);
}

static void add_value(struct buf *to, const cJSON *value)
{
    if (cJSON_IsString(value))
        add_quoted(to, value->valuestring);
    else if (cJSON_IsNumber(value))
        (void)buf_printf(to, "%.15g", value->valuedouble);
    else if (cJSON_IsBool(value))
        (void)buf_add_text(to, cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsNull(value))
        (void)buf_add_text(to, "null");
    else
        (void)buf_add_text(to, cJSON_IsArray(value) ? "a list" : "an object");
}

/* The chain's depth is bounded by the nesting of the file (JSON_DEPTH_MAX). */
static void add_path(struct buf *to, const struct place *place)
{
    if (place->up)
        add_path(to, place->up);
    if (!place->key) {
        (void)buf_printf(to, "[%d]", place->index);
        return;
    }
    if (place->up)
        (void)buf_add_text(to, ".");
    (void)text_add_escaped(to, place->key, shown_length(place->key));
}

static int place_line(const struct place *place)
{
    for (; place; place = place->up) {
        if (place->line)
            return place->line;
        if (place->value)
            return value_line(place->value);
    }
    return 0;
}

/* One finished line goes into the caller's buffer whole or, when that is full, not at all. */
static void add_line(struct buf *to, const struct place *place, const char *text)
{
    OWN_BUF struct buf line = { 0 };

    buf_init(&line, PROBLEM_LINE_MAX);
    if (place) {
        add_path(&line, place);
        (void)buf_add_text(&line, ": ");
    }
    (void)buf_add_text(&line, text);
    if (place)
        (void)buf_printf(&line, " (line %d)", place_line(place));
    (void)buf_add_text(&line, "\n");
    if (line.p)
        (void)buf_add(to, line.p, line.len);
}

bool problems_are_enough(const struct problems *problems)
{
    return problems->count >= PROBLEMS_MAX;
}

int problems_add(struct problems *problems, const struct place *place, const char *format, ...)
{
    char text[PROBLEM_LINE_MAX];
    va_list arguments;
    bool enough = problems_are_enough(problems);

    problems->count++;
    if (enough)
        return -EBADMSG;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* What others say about a value may quote it as it is. */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    add_line(problems->errors, place, text);
    return -EBADMSG;
}

int problems_add_wanted(struct problems *problems, const struct place *place, const char *wants)
{
    OWN_BUF struct buf got = { 0 };

    buf_init(&got, PROBLEM_LINE_MAX);
    add_value(&got, place->value);
    return problems_add(problems, place, "want %s, got %s", wants,
                        got.p ? got.p : "something else");
}

void problems_note(struct problems *problems, const struct place *place, const char *text)
{
    add_line(&problems->notes, place, text);
}

int problems_conclude(struct problems *problems)
{
    if (problems->count > PROBLEMS_MAX)
        (void)buf_printf(problems->errors, "and %d more\n", problems->count - PROBLEMS_MAX);
    if (problems->count)
        return -EINVAL;
    if (problems->notes.len)
        (void)buf_add(problems->errors, problems->notes.p, problems->notes.len);
    return 0;
}
