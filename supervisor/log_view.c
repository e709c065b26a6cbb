/* Sending the last lines of some logs, then what is added to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "json.h"
#include "lines.h"
#include "log_view.h"
#include "methods.h"
#include "own.h"

enum {
    /* What is left of what a client fell behind with. */
    KEPT_BYTES = 64 << 10,
    BEHIND_MAX = 64 << 20,
    BEHIND_FILES_MAX = 16,
    /* What is looked through in one turn of the loop, when most of it is not what was asked for. */
    BLOCKS_A_TURN = 16,
};

/* Files that all views together have open. */
static size_t files_open;

bool log_view_may_open(size_t n)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) < 0 || files_open + n <= limit.rlim_cur / 4;
}

struct log_view_source *log_view_add(struct log_view *v, const struct log_view_source *source)
{
    struct log_view_source *s = &v->sources[v->count++];

    *s = *source;
    files_open += s->log.parts;
    return s;
}

void log_view_free(struct log_view *v)
{
    for (size_t i = 0; i < v->count; i++) {
        files_open -= v->sources[i].log.parts;
        log_source_close(&v->sources[i].log);
        free(v->sources[i].name);
    }
    buf_done(&v->block);
    free(v->text);
    free(v);
}

static void drop(struct attachment *attachment)
{
    struct log_view *v = (struct log_view *)attachment;

    v->connection = NULL;
    if (!v->searching)
        log_view_free(v);
}

const char *log_view_stream(const struct log_view_source *s)
{
    return s->err ? "err" : "out";
}

static cJSON *source_params(const struct log_view_source *s)
{
    cJSON *params = cJSON_CreateObject();

    (void)json_put_text(params, "name", s->name);
    (void)json_put_int(params, "instance", s->number);
    (void)json_put_text(params, "stream", log_view_stream(s));
    return params;
}

void log_view_file_id(const struct log_part *part, char id[static FILE_ID_MAX])
{
    (void)snprintf(id, FILE_ID_MAX, "%llu:%llu", part ? (unsigned long long)part->file.st_dev : 0,
                   part ? (unsigned long long)part->file.st_ino : 0);
}

/* For a client that wants to go on when another opsd has taken over. */
static void put_place(const struct log_view *v, const struct log_view_source *s, int64_t at,
                      cJSON *params)
{
    if (!v->places)
        return;
    (void)json_put_int(params, "source", s - v->sources);
    (void)json_put_int(params, "at", at);
}

/* Tells of the file that is read next, if that is another one than before. */
static void send_source(struct log_view *v, struct log_view_source *s)
{
    const struct log_part *part = s->log.first;
    char id[FILE_ID_MAX];
    cJSON *params;

    log_view_file_id(part, id);
    if (!v->places || strcmp(id, s->told) == 0)
        return;
    memcpy(s->told, id, sizeof id);
    params = source_params(s);
    (void)json_put_text(params, "file", id);
    put_place(v, s, part ? part->at : 0, params);
    connection_notify(v->connection, "source", params);
}

static void send_line(struct log_view *v, const struct log_view_source *s, const char *line,
                      size_t length, int64_t at)
{
    cJSON *params = source_params(s);

    lines_put(params, line, length);
    put_place(v, s, at, params);
    v->sent++;
    connection_notify(v->connection, "log", params);
}

static void send_gap(struct log_view *v, const struct log_view_source *s)
{
    cJSON *params = source_params(s);

    (void)json_put_int(params, "lines", s->skipped);
    connection_notify(v->connection, "gap", params);
}

/* --- looking for a place, off the loop */

static void search(uv_work_t *work)
{
    struct log_view *v = work->data;

    for (size_t i = 0; i < v->count; i++) {
        struct log_view_source *s = &v->sources[i];

        if (s->search == SEARCH_BEGINNING)
            /* What cannot be unpacked, on a full disk say, is left out with all before it. */
            (void)log_source_find(&s->log, &v->wanted);
        else if (s->search == SEARCH_NEXT_LINE)
            s->skipped = log_source_skip(&s->log, KEPT_BYTES);
    }
}

void log_view_trim(struct log_view_source *s)
{
    size_t before = s->log.parts;

    log_source_trim(&s->log);
    files_open -= before - s->log.parts;
}

static void follow(struct log_view_source *s)
{
    size_t before = s->log.parts;

    log_source_follow(&s->log);
    files_open += s->log.parts - before;
}

static void pump(struct log_view *v);

static void searched(uv_work_t *work, int status)
{
    struct log_view *v = work->data;

    (void)status;
    /* Until the end of this the view stays, whatever becomes of its connection. */
    for (size_t i = 0; i < v->count && v->connection; i++) {
        struct log_view_source *s = &v->sources[i];
        enum search what = s->search;

        s->search = SEARCH_NONE;
        log_view_trim(s);
        if (what == SEARCH_NEXT_LINE && s->skipped)
            send_gap(v, s);
        if (v->stale && v->follow)
            follow(s);
    }
    v->searching = v->stale = false;
    if (v->connection)
        pump(v);
    else
        log_view_free(v);
}

/* Has a thread do what the sources are marked for, or nothing: then it is the loop's next turn that
 * is wanted. Returns false when that cannot be. */
static bool search_places(struct log_view *v)
{
    v->work.data = v;
    v->searching = uv_queue_work(v->connection->pipe.loop, &v->work, search, searched) == 0;
    return v->searching;
}

static bool is_marked(const struct log_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->sources[i].search != SEARCH_NONE)
            return true;
    return false;
}

/* --- sending */

/* The client has been given less than it can take, and is there. Once it is not, its views are gone
 * too. */
