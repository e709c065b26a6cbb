/* The last lines that a process of an instance printed. */
#include "instance_lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instance_logs.h"
#include "instance_probe.h"
#include "json.h"
#include "lines.h"
#include "log_rotate.h"
#include "own.h"
#include "tail.h"

enum {
    /* Of one log. More would not help whoever asks. */
    SPAN_BYTES_MAX = 64 << 10,
    BOTH_SPANS_MAX = 2 * SPAN_BYTES_MAX,
    LINES_ALL = SPAN_BYTES_MAX, /* a line takes a byte at least */
    /* What is kept of the lines before each exit. */
    SAID_LINES = 10,
    SAID_BYTES_MAX = 4 << 10,
};

/* Adds the last n lines between two places of a file. Returns how many bytes it added. */
static size_t add_span(const char *path, int64_t from, int64_t to, int n, struct buf *text)
{
    OWN(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int64_t begin;
    ssize_t got;
    char *room;

    if (fd < 0 || to <= from)
        return 0;
    if (to - from > SPAN_BYTES_MAX)
        from = to - SPAN_BYTES_MAX;
    begin = tail_find(fd, from, to, n);
    room = begin < 0 ? NULL : buf_room(text, (size_t)(to - begin));
    got = room ? pread(fd, room, (size_t)(to - begin), begin) : -1;
    if (got <= 0)
        return 0;
    buf_grew(text, (size_t)got);
    return (size_t)got;
}

/* The part of the span that has been rotated away since, if it is in the newest of those. */
static void add_rotated(const char *path, int64_t from, int64_t to, int n, struct buf *text)
{
    OWN(free) char *name = log_rotate_name(path, 1, false);
    struct stat st;

    if (from >= 0 || !name || stat(name, &st) < 0)
        return;
    from += st.st_size;
    (void)add_span(name, from > 0 ? from : 0, to < 0 ? st.st_size + to : st.st_size, n, text);
}

static void read_lines(const char *path, int64_t from, int64_t to, int n, struct buf *text)
{
    buf_init(text, BOTH_SPANS_MAX);
    add_rotated(path, from, to, n, text);
    (void)add_span(path, from > 0 ? from : 0, to, n, text);
}

/* The last n of the lines. */
static void add_lines(const char *bytes, size_t length, int n, cJSON *array)
{
    const char *line, *p = bytes;
    size_t left = length, line_length;
    int count = 0;

    while (lines_next(&p, &left, &line, &line_length))
        count++;
    while (lines_next(&bytes, &length, &line, &line_length))
        if (count-- <= n)
            (void)cJSON_AddItemToArray(array, json_lossy_text(line, line_length));
}

static void add_lines_of(const char *path, int64_t from, int64_t to, int n, cJSON *array)
{
    OWN_BUF struct buf text = { 0 };

    read_lines(path, from, to, n, &text);
    add_lines(text.p, text.len, n, array);
}

void instance_probe_printed(struct instance *i)
{
    const struct stream *streams[] = { &i->out, &i->err };
    const int64_t from[] = { i->span.out_from, i->span.err_from };

    for (int s = 0; s < 2; s++) {
        OWN_BUF struct buf text = { 0 };

        if (!streams[s]->sink)
            continue;
        read_lines(stream_log_path(streams[s]), from[s], stream_log_offset(streams[s]), LINES_ALL,
                   &text);
        if (text.len)
            instance_probe_lines(i, text.p, text.len);
    }
}

static void add_lines_within(const struct instance *i, const struct log_span *span, int n,
                             cJSON *array)
{
    if (!i->out.sink || !i->err.sink)
        return;
    add_lines_of(stream_log_path(&i->out), span->out_from, span->out_to, n, array);
    if (i->out.sink != i->err.sink)
        add_lines_of(stream_log_path(&i->err), span->err_from, span->err_to, n, array);
}

void instance_add_lines(const struct instance *i, int n, cJSON *array)
{
    struct log_span span = instance_span(i);

    add_lines_within(i, &span, n, array);
}

void instance_add_exit_lines(const struct instance *i, const struct exit_record *record, int n,
                             cJSON *array)
{
    if (record->said)
        add_lines(record->said, strlen(record->said), 2 * n, array);
    else
        add_lines_within(i, &record->span, n, array);
}

void instance_keep_lines(const struct instance *i, struct exit_record *record)
{
    OWN(json) cJSON *lines = cJSON_CreateArray();
    OWN_BUF struct buf text = { 0 };
    const cJSON *line;

    buf_init(&text, SAID_BYTES_MAX);
    add_lines_within(i, &record->span, SAID_LINES, lines);
    cJSON_ArrayForEach(line, lines)
    {
        if (buf_add_text(&text, line->valuestring) < 0 || buf_add(&text, "\n", 1) < 0)
            return;
    }
    record->said = text.len ? buf_take(&text) : NULL;
}
