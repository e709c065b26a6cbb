/* logs: which logs are to be seen, and from where on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instance_logs.h"
#include "json.h"
#include "log_view.h"
#include "methods.h"
#include "own.h"

enum {
    LINES_DEFAULT = 20,
    ROTATED_MAX = 1000, /* files of one log that are looked at */
};

/* --- from where on */

static bool has_source(const struct log_view *v, const struct log_source *log)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct log_source *other = &v->sources[i].log;

        if (strcmp(other->path, log->path) == 0 ||
            (other->last && log->last && other->last->file.st_ino == log->last->file.st_ino &&
             other->last->file.st_dev == log->last->file.st_dev))
            return true;
    }
    return false;
}

/* Where a client that comes back goes on, by its "from". The order of files seldom changes, so it
 * is looked for behind the one before. */
struct places {
    const cJSON *from, *next;
};

/* Returns NULL when this source is none of them. */
static const cJSON *find_place(struct places *places, const struct log_view_source *s)
{
    int64_t number;

    for (int left = cJSON_GetArraySize(places->from); left > 0; left--) {
        const cJSON *place = places->next ? places->next : places->from->child;
        const char *name = json_get_text(place, "name");
        const char *stream = json_get_text(place, "stream");

        places->next = place->next;
        if (name && stream && strcmp(name, s->name) == 0 &&
            strcmp(stream, log_view_stream(s)) == 0 &&
            json_get_id(place, "instance", &number) == 0 && number == s->number)
            return place;
    }
    return NULL;
}

/* Goes on where the client was. When that file is not there any more, all that is there now is new
 * to it. */
static void go_on(struct log_view_source *s, const cJSON *place)
{
    const char *file = json_get_text(place, "file");
    struct log_part *part;
    char id[FILE_ID_MAX];
    int64_t at;

    s->search = SEARCH_NONE;
    for (part = s->log.first; part; part = part->next) {
        log_view_file_id(part, id);
        if (!part->compressed && file && strcmp(file, id) == 0)
            break;
    }
    if (part && json_get_id(place, "at", &at) == 0 && at >= 0 && at <= part->end)
        part->at = at;
    for (part = part          ? part->before
                : s->log.last ? s->log.last->before
                              : NULL;
         part; part = part->before)
        part->at = part->end;
    log_view_trim(s);
}

/* Adds one of an instance's logs, unless it is there by another name already. One that cannot be
 * opened is like one that is not there yet, but for want of memory or descriptors: that says
 * nothing of the log. Returns 0 or a negative errno. */
static int add_source(struct log_view *v, const struct instance *i, bool err, struct places *places)
{
    OWN(free) char *path = instance_log_path(i, err ? INSTANCE_LOG_ERR : INSTANCE_LOG_OUT);
    struct log_view_source source = { .err = err, .number = i->number, .search = SEARCH_BEGINNING };
    struct log_view_source *s;
    const cJSON *place;
    int r;

    if (!path)
        return 0;
    log_path_tidy(path);
    r = log_source_open(&source.log, path);
    if (r < 0 || has_source(v, &source.log)) {
        log_source_close(&source.log);
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
    }
    source.name = strdup(i->app->name);
    if (!source.name) {
        log_source_close(&source.log);
        return -ENOMEM;
    }
    if ((v->wanted.lines || places->from) && log_view_may_open(ROTATED_MAX))
        log_source_open_rotated(&source.log, ROTATED_MAX);
    s = log_view_add(v, &source);
    place = find_place(places, s);
    if (place)
        go_on(s, place);
    return 0;
}

static bool wants(const cJSON *params, const char *stream)
{
    bool out = json_get_bool(params, "out"), err = json_get_bool(params, "err");

    return (!out && !err) || (strcmp(stream, "out") == 0 ? out : err);
}

static int add_sources(struct log_view *v, const struct fleet *fleet, const cJSON *params)
{
    bool all = !cJSON_GetArraySize(json_get(params, "names"));
    struct places places = { .from = json_get(params, "from") };
    int r = 0;

    for (size_t i = 0; r == 0 && i < fleet->count; i++) {
        const struct instance *instance = fleet->instances[i];

        if (instance->run || (!all && !params_select(params, instance)))
            continue;
        if (wants(params, "out"))
            r = add_source(v, instance, false, &places);
        if (r == 0 && wants(params, "err"))
            r = add_source(v, instance, true, &places);
    }
    return r;
}

/* What is asked for; on failure the request is answered. */
static bool take_wanted(struct connection *connection, const struct wire_request *request,
                        struct log_search *ret)
{
    const cJSON *params = request->params;
    const char *text = json_get_text(params, "grep");

    *ret = (struct log_search){ .lines = LINES_DEFAULT,
                                .text = text ? text : "",
                                .home_fd = connection->control->fleet->home->fd };
    if (json_get_id(params, "since", &ret->since) == -EINVAL || ret->since < 0) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "since: want an instant in milliseconds since 1970", NULL);
        return false;
    }
    if (ret->since)
        ret->lines = INT64_MAX;
    if (json_get_id(params, "lines", &ret->lines) == -EINVAL || ret->lines < 0) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "lines: want a number from 0",
                        NULL);
        return false;
    }
    return true;
}

/* NULL when the request is answered. */
static struct log_view *view_new(struct connection *connection, const struct wire_request *request)
{
    size_t most = 2 * connection->control->fleet->count;
    struct log_search wanted;
    struct log_view *v;

    if (!take_wanted(connection, request, &wanted))
        return NULL;
    if (!log_view_may_open(most)) {
        connection_fail(connection, request->id, WIRE_FAILED,
                        "too many log files are being read; end another `opsctl logs` first", NULL);
        return NULL;
    }
    v = log_view_new(connection, &wanted, most);
    if (!v) {
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return NULL;
    }
    v->follow = json_get_bool(request->params, "follow");
    v->places = json_get_bool(request->params, "places");
    return v;
}

void method_logs(struct connection *connection, const struct wire_request *request)
{
    const cJSON *params = request->params;
    struct log_view *v;
    struct err why;
    int r;

    if (cJSON_GetArraySize(json_get(params, "names")) && !params_check_names(connection, request))
        return;
    v = view_new(connection, request);
    if (!v)
        return;
    r = add_sources(v, connection->control->fleet, params);
    if (r < 0) {
        (void)err_set(&why, r, "cannot read the logs: %s", strerror(-r));
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        log_view_free(v);
        return;
    }
    log_view_begin(v, request->id);
}
