/*
 * logs: the last lines of some log files, then what is added to them.
 *
 * The file is the only source and the only buffer: each view has a place in each file and moves on
 * when the client has read what it was sent. So a slow client delays nobody, and one that falls
 * BEHIND_MAX behind is told how many lines it missed. Where to begin may take reading all of a
 * file: that is looked for by libuv's threads, and the view waits meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "lines.h"
#include "methods.h"
#include "own.h"
#include "tail.h"
#include "text.h"

enum {
    LINES_DEFAULT = 20,
    BLOCK = 64 << 10,
    /* Longer lines reach the client in pieces of this. */
    LINE_BYTES_MAX = 4 << 20,
    FILE_ID_MAX = 48,
    BEHIND_MAX = 64 << 20,
};

enum search { SEARCH_NONE, SEARCH_LAST_LINES, SEARCH_NEXT_LINE };

/* One log file being read. */
struct source {
    int fd;
    struct stat file;
    int64_t at, end;
    /* While a thread looks for a new place only it touches these, and nothing else of the view. */
    enum search search;
    int64_t from, until, lines, found;
    bool err, told;
    int number;
    char *name;
};

struct view {
    struct attachment attachment;
    struct connection *connection;
    bool follow, places, searching;
    int64_t lines; /* of each file at first */
    int64_t sent;
    uv_work_t work;
    size_t count;
    struct source sources[];
};

/* Files that all views together have open. */
static size_t files_open;

/* A quarter of our descriptors: the workers need theirs. */
static bool may_open(size_t n)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) < 0 || files_open + n <= limit.rlim_cur / 4;
}

static void view_free(struct view *v)
{
    files_open -= v->count;
    for (size_t i = 0; i < v->count; i++) {
        (void)close(v->sources[i].fd);
        free(v->sources[i].name);
    }
    free(v);
}

static void drop(struct attachment *attachment)
{
    struct view *v = (struct view *)attachment;

    v->connection = NULL;
    if (!v->searching)
        view_free(v);
}

static const char *stream_name(const struct source *s)
{
    return s->err ? "err" : "out";
}

static cJSON *source_params(const struct source *s)
{
    cJSON *params = cJSON_CreateObject();

    (void)json_put_text(params, "name", s->name);
    (void)json_put_int(params, "instance", s->number);
    (void)json_put_text(params, "stream", stream_name(s));
    return params;
}

/* For a client that wants to go on when another opsd has taken over. */
static void put_place(const struct view *v, const struct source *s, cJSON *params)
{
    if (!v->places)
        return;
    (void)json_put_int(params, "source", s - v->sources);
    (void)json_put_int(params, "at", s->at);
}

/* What a file is called in "source" and "from": its name may be another's by then. */
static void file_id(const struct stat *file, char id[static FILE_ID_MAX])
{
    (void)snprintf(id, FILE_ID_MAX, "%llu:%llu", (unsigned long long)file->st_dev,
                   (unsigned long long)file->st_ino);
}

static void send_source(struct view *v, struct source *s)
{
    cJSON *params = source_params(s);
    char id[FILE_ID_MAX];

    file_id(&s->file, id);
    (void)json_put_text(params, "file", id);
    put_place(v, s, params);
    s->told = true;
    connection_notify(v->connection, "source", params);
}

static void send_line(struct view *v, const struct source *s, const char *line, size_t length)
{
    cJSON *params = source_params(s);

    lines_put(params, line, length);
    put_place(v, s, params);
    v->sent++;
    connection_notify(v->connection, "log", params);
}

static void send_gap(struct view *v, const struct source *s)
{
    cJSON *params = cJSON_CreateObject();

    (void)json_put_text(params, "name", s->name);
    (void)json_put_int(params, "lines", s->lines);
    connection_notify(v->connection, "gap", params);
}

/* --- looking for a place, off the loop */

static void pump_view(struct view *v);

static void search(uv_work_t *work)
{
    struct view *v = work->data;

    for (size_t i = 0; i < v->count; i++) {
        struct source *s = &v->sources[i];

        if (s->search == SEARCH_LAST_LINES)
            s->found = tail_find(s->fd, 0, s->until, s->lines);
        else if (s->search == SEARCH_NEXT_LINE)
            s->found = tail_skip(s->fd, s->from, s->until - BLOCK, s->until, &s->lines);
    }
}

