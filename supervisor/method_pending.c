/*
 * Requests that are answered when what they asked for has come about, or cannot any more.
 */
#include <stdlib.h>
#include <string.h>

#include "instance_lines.h"
#include "instant.h"
#include "json.h"
#include "methods.h"
#include "own.h"

enum { AWAIT_MOST_MS = 24 * 60 * 60 * 1000, LAST_LINES = 20 };

struct pending {
    struct attachment attachment;
    struct connection *connection;
    const struct await_kind *kind;
    int64_t deadline_ms; /* 0: it waits for as long as it takes */
    cJSON *result;
    bool tells; /* how far it is */
    size_t told;
    size_t count;
    struct awaited awaited[];
};

/* The k-th of those that are awaited. They were noted in the order of the fleet, and so they are
 * found near each other. */
static struct instance *awaited(const struct pending *p, size_t k, size_t *near)
{
    const struct fleet *fleet = p->connection->control->fleet;

    for (size_t n = 0; n < fleet->count; n++) {
        struct instance *i = fleet->instances[(*near + n) % fleet->count];

        if (i->id == p->awaited[k].id) {
            *near += n + 1;
            return i;
        }
    }
    return NULL;
}

/* --- the answer */

static cJSON *failed_row(const struct instance *i, const struct await_kind *kind)
{
    cJSON *row = cJSON_CreateObject(), *lines = cJSON_CreateArray();

    if (kind->with_lines)
        instance_add_lines(i, LAST_LINES, lines);
    (void)json_put_text(row, "name", i->app->name);
    (void)json_put_int(row, "instance", i->number);
    (void)json_put_text(row, "state", state_name(i->machine.state));
    (void)json_put_text(row, "reason", kind->why ? kind->why(i) : i->machine.reason.text);
    (void)json_put(row, "lines", lines);
    return row;
}

static enum settled settled(struct pending *p, const struct instance *i, size_t k, int64_t now_ms,
                            int64_t *due_ms)
{
    struct awaited *awaited = &p->awaited[k];
    enum settled how = SETTLED_WELL;

    if (i && !awaited->well)
        how = p->kind->test(i, awaited, now_ms, due_ms);
    awaited->well = p->kind->once && how == SETTLED_WELL;
    return how;
}

static void answer_failure(struct pending *p, int64_t now_ms)
{
    struct connection *connection = p->connection;
    cJSON *data = cJSON_CreateObject(), *workers = cJSON_CreateArray();
    bool too_late = p->deadline_ms && now_ms >= p->deadline_ms;
    char message[160];
    size_t near = 0;
    int64_t due;
    int failed = 0;

    for (size_t k = 0; k < p->count; k++) {
        const struct instance *i = awaited(p, k, &near);
        enum settled how = settled(p, i, k, now_ms, &due);

        /* Those that still are on their way are not to blame, unless the time is up. */
        if (how == SETTLED_WELL || (how == NOT_YET && !too_late))
            continue;
        failed++;
        (void)cJSON_AddItemToArray(workers, failed_row(i, p->kind));
    }
    (void)json_put(data, "workers", workers);
    (void)snprintf(message, sizeof message, "%d of %zu %s", failed, p->count,
                   too_late ? p->kind->late : p->kind->failed);
    connection_fail(connection, p->attachment.id, WIRE_FAILED, message, data);
    connection_detach(connection, &p->attachment);
}

static void answer_success(struct pending *p)
{
    struct connection *connection = p->connection;
    cJSON *workers = cJSON_CreateArray();

    for (size_t k = 0, near = 0; k < p->count; k++) {
        struct instance *i = awaited(p, k, &near);

        if (i)
            (void)cJSON_AddItemToArray(workers, p->kind->row ? p->kind->row(i, &p->awaited[k])
                                                             : report_row(i));
    }
    (void)json_put(p->result, "workers", workers);
    connection_result(connection, p->attachment.id, TAKE(p->result));
    connection_detach(connection, &p->attachment);
}

static void drop(struct attachment *attachment)
{
    cJSON_Delete(((struct pending *)attachment)->result);
    free(attachment);
}

/* --- looking */

/* To whoever reads what is sent: it is worth less than the answer. When that closes the connection,
 * p is gone. */
static void tell(struct pending *p, size_t done)
{
    cJSON *params;

    if (!p->tells || done == p->told || connection_backlog(p->connection))
        return;
    p->told = done;
    params = cJSON_CreateObject();
    (void)json_put_int(params, "done", (int64_t)done);
    (void)json_put_int(params, "of", (int64_t)p->count);
    connection_notify(p->connection, "progress", params);
}

/* Returns the next moment to look at it, or 0. */
static int64_t look(struct pending *p)
{
    const struct connection *connection = p->connection;
    int64_t now = (int64_t)monotonic_now_ms(), next = p->deadline_ms, due;
    bool failed = false, untried = false;
    size_t waits = 0;

    for (size_t k = 0, near = 0; k < p->count; k++) {
        const struct instance *i = awaited(p, k, &near);
        enum settled how;

        due = 0;
        how = settled(p, i, k, now, &due);
        waits += how == NOT_YET;
        p->awaited[k].tried |= how != NOT_YET || await_tried(i, NULL, now, NULL) != NOT_YET;
        untried |= !p->awaited[k].tried;
        failed |= how == SETTLED_BADLY;
        if (due && (!next || due < next))
            next = due;
    }
    tell(p, p->count - waits);
    if (connection->closing)
        return 0;
    if (waits && (!p->deadline_ms || now < p->deadline_ms) &&
        !(failed && p->kind->fails_early && !untried))
        return next;
    if (waits || failed)
        answer_failure(p, now);
    else
        answer_success(p);
    return 0;
}

void methods_fleet_changed(struct fleet *fleet)
{
    struct connection *c, *next_c;
    struct attachment *a, *next_a;
    int64_t next;

    methods_happened(fleet);
    for (c = fleet->control->connections; c; c = next_c) {
        next_c = c->next;
        for (a = c->attachments; a && !c->closing; a = next_a) {
            next_a = a->next;
            if (a->drop != drop)
                continue;
            next = look((struct pending *)a);
            if (next && (!fleet->look_again_ms || next < fleet->look_again_ms))
                fleet->look_again_ms = next;
        }
    }
}

static int64_t deadline_of(const struct await_kind *kind, const cJSON *params)
{
    int64_t timeout = kind->patience_ms;

    if (!kind->own_pace)
        (void)json_get_id(params, "timeout_ms", &timeout);
    if (timeout > AWAIT_MOST_MS)
        timeout = AWAIT_MOST_MS;
    return timeout > 0 ? (int64_t)monotonic_now_ms() + timeout : 0;
}

void await(struct connection *connection, const struct wire_request *request,
           const struct await_kind *kind, cJSON *result)
{
    struct fleet *fleet = connection->control->fleet;
    struct pending *p = calloc(1, sizeof *p + fleet->count * sizeof *p->awaited);

    if (!p) {
        cJSON_Delete(result);
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    p->result = result ? result : cJSON_CreateObject();
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (kind->selects(request->params, i))
            p->awaited[p->count++] = (struct awaited){
                .id = i->id, .exits = kind->mark ? kind->mark(request->params, i) : i->exit_count
            };
    }
    p->connection = connection;
    p->kind = kind;
    p->tells = json_get_bool(request->params, "progress");
    p->told = SIZE_MAX; /* nothing yet, not even that none has */
    p->deadline_ms = deadline_of(kind, request->params);
    p->attachment.drop = drop;
    connection_attach(connection, &p->attachment, request->id);
    fleet_touch(fleet);
}