static bool is_hungry(const struct connection *connection)
{
    return !connection->closing && connection_backlog(connection) < CONNECTION_STREAM_QUEUE;
}

/* Sends the lines of the next block that are wanted, while the client takes them. Returns 0,
 * -ENODATA when there are none, -ECONNRESET when the connection was closed, and with it the view is
 * gone, or another negative errno. */
static int send_block(struct log_view *v, struct log_view_source *s)
{
    const struct connection *connection = v->connection;
    const char *text = v->wanted.text, *bytes, *line;
    size_t n, length;
    int64_t begin;
    int r = log_source_read(&s->log, !v->follow, &v->block);

    if (r < 0)
        return r;
    send_source(v, s);
    if (connection->closing)
        return -ECONNRESET;
    begin = s->log.first->at;
    bytes = v->block.p;
    n = v->block.len;
    while (is_hungry(connection) && lines_next(&bytes, &n, &line, &length))
        if (!text[0] || memmem(line, length, text, strlen(text)))
            send_line(v, s, line, length, begin + (bytes - v->block.p));
    if (connection->closing)
        return -ECONNRESET;
    log_source_pass(&s->log, (size_t)(bytes - v->block.p));
    return bytes != v->block.p ? 0 : -ENODATA;
}

/* Tells the client that it will not get all: to end as if it had would hide lines. */
static void fail(struct log_view *v, const struct log_view_source *s, int error)
{
    struct connection *connection = v->connection;
    struct err why;

    (void)err_set(&why, error, "cannot read %s: %s", s->log.path, strerror(-error));
    connection_fail(connection, v->attachment.id, WIRE_FAILED, why.text, NULL);
    connection_detach(connection, &v->attachment);
}

static void finish(struct log_view *v)
{
    struct connection *connection = v->connection;
    cJSON *result = cJSON_CreateObject();

    (void)json_put_int(result, "lines", v->sent);
    connection_result(connection, v->attachment.id, result);
    connection_detach(connection, &v->attachment);
}

/* Whoever is too far behind goes on near the end. */
static void mark_behind(struct log_view *v)
{
    for (size_t i = 0; v->follow && i < v->count; i++) {
        struct log_view_source *s = &v->sources[i];

        log_view_trim(s);
        if (log_source_behind(&s->log) > BEHIND_MAX || s->log.parts > BEHIND_FILES_MAX)
            s->search = SEARCH_NEXT_LINE;
    }
}

static void pump(struct log_view *v)
{
    struct connection *connection = v->connection;
    int blocks = BLOCKS_A_TURN;

    if (v->searching)
        return;
    mark_behind(v);
    if (is_marked(v) && search_places(v))
        return;
    /* All of them before the first line, so that none is unknown to a client that was cut off. */
    for (size_t i = 0; !connection->closing && i < v->count; i++)
        send_source(v, &v->sources[i]);
    for (size_t i = 0; !connection->closing && i < v->count; i++) {
        int r = 0;

        while (is_hungry(connection) && blocks > 0 && (r = send_block(v, &v->sources[i])) == 0)
            blocks -= v->wanted.text[0] != '\0';
        if (connection->closing || !is_hungry(connection))
            return;
        if (r < 0 && r != -ENODATA) {
            fail(v, &v->sources[i], r);
            return;
        }
    }
    if (connection->closing || (blocks == 0 && search_places(v)))
        return;
    if (!v->follow)
        finish(v);
}

static void resume(struct attachment *attachment)
{
    pump((struct log_view *)attachment);
}

/* It may be known by another name, too. */
static bool is_of(const struct log_view_source *s, const struct log_sink *sink, const char *path)
{
    const struct log_part *last = s->log.last;

    return strcmp(s->log.path, path) == 0 || strcmp(s->log.path, sink->path) == 0 ||
           (last && last->file.st_dev == sink->device && last->file.st_ino == sink->inode);
}

static void note_written(struct log_view *v, const struct stream *stream)
{
    const struct log_sink *sink = log_sink_real(stream->sink);
    bool touched = false;

    for (size_t i = 0; i < v->count; i++) {
        struct log_view_source *s = &v->sources[i];

        if (!is_of(s, sink, stream->sink->path))
            continue;
        v->stale |= v->searching;
        if (!v->searching)
            follow(s);
        touched = true;
    }
    if (touched)
        pump(v);
}

void methods_logged(struct fleet *fleet, struct stream *stream)
{
    struct connection *c, *next_c;
    struct attachment *a, *next_a;

    for (c = fleet->control ? fleet->control->connections : NULL; c; c = next_c) {
        next_c = c->next;
        for (a = c->attachments; a && !c->closing; a = next_a) {
            next_a = a->next;
            if (a->drop == drop && ((struct log_view *)a)->follow)
                note_written((struct log_view *)a, stream);
        }
    }
}

struct log_view *log_view_new(struct connection *connection, const struct log_search *wanted,
                              size_t most)
{
    OWN(free) struct log_view *v = calloc(1, sizeof *v + most * sizeof *v->sources);

    if (!v)
        return NULL;
    v->text = strdup(wanted->text);
    if (!v->text)
        return NULL;
    v->attachment.drop = drop;
    v->attachment.resume = resume;
    v->connection = connection;
    v->wanted = *wanted;
    v->wanted.text = v->text;
    buf_init(&v->block, LOG_SOURCE_BYTES_MAX);
    return TAKE(v);
}

void log_view_begin(struct log_view *v, const cJSON *id)
{
    connection_attach(v->connection, &v->attachment, id);
    pump(v);
}
