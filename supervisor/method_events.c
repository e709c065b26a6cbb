/*
 * events: what happened to the fleet, and what happens from now on. A client that reads slowly is
 * sent no more than it takes; what the ring loses meanwhile it is told as a gap.
 */
#include <errno.h>
#include <stdlib.h>

#include "json.h"
#include "methods.h"

enum { EVENTS_DEFAULT = EVENTS_KEPT };

struct event_view {
    struct attachment attachment;
    struct connection *connection;
    uint64_t next; /* number of the next to be sent */
    int64_t sent;
    bool follow;
};

static void drop(struct attachment *attachment)
{
    free(attachment);
}

static void send_gap(struct event_view *v, uint64_t missed)
{
    cJSON *params = cJSON_CreateObject();

    (void)json_put_int(params, "events", (int64_t)missed);
    connection_notify(v->connection, "gap", params);
}

/* Returns false when the client has enough to read, or is gone, and the view with it. */
static bool send_next(struct event_view *v, const struct events *events)
{
    const struct connection *connection = v->connection;
    uint64_t first = events_first(events, v->next);
    const char *text;

    if (connection->closing || connection_backlog(connection) >= CONNECTION_STREAM_QUEUE)
        return false;
    if (first > v->next)
        send_gap(v, first - v->next);
    if (connection->closing)
        return false;
    v->next = first;
    text = events_text(events, v->next++);
    if (!text)
        return true;
    v->sent++;
    connection_notify(v->connection, "event", cJSON_CreateRaw(text));
    return !connection->closing;
}

/* The view may be gone afterwards. */
static void pump(struct event_view *v)
{
    struct connection *connection = v->connection;
    const struct events *events = &connection->control->fleet->events;
    cJSON *result;

    while (v->next <= events->last)
        if (!send_next(v, events))
            return;
    if (v->follow)
        return;
    result = cJSON_CreateObject();
    (void)json_put_int(result, "events", v->sent);
    connection_result(connection, v->attachment.id, result);
    connection_detach(connection, &v->attachment);
}

static void resume(struct attachment *attachment)
{
    pump((struct event_view *)attachment);
}

void methods_happened(struct fleet *fleet)
{
    struct connection *c, *next_c;
    struct attachment *a, *next_a;

    for (c = fleet->control->connections; c; c = next_c) {
        next_c = c->next;
        for (a = c->attachments; a && !c->closing; a = next_a) {
            next_a = a->next;
            if (a->drop == drop)
                pump((struct event_view *)a);
        }
    }
}

void method_events(struct connection *connection, const struct wire_request *request)
{
    const struct events *events = &connection->control->fleet->events;
    int64_t lines = EVENTS_DEFAULT;
    struct event_view *v;

    if (json_get_id(request->params, "lines", &lines) == -EINVAL || lines < 0) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "lines: want a number from 0",
                        NULL);
        return;
    }
    v = calloc(1, sizeof *v);
    if (!v) {
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    v->attachment.drop = drop;
    v->attachment.resume = resume;
    v->connection = connection;
    v->follow = json_get_bool(request->params, "follow");
    v->next = events->last < (uint64_t)lines ? 1 : events->last - (uint64_t)lines + 1;
    v->next = events_first(events, v->next);
    connection_attach(connection, &v->attachment, request->id);
    pump(v);
}