static void searched(uv_work_t *work, int status)
{
    struct view *v = work->data;

    (void)status;
    /* Until the end of this the view stays, whatever becomes of its connection. */
    for (size_t i = 0; i < v->count && v->connection; i++) {
        struct source *s = &v->sources[i];
        enum search what = s->search;

        s->search = SEARCH_NONE;
        if (what != SEARCH_NONE)
            s->at = s->found < 0 ? s->until : s->found;
        if (what == SEARCH_NEXT_LINE)
            send_gap(v, s);
    }
    v->searching = false;
    if (v->connection)
        pump_view(v);
    else
        view_free(v);
}

/* Begins a search where a source asks for one. Returns false when none does. */
static bool search_places(struct view *v)
{
    bool any = false;

    for (size_t i = 0; i < v->count; i++)
        any |= v->sources[i].search != SEARCH_NONE;
    if (!any)
        return false;
    v->work.data = v;
    v->searching = uv_queue_work(v->connection->pipe.loop, &v->work, search, searched) == 0;
    return v->searching;
}

/* --- sending */

/* The client has been given less than it can take, and is there. Once it is not, its views are gone
 * too. */
static bool is_hungry(const struct connection *connection)
{
    return !connection->closing && connection_backlog(connection) < CONNECTION_STREAM_QUEUE;
}

/* Sends whole lines of the next block while the client takes them. Returns false when there are
 * none. */
static bool send_block(struct view *v, struct source *s)
{
    struct connection *connection = v->connection;
    int64_t begin = s->at;
    size_t want = BLOCK, n, length;
    OWN(free) char *block = NULL;
    const char *bytes, *line, *end = NULL;
    ssize_t got = 0;

    /* A line longer than the block: look at more of it. */
    for (; !end && want <= LINE_BYTES_MAX; want *= 4) {
        free(block);
        block = malloc(want);
        got = block ? pread(s->fd, block, want, s->at) : -1;
        if (got <= 0)
            return false;
        if (got > s->end - s->at)
            got = (ssize_t)(s->end - s->at);
        end = memrchr(block, '\n', (size_t)got);
        if ((size_t)got < want)
            break;
    }
    /* Half a line at the end waits for its other half, unless nobody will wait for that. */
    n = end                                         ? (size_t)(end - block) + 1
        : (size_t)got < LINE_BYTES_MAX && v->follow ? 0
                                                    : (size_t)got;
    if (!v->follow && s->at + got == s->end)
        n = (size_t)got;
    bytes = block;
    while (is_hungry(connection) && lines_next(&bytes, &n, &line, &length)) {
        s->at = begin + (bytes - block);
        send_line(v, s, line, length);
    }
    return bytes != block;
}

static bool has_more(const struct source *s)
{
    return s->at < s->end;
}

static void finish(struct view *v)
{
    struct connection *connection = v->connection;
    cJSON *result = cJSON_CreateObject();

    (void)json_put_int(result, "lines", v->sent);
    connection_result(connection, v->attachment.id, result);
    connection_detach(connection, &v->attachment);
}

/* Sends until the client has enough to read. */
static void pump_view(struct view *v)
{
    struct connection *connection = v->connection;

    if (v->searching)
        return;
    for (size_t i = 0; i < v->count; i++) {
        struct source *s = &v->sources[i];

        if (v->follow && s->end - s->at > BEHIND_MAX) {
            s->search = SEARCH_NEXT_LINE;
            s->from = s->at;
            s->until = s->end;
        }
    }
    if (search_places(v))
        return;
    /* All of them before the first line, so that none is unknown to a client that was cut off. */
    for (size_t i = 0; !connection->closing && i < v->count; i++)
        if (v->places && !v->sources[i].told)
            send_source(v, &v->sources[i]);
    if (connection->closing)
        return;
    for (size_t i = 0; i < v->count; i++) {
        while (is_hungry(connection) && has_more(&v->sources[i]) && send_block(v, &v->sources[i]))
            ;
        if (!is_hungry(connection))
            return;
    }
    if (!v->follow)
        finish(v);
}

static void resume(struct attachment *attachment)
{
    pump_view((struct view *)attachment);
}

