/*
 * start, stop, restart, kill: write down what is wanted, and answer when it has come about.
 */
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "methods.h"
#include "own.h"

enum {
    WAIT_DEFAULT_MS = 60000,
    WAIT_MOST_MS = 24 * 60 * 60 * 1000,
    LAST_LINES = 20,
};

enum settled { NOT_YET, SETTLED_WELL, SETTLED_BADLY };

/* Looks at one instance: has what was asked for come about? due_ms is set to a moment at which to
 * look again though nothing happens. */
typedef enum settled settle_test(const struct instance *instance, int64_t now_ms, int64_t *due_ms);

/* A request that waits. Instances are held by id: they may go away meanwhile. */
struct pending {
    struct attachment attachment;
    struct connection *connection;
    settle_test *test;
    int64_t deadline_ms; /* 0: it waits for as long as it takes */
    cJSON *notes;        /* about the manifest, for the answer; NULL: it was not read */
    int stopped;         /* by kill: how many ran; -1: it is another request */
    size_t count;
    int ids[];
};

static struct instance *by_id(const struct fleet *fleet, int id)
{
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->instances[i]->id == id)
            return fleet->instances[i];
    return NULL;
}

/* --- the tests */

static enum settled is_stopped(const struct instance *i, int64_t now_ms, int64_t *due_ms)
{
    (void)now_ms;
    (void)due_ms;
    /* Somebody else wanted it up again meanwhile. */
    if (i->machine.wanted && !i->stop_asked)
        return SETTLED_BADLY;
    return machine_runs(&i->machine) || i->stop_asked ? NOT_YET : SETTLED_WELL;
}

/* A start was tried; what comes of it is not waited for. */
static enum settled is_tried(const struct instance *i, int64_t now_ms, int64_t *due_ms)
{
    const struct machine *m = &i->machine;

    (void)now_ms;
    (void)due_ms;
    if (m->state == STATE_ERRORED)
        return SETTLED_BADLY;
    if (m->state == STATE_STOPPING || (m->state == STATE_WAITING && !i->blocked) ||
        (m->state == STATE_STOPPED && m->wanted && !m->finished))
        return NOT_YET;
    return SETTLED_WELL;
}

/* It is up: ready and older than min_uptime, or waits for its tick, or has done its work. */
static enum settled is_up(const struct instance *i, int64_t now_ms, int64_t *due_ms)
{
    const struct machine *m = &i->machine;
    int64_t proven_ms = m->started_ms + i->app->restart.min_uptime_ms;

    switch (m->state) {
    case STATE_ERRORED:
        return SETTLED_BADLY;
    case STATE_BACKOFF:
        return m->last_exit.signal || m->last_exit.code != EXIT_TRY_LATER ? SETTLED_BADLY : NOT_YET;
    case STATE_SCHEDULED:
        return SETTLED_WELL;
    case STATE_STOPPED:
        if (m->completed)
            return SETTLED_WELL;
        return m->finished || !m->wanted ? SETTLED_BADLY : NOT_YET;
    case STATE_ONLINE:
        if (i->app->scheduled || proven_ms <= now_ms)
            return SETTLED_WELL;
        *due_ms = proven_ms;
        return NOT_YET;
    default:
        return NOT_YET;
    }
}

/* --- the answer */

static cJSON *failed_row(const struct instance *i, bool with_lines)
{
    struct log_span span = instance_span(i);
    cJSON *row = cJSON_CreateObject(), *lines = cJSON_CreateArray();

    if (with_lines)
        instance_add_lines(i, &span, LAST_LINES, lines);
    (void)json_put_text(row, "name", i->app->name);
    (void)json_put_int(row, "instance", i->number);
    (void)json_put_text(row, "state", state_name(i->machine.state));
    (void)json_put_text(row, "reason", i->machine.reason.text);
    (void)json_put(row, "lines", lines);
    return row;
}

/* Those that still are on their way are not to blame, unless the time is up. */
static bool is_to_blame(const struct pending *p, const struct instance *i, int64_t now_ms,
                        bool too_late)
{
    int64_t due;
    enum settled settled = i ? p->test(i, now_ms, &due) : SETTLED_WELL;

    return settled == SETTLED_BADLY || (too_late && settled == NOT_YET);
}

static void answer_failure(struct pending *p, int64_t now_ms)
{
    struct connection *connection = p->connection;
    const struct fleet *fleet = connection->control->fleet;
    cJSON *data = cJSON_CreateObject(), *workers = cJSON_CreateArray();
    bool too_late = p->deadline_ms && now_ms >= p->deadline_ms;
    const struct instance *i;
    char message[160];
    int failed = 0;

    for (size_t k = 0; k < p->count; k++) {
        i = by_id(fleet, p->ids[k]);
        if (!is_to_blame(p, i, now_ms, too_late))
            continue;
        failed++;
        (void)cJSON_AddItemToArray(workers, failed_row(i, p->test != is_stopped));
    }
    (void)json_put(data, "workers", workers);
    (void)snprintf(message, sizeof message,
                   p->test == is_stopped ? "%d of %zu were started again meanwhile"
                   : too_late            ? "%d of %zu did not come up in time"
                                         : "%d of %zu did not come up",
                   failed, p->count);
    connection_fail(connection, p->attachment.id, WIRE_FAILED, message, data);
    connection_detach(connection, &p->attachment);
}

