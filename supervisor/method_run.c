/*
 * run_worker: one run by hand, in the foreground of whoever asked.
 *
 * It is an instance like any other, outside the fleet's own; its lines go to the worker's log and,
 * as notifications, to the client. A client that does not read makes the run wait, one that goes
 * away stops it.
 */
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "lines.h"
#include "methods.h"
#include "own.h"

struct hand_run {
    struct attachment attachment;
    struct connection *connection; /* NULL: the client has gone */
    struct run run;
    struct instance *instance;
    char *arguments[];
};

static struct hand_run *of(struct run *run)
{
    return (struct hand_run *)((char *)run - offsetof(struct hand_run, run));
}

static void hand_run_free(struct hand_run *h)
{
    for (size_t i = 0; h->arguments[i]; i++)
        free(h->arguments[i]);
    free(h);
}

/* One that is to stop does so however slowly its client reads; the log has what that one misses. */
static bool is_late(const struct hand_run *h)
{
    return !h->instance->machine.wanted &&
           connection_backlog(h->connection) >= CONNECTION_STREAM_QUEUE;
}

static void send_gap(struct hand_run *h, const char *bytes, size_t n)
{
    cJSON *params = cJSON_CreateObject();
    const char *line;
    size_t length;
    int64_t lines = 0;

    while (lines_next(&bytes, &n, &line, &length))
        lines++;
    (void)json_put_int(params, "lines", lines);
    connection_notify(h->connection, "gap", params);
}

static void output(struct run *run, bool err, const char *bytes, size_t n)
{
    struct hand_run *h = of(run);
    const char *line;
    size_t length;

    while (h->connection && !is_late(h) && lines_next(&bytes, &n, &line, &length)) {
        cJSON *params = cJSON_CreateObject();

        (void)json_put_text(params, "stream", err ? "err" : "out");
        lines_put(params, line, length);
        connection_notify(h->connection, "output", params);
    }
    if (h->connection && n)
        send_gap(h, bytes, n);
    if (h->connection && h->instance->machine.wanted &&
        connection_backlog(h->connection) >= CONNECTION_STREAM_QUEUE)
        instance_pause(h->instance, true);
}

static void resume(struct attachment *attachment)
{
    struct hand_run *h = (struct hand_run *)attachment;

    instance_pause(h->instance, false);
}

static void ended(struct run *run, struct exit_status status, int64_t duration_ms,
                  const char *error)
{
    struct hand_run *h = of(run);
    struct connection *connection = h->connection;
    cJSON *result;

    h->instance = NULL;
    if (!connection) {
        hand_run_free(h);
        return;
    }
    if (error) {
        connection_fail(connection, h->attachment.id, WIRE_FAILED, error, NULL);
    } else {
        result = cJSON_CreateObject();
        report_status(result, true, status);
        (void)json_put_int(result, "duration_ms", duration_ms);
        connection_result(connection, h->attachment.id, result);
    }
    connection_detach(connection, &h->attachment);
}

/* The request is over. When the run is not, its client has gone: it is asked to leave, and goes on
 * without one until it has. */
static void drop(struct attachment *attachment)
{
    struct hand_run *h = (struct hand_run *)attachment;

    h->connection = NULL;
    if (!h->instance) {
        hand_run_free(h);
        return;
    }
    resume(attachment);
    h->instance->stop_asked = true;
    fleet_touch(h->instance->fleet);
}

static const struct app *find_app(const struct fleet *fleet, const char *space, const char *name)
{
    const struct app *app = fleet_app(fleet, name);

    return app && strcmp(app->space, space) == 0 ? app : NULL;
}

/* Says what would have been right: the worker's own app, or the name meant. */
static void fail_no_app(struct connection *connection, const struct wire_request *request,
                        const char *space, const char *name)
{
    const struct app *app = fleet_app(connection->control->fleet, name);
    char message[400];

    if (!app) {
        fail_no_worker(connection, request, name);
        return;
    }
    (void)snprintf(message, sizeof message,
                   "%.64s belongs to %.64s, not to %.64s: "
                   "opsctl run_worker %.64s %.64s",
                   name, app->space, space, app->space, name);
    connection_fail(connection, request->id, WIRE_NO_WORKER, message, NULL);
}

static bool are_texts(const cJSON *arguments)
{
    const cJSON *argument;

    cJSON_ArrayForEach(argument, arguments)
    {
        if (!cJSON_IsString(argument))
            return false;
    }
    return true;
}

static struct hand_run *hand_run_new(struct connection *connection, const cJSON *arguments)
{
    size_t n = (size_t)cJSON_GetArraySize(arguments), k = 0;
    struct hand_run *h = calloc(1, sizeof *h + (n + 1) * sizeof(char *));
    const cJSON *argument;

    if (!h)
        return NULL;
    cJSON_ArrayForEach(argument, arguments)
    {
        h->arguments[k] = strdup(argument->valuestring);
        if (!h->arguments[k++]) {
            hand_run_free(h);
            return NULL;
        }
    }
    h->connection = connection;
    h->run = (struct run){ .args = (texts)h->arguments, .output = output, .ended = ended };
    h->attachment.drop = drop;
    h->attachment.resume = resume;
    return h;
}

/* At once: a person waits for it, and it does not wait for dependencies or ticks. */
static void start(struct instance *instance)
{
    struct machine *m = &instance->machine;

    m->tick_pending = true;
    (void)machine_start(m);
    instance_act(instance, machine_unblock(m, instance->app, (int64_t)monotonic_now_ms()));
}

void method_run_worker(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    const char *space = json_get_text(request->params, "app");
    const char *name = json_get_text(request->params, "worker");
    OWN(json) cJSON *notes = NULL;
    const struct app *app;
    struct hand_run *h;

    if (!space || !name || !are_texts(json_get(request->params, "args"))) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "app and worker: want texts; args: want a list of texts", NULL);
        return;
    }
    if (!methods_load_files(connection, request, &notes))
        return;
    app = find_app(fleet, space, name);
    if (!app) {
        fail_no_app(connection, request, space, name);
        return;
    }
    h = hand_run_new(connection, json_get(request->params, "args"));
    if (h)
        h->instance = fleet_run(fleet, app->name, &h->run);
    if (!h || !h->instance) {
        if (h)
            hand_run_free(h);
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    connection_attach(connection, &h->attachment, request->id);
    start(h->instance);
}

void method_cancel(struct connection *connection, const struct wire_request *request)
{
    const cJSON *id = json_get(request->params, "id");
    struct hand_run *h;

    for (struct attachment *a = connection->attachments; a; a = a->next) {
        if (a->drop != drop || !cJSON_Compare(a->id, id, 1))
            continue;
        h = (struct hand_run *)a;
        h->instance->stop_asked = true;
        fleet_touch(connection->control->fleet);
        connection_result(connection, request->id, cJSON_CreateTrue());
        return;
    }
    connection_fail(connection, request->id, WIRE_BAD_PARAMS, "no run under that id", NULL);
}
