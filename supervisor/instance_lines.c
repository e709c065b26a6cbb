/* The last lines that a process of an instance printed, for people who ask why it ended. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instance.h"
#include "json.h"
#include "own.h"
#include "tail.h"

enum {
    /* More would not help them. */
    SPAN_BYTES_MAX = 64 << 10,
};

static void add_lines_of(const char *path, int64_t from, int64_t to, int n, cJSON *array)
{
    OWN(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    OWN(free) char *text = NULL;
    char *line, *rest;
    int64_t begin;
    ssize_t got;

    if (fd < 0 || to <= from)
        return;
    if (to - from > SPAN_BYTES_MAX)
        from = to - SPAN_BYTES_MAX;
    begin = tail_find(fd, from, to, n);
    if (begin < 0)
        return;
    text = calloc(1, (size_t)(to - begin) + 1);
    got = text ? pread(fd, text, (size_t)(to - begin), begin) : -1;
    if (got <= 0)
        return;
    if (text[got - 1] == '\n')
        text[got - 1] = '\0';
    for (rest = text; (line = strsep(&rest, "\n"));)
        (void)cJSON_AddItemToArray(array, json_lossy_text(line, strlen(line)));
}

void instance_add_lines(const struct instance *i, const struct log_span *span, int n, cJSON *array)
{
    if (!i->out.sink || !i->err.sink)
        return;
    add_lines_of(stream_log_path(&i->out), span->out_from, span->out_to, n, array);
    if (strcmp(stream_log_path(&i->out), stream_log_path(&i->err)) != 0)
        add_lines_of(stream_log_path(&i->err), span->err_from, span->err_to, n, array);
}