void methods_logged(struct fleet *fleet, struct stream *stream)
{
    struct connection *c, *next_c;
    struct attachment *a, *next_a;

    for (c = fleet->control ? fleet->control->connections : NULL; c; c = next_c) {
        next_c = c->next;
        for (a = c->attachments; a && !c->closing; a = next_a) {
            struct view *v = (struct view *)a;
            bool touched = false;

            next_a = a->next;
            if (a->drop != drop || !v->follow)
                continue;
            for (size_t i = 0; i < v->count; i++) {
                if (!stream_logs_to(stream, &v->sources[i].file))
                    continue;
                v->sources[i].end = stream_log_offset(stream);
                touched = true;
            }
            if (touched)
                pump_view(v);
        }
    }
}

/* --- the request */

static bool has_source(const struct view *v, const struct stat *file)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->sources[i].file.st_ino == file->st_ino && v->sources[i].file.st_dev == file->st_dev)
            return true;
    return false;
}

/* Where a client that comes back goes on, by its "from". The order of files seldom changes, so it
 * is looked for behind the one before. */
struct places {
    const cJSON *from, *next;
};

/* Returns NULL when this source is none of them. */
static const cJSON *find_place(struct places *places, const struct source *s)
{
    int64_t number;

    for (int left = cJSON_GetArraySize(places->from); left > 0; left--) {
        const cJSON *place = places->next ? places->next : places->from->child;
        const char *name = json_get_text(place, "name");
        const char *stream = json_get_text(place, "stream");

        places->next = place->next;
        if (name && stream && strcmp(name, s->name) == 0 && strcmp(stream, stream_name(s)) == 0 &&
            json_get_id(place, "instance", &number) == 0 && number == s->number)
            return place;
    }
    return NULL;
}

/* Another file than the one that the client was reading is new to it from its beginning. */
static void go_on(struct source *s, const cJSON *place)
{
    const char *file = json_get_text(place, "file");
    char id[FILE_ID_MAX];
    int64_t at;

    file_id(&s->file, id);
    s->search = SEARCH_NONE;
    s->at = 0;
    if (file && strcmp(file, id) == 0 && json_get_id(place, "at", &at) == 0 && at >= 0 &&
        at <= s->end)
        s->at = at;
}

static void add_source(struct view *v, const struct instance *i, bool err, struct places *places)
{
    OWN(free) char *path = instance_log_path(i, err);
    struct source *s = &v->sources[v->count];
    OWN(close) int fd = -1;
    const cJSON *place;
    struct stat st;

    if (!path || (v->follow && stream_make_folders(path) < 0))
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (v->follow ? O_CREAT : 0), 0640);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || has_source(v, &st))
        return;
    *s = (struct source){ .file = st,
                          .end = st.st_size,
                          .search = SEARCH_LAST_LINES,
                          .until = st.st_size,
                          .lines = v->lines,
                          .err = err,
                          .number = i->number };
    s->name = strdup(i->app->name);
    if (!s->name)
        return;
    place = find_place(places, s);
    if (place)
        go_on(s, place);
    s->fd = take_fd(&fd);
    v->count++;
    files_open++;
}

static bool wants(const cJSON *params, const char *stream)
{
    bool out = json_get_bool(params, "out"), err = json_get_bool(params, "err");

    return (!out && !err) || (strcmp(stream, "out") == 0 ? out : err);
}

void method_logs(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    const cJSON *params = request->params;
    bool all = !cJSON_GetArraySize(json_get(params, "names"));
    struct places places = { .from = json_get(params, "from") };
    int64_t lines = LINES_DEFAULT;
    struct view *v;

    if (!all && !params_check_names(connection, request))
        return;
    if (json_get_id(params, "lines", &lines) == -EINVAL || lines < 0) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "lines: want a number from 0",
                        NULL);
        return;
    }
    if (!may_open(2 * fleet->count)) {
        connection_fail(connection, request->id, WIRE_FAILED,
                        "too many log files are being read; end another `opsctl logs` first", NULL);
        return;
    }
    v = calloc(1, sizeof *v + 2 * fleet->count * sizeof *v->sources);
    if (!v) {
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    v->connection = connection;
    v->follow = json_get_bool(params, "follow");
    v->places = json_get_bool(params, "places");
    v->lines = lines;
    v->attachment.drop = drop;
    v->attachment.resume = resume;
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->instances[i]->run || (!all && !params_select(params, fleet->instances[i])))
            continue;
        if (wants(params, "out"))
            add_source(v, fleet->instances[i], false, &places);
        if (wants(params, "err"))
            add_source(v, fleet->instances[i], true, &places);
    }
    connection_attach(connection, &v->attachment, request->id);
    pump_view(v);
}
