/* How a line that a worker printed stands in its log. */
#include "log_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "log_date.h"
#include "text.h"

#define TAIL_RAW "\n"
#define TAIL_JSON "\"}\n"

/* What stands before and behind the message of every line of one moment. */
struct frame {
    struct buf head;
    const char *tail; /* of JSON; a line has its newline */
    bool json;
};

bool log_style_is_raw(const struct log_style *style)
{
    return style->type == LOG_TYPE_RAW && !style->date_format;
}

/* How many bytes at the start need no escape; eight at a time, by the bits that tell a byte below
 * 0x20, a quote, a backslash or one from 0x7f on. */
static size_t plain_length(const char *bytes, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v, quote, slash;
    size_t i = 0;

    for (; i + sizeof v <= n; i += sizeof v) {
        memcpy(&v, bytes + i, sizeof v);
        quote = v ^ ones * '"';
        slash = v ^ ones * '\\';
        if (((v | (v + ones) | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) != 0)
            break;
    }
    while (i < n && bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\')
        i++;
    return i;
}

/* Bytes that are not UTF-8 stand as \xHH, for people; in JSON that backslash is written twice. */
static int add_json(struct buf *to, const char *bytes, size_t n)
{
    size_t i = 0, plain, length;
    char escape[8];
    int r = 0;

    while (i < n && r == 0) {
        unsigned char c;

        plain = plain_length(bytes + i, n - i);
        r = buf_add(to, bytes + i, plain);
        i += plain;
        if (r < 0 || i == n)
            break;
        c = (unsigned char)bytes[i];
        length = text_utf8_length(bytes + i, n - i);
        if (length > 1) {
            r = buf_add(to, bytes + i, length);
            i += length;
            continue;
        }
        (void)snprintf(escape, sizeof escape,
                       length == 0             ? "\\\\x%02x"
                       : c == '"' || c == '\\' ? "\\%c"
                                               : "\\u%04x",
                       c);
        r = buf_add_text(to, escape);
        i++;
    }
    return r;
}

static int frame_json(const struct log_style *style, int64_t instant, struct frame *frame)
{
    char date[LOG_DATE_MAX + INSTANT_TEXT_MAX];
    int r;

    if (style->date_format)
        (void)log_date_print(style->date_format, instant, date);
    else
        (void)instant_print(instant, date);
    frame->json = true;
    frame->tail = TAIL_JSON;
    r = buf_add_text(&frame->head, "{\"timestamp\":\"");
    if (r == 0)
        r = add_json(&frame->head, date, strlen(date));
    if (r == 0)
        r = buf_printf(&frame->head, "\",\"type\":\"%s\",\"process_id\":%d,\"app_name\":\"",
                       style->err ? "err" : "out", style->process_id);
    if (r == 0)
        r = add_json(&frame->head, style->app, strlen(style->app));
    return r == 0 ? buf_add_text(&frame->head, "\",\"message\":\"") : r;
}

static int frame_make(const struct log_style *style, int64_t instant, struct frame *frame)
{
    char date[LOG_DATE_MAX];

    buf_init(&frame->head, 4096 + LOG_DATE_MAX);
    if (style->type == LOG_TYPE_JSON)
        return frame_json(style, instant, frame);
    if (!style->date_format)
        return 0;
    (void)log_date_print(style->date_format, instant, date);
    return buf_printf(&frame->head, "%s: ", date);
}

/* One line, or a piece of one, of n bytes with its newline. */
static int add_line(const struct frame *frame, const char *line, size_t n, bool begins,
                    struct buf *to)
{
    size_t head = begins ? frame->head.len : 0;
    char *room = buf_room(to, head + n);
    bool ends = line[n - 1] == '\n';
    int r;

    if (!room)
        return -ENOMEM;
    if (head)
        memcpy(room, frame->head.p, head);
    if (!frame->json) {
        memcpy(room + head, line, n);
        buf_grew(to, head + n);
        return 0;
    }
    buf_grew(to, head);
    r = add_json(to, line, n - ends);
    return r == 0 && ends ? buf_add_text(to, frame->tail) : r;
}

int64_t log_format(const struct log_style *style, struct log_lines *lines, int64_t room,
                   struct buf *to)
{
    size_t at = 0, before, start = to->len, n;
    bool within = lines->within;
    struct frame frame = { 0 };
    const char *end;
    int r = frame_make(style, lines->instant, &frame);

    while (at < lines->n && r == 0) {
        end = memchr(lines->bytes + at, '\n', lines->n - at);
        n = end ? (size_t)(end + 1 - lines->bytes) - at : lines->n - at;
        before = to->len;
        r = add_line(&frame, lines->bytes + at, n, !within, to);
        if (r == 0 && (int64_t)(to->len - start) > room &&
            !(lines->at_least_one && before == start)) {
            to->len = before;
            break;
        }
        within = !end;
        at += n;
    }
    buf_done(&frame.head);
    if (r < 0)
        return -ENOMEM;
    lines->within = within;
    return (int64_t)at;
}

int log_format_end(const struct log_style *style, struct buf *to)
{
    return buf_add_text(to, style->type == LOG_TYPE_JSON ? TAIL_JSON : TAIL_RAW);
}