static void answer_success(struct pending *p)
{
    struct connection *connection = p->connection;
    const struct fleet *fleet = connection->control->fleet;
    cJSON *result = cJSON_CreateObject(), *workers = cJSON_CreateArray();
    struct instance *i;

    for (size_t k = 0; k < p->count; k++)
        if ((i = by_id(fleet, p->ids[k])))
            (void)cJSON_AddItemToArray(workers, report_row(i));
    (void)json_put(result, "workers", workers);
    if (p->notes)
        (void)json_put(result, "notes", cJSON_Duplicate(p->notes, 1));
    if (p->stopped >= 0)
        (void)json_put_int(result, "stopped", p->stopped);
    connection_result(connection, p->attachment.id, result);
    connection_detach(connection, &p->attachment);
}

static void drop(struct attachment *attachment)
{
    cJSON_Delete(((struct pending *)attachment)->notes);
    free(attachment);
}

/* Returns the next moment to look at it, or 0. */
static int64_t look(struct pending *p)
{
    const struct fleet *fleet = p->connection->control->fleet;
    int64_t now = (int64_t)monotonic_now_ms(), next = p->deadline_ms, due;
    bool waits = false, failed = false;
    const struct instance *i;

    for (size_t k = 0; k < p->count; k++) {
        enum settled settled;

        i = by_id(fleet, p->ids[k]);
        due = 0;
        settled = i ? p->test(i, now, &due) : SETTLED_WELL;
        waits |= settled == NOT_YET;
        failed |= settled == SETTLED_BADLY;
        if (due && (!next || due < next))
            next = due;
    }
    if (waits && (!p->deadline_ms || now < p->deadline_ms) && !(failed && p->test == is_up))
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

/* --- the requests */

static int count_running(const struct fleet *fleet)
{
    int n = 0;

    for (size_t i = 0; i < fleet->count; i++)
        n += machine_runs(&fleet->instances[i]->machine);
    return n;
}

typedef bool select_test(const cJSON *params, const struct instance *instance);

static bool select_everything(const cJSON *params, const struct instance *instance)
{
    (void)params;
    (void)instance;
    return true;
}

/* For starts "all" leaves out what is not to be started with the others. */
static bool select_to_start(const cJSON *params, const struct instance *i)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        if (strcmp(name->valuestring, "all") == 0
                ? !i->run && (i->app->autostart || i->machine.wanted)
                : fleet_selects(name->valuestring, i))
            return true;
    }
    return false;
}

/* Takes notes. */
static void wait_for(struct connection *connection, const struct wire_request *request,
                     settle_test *test, select_test *selects, cJSON *notes)
{
    struct fleet *fleet = connection->control->fleet;
    int64_t timeout = WAIT_DEFAULT_MS;
    struct pending *p = calloc(1, sizeof *p + fleet->count * sizeof *p->ids);

    if (!p) {
        cJSON_Delete(notes);
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    p->notes = notes;
    (void)json_get_id(request->params, "timeout_ms", &timeout);
    if (timeout > WAIT_MOST_MS)
        timeout = WAIT_MOST_MS;
    for (size_t i = 0; i < fleet->count; i++)
        if (selects(request->params, fleet->instances[i]))
            p->ids[p->count++] = fleet->instances[i]->id;
    p->connection = connection;
    p->test = test;
    p->stopped = selects == select_everything ? count_running(fleet) : -1;
    /* A stop ends by itself: kill_timeout, then SIGKILL. */
    p->deadline_ms = test == is_stopped ? 0 : (int64_t)monotonic_now_ms() + timeout;
    p->attachment.drop = drop;
    connection_attach(connection, &p->attachment, request->id);
    fleet_touch(fleet);
}

/* Marks an instance and all that it depends on, once each. */
static void ask_start(struct instance *i)
{
    size_t n = 0;

    if (i->start_asked)
        return;
    i->start_asked = true;
    for (size_t d = 0; i->needs && d < i->app->depends_count; d++, n++)
        for (; i->needs[n]; n++)
            if (!i->needs[n]->machine.completed)
                ask_start(i->needs[n]);
}

void method_start(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *notes = NULL;

    if (!methods_reload(connection, request, &notes) || !params_check_names(connection, request))
        return;
    for (size_t i = 0; i < fleet->count; i++)
        if (select_to_start(request->params, fleet->instances[i]))
            ask_start(fleet->instances[i]);
    for (size_t i = 0; i < fleet->count; i++) {
        struct instance *instance = fleet->instances[i];

        if (!instance->start_asked)
            continue;
        instance->start_asked = instance->stop_asked = false;
        instance_act(instance, machine_start(&instance->machine));
    }
    wait_for(connection, request, json_get_bool(request->params, "wait") ? is_up : is_tried,
             select_to_start, TAKE(notes));
}

void method_stop(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;

    if (!params_check_names(connection, request))
        return;
    for (size_t i = 0; i < fleet->count; i++)
        if (params_select(request->params, fleet->instances[i]))
            fleet->instances[i]->stop_asked = true;
    wait_for(connection, request, is_stopped, params_select, NULL);
}

void method_restart(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    int64_t now = (int64_t)monotonic_now_ms();
    OWN(json) cJSON *notes = NULL;

    if (!methods_reload(connection, request, &notes) || !params_check_names(connection, request))
        return;
    for (size_t i = 0; i < fleet->count; i++) {
        struct instance *instance = fleet->instances[i];

        if (!select_to_start(request->params, instance))
            continue;
        instance->stop_asked = false;
        instance_act(instance, machine_restart(&instance->machine, instance->app, now));
    }
    wait_for(connection, request, json_get_bool(request->params, "wait") ? is_up : is_tried,
             select_to_start, TAKE(notes));
}

void method_kill(struct connection *connection, const struct wire_request *request)
{
    wait_for(connection, request, is_stopped, select_everything, NULL);
    fleet_leave(connection->control->fleet);
}
