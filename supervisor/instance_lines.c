/* The last lines that a process of an instance printed, for people who ask why it ended. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "instance_probe.h"
#include "json.h"
#include "own.h"
#include "tail.h"

enum {
    /* More would not help them. */
    SPAN_BYTES_MAX = 64 << 10,
    LINES_ALL = SPAN_BYTES_MAX,
};

/* The last n lines between two places; the caller frees *ret. Returns their length, 0: none. */
static size_t read_lines(const char *path, int64_t from, int64_t to, int n, char **ret)
{
    OWN(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int64_t begin;
    ssize_t got;

    *ret = NULL;
    if (fd < 0 || to <= from)
        return 0;
    if (to - from > SPAN_BYTES_MAX)
        from = to - SPAN_BYTES_MAX;
    begin = tail_find(fd, from, to, n);
    if (begin < 0)
        return 0;
    *ret = calloc(1, (size_t)(to - begin) + 1);
    got = *ret ? pread(fd, *ret, (size_t)(to - begin), begin) : -1;
    return got > 0 ? (size_t)got : 0;
}

static void add_lines_of(const char *path, int64_t from, int64_t to, int n, cJSON *array)
{
    OWN(free) char *text = NULL;
    size_t got = read_lines(path, from, to, n, &text);
    char *line, *rest;

    if (!got)
        return;
    if (text[got - 1] == '\n')
        text[got - 1] = '\0';
    for (rest = text; (line = strsep(&rest, "\n"));)
        (void)cJSON_AddItemToArray(array, json_lossy_text(line, strlen(line)));
}

void instance_probe_printed(struct instance *i)
{
    const struct stream *streams[] = { &i->out, &i->err };
    const int64_t from[] = { i->span.out_from, i->span.err_from };

    for (int s = 0; s < 2; s++) {
        OWN(free) char *text = NULL;
        size_t n;

        if (!streams[s]->sink)
            continue;
        n = read_lines(stream_log_path(streams[s]), from[s], stream_log_offset(streams[s]),
                       LINES_ALL, &text);
        if (n)
            instance_probe_lines(i, text, n);
    }
}

void instance_add_lines(const struct instance *i, const struct log_span *span, int n, cJSON *array)
{
    if (!i->out.sink || !i->err.sink)
        return;
    add_lines_of(stream_log_path(&i->out), span->out_from, span->out_to, n, array);
    if (strcmp(stream_log_path(&i->out), stream_log_path(&i->err)) != 0)
        add_lines_of(stream_log_path(&i->err), span->err_from, span->err_to, n, array);
}
