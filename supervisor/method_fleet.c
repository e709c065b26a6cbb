/*
 * start, stop, restart, kill: write down what is wanted, and answer when it has come about.
 */
#include <string.h>

#include "fleet_change.h"
#include "fleet_depends.h"
#include "instant.h"
#include "json.h"
#include "methods.h"
#include "own.h"

/* --- what is waited for */

static enum settled is_stopped(const struct instance *i, const struct awaited *awaited,
                               int64_t now_ms, int64_t *due_ms)
{
    (void)awaited;
    (void)now_ms;
    (void)due_ms;
    /* Somebody else wanted it up again meanwhile. */
    if (i->machine.wanted && !i->stop_asked)
        return SETTLED_BADLY;
    return machine_runs(&i->machine) || i->stop_asked ? NOT_YET : SETTLED_WELL;
}

/* A start was tried; what comes of it is not waited for. */
enum settled await_tried(const struct instance *i, const struct awaited *awaited, int64_t now_ms,
                         int64_t *due_ms)
{
    const struct machine *m = &i->machine;

    (void)awaited;
    (void)now_ms;
    (void)due_ms;
    if (m->state == STATE_ERRORED || (m->state == STATE_BACKOFF && i->unstarted))
        return SETTLED_BADLY;
    if (m->state == STATE_STOPPING || (m->state == STATE_LAUNCHING && !i->pid) ||
        (m->state == STATE_WAITING && !i->blocked) ||
        (m->state == STATE_STOPPED && m->wanted && !m->finished))
        return NOT_YET;
    return SETTLED_WELL;
}

enum settled await_up(const struct instance *i, int64_t proven_ms, int64_t now_ms, int64_t *due_ms)
{
    const struct machine *m = &i->machine;

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

/* Ready is not enough: it is to live for min_uptime. */
static enum settled is_up(const struct instance *i, const struct awaited *awaited, int64_t now_ms,
                          int64_t *due_ms)
{
    (void)awaited;
    return await_up(i, i->machine.started_ms + i->app->restart.min_uptime_ms, now_ms, due_ms);
}

static bool select_everything(const cJSON *params, const struct instance *instance)
{
    (void)params;
    (void)instance;
    return true;
}

bool params_select_to_start(const cJSON *params, const struct instance *i)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        const char *word = name->valuestring;
        bool left_out = (strcmp(word, "all") == 0 || word[0] == '/') && !i->app->autostart &&
                        !i->machine.wanted;

        if (!left_out && fleet_selects(word, i))
            return true;
    }
    return false;
}

/* A stop ends by itself: kill_timeout, then SIGKILL. */
static const struct await_kind stopped = { .selects = params_select,
                                           .test = is_stopped,
                                           .own_pace = true,
                                           .failed = "were started again meanwhile" };
static const struct await_kind all_stopped = { .selects = select_everything,
                                               .test = is_stopped,
                                               .own_pace = true,
                                               .failed = "were started again meanwhile" };

static const struct await_kind tried = { .selects = params_select_to_start,
                                         .test = await_tried,
                                         .patience_ms = AWAIT_START_MS,
                                         .once = true,
                                         .with_lines = true,
                                         .failed = "did not come up",
                                         .late = "did not come up in time" };
static const struct await_kind up = { .selects = params_select_to_start,
                                      .test = is_up,
                                      .patience_ms = AWAIT_START_MS,
                                      .once = true,
                                      .fails_early = true,
                                      .with_lines = true,
                                      .failed = "did not come up",
                                      .late = "did not come up in time" };

/* Takes notes. */
static void await_start(struct connection *connection, const struct wire_request *request,
                        cJSON *notes)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_put(result, "notes", notes);
    await(connection, request, json_get_bool(request->params, "wait") ? &up : &tried, result);
}

/* --- the requests */

void mark_start(struct instance *i)
{
    if (i->start_asked)
        return;
    i->start_asked = true;
    for (size_t n = 0; n < i->needs_count; n++)
        if (!i->needs[n].instance->machine.completed)
            mark_start(i->needs[n].instance);
}

void start_marked(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        struct instance *instance = fleet->instances[i];

        if (!instance->start_asked)
            continue;
        instance->start_asked = instance->stop_asked = false;
        instance_act(instance, machine_start(&instance->machine));
    }
}

void start_named(struct connection *connection, const struct wire_request *request, cJSON *notes)
{
    struct fleet *fleet = connection->control->fleet;

    for (size_t i = 0; i < fleet->count; i++)
        if (params_select_to_start(request->params, fleet->instances[i]))
            mark_start(fleet->instances[i]);
    start_marked(fleet);
    await_start(connection, request, notes);
}

/* What was deleted is there again when it is asked for. */
static void undelete(struct fleet *fleet, const cJSON *params)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        if (cJSON_IsString(name))
            fleet_undelete(fleet, name->valuestring);
    }
}

void method_start(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *notes = NULL;

    if (json_get(request->params, "file") || json_get(request->params, "script")) {
        start_source(connection, request);
        return;
    }
    undelete(fleet, request->params);
    if (!methods_load_files(connection, request, &notes) ||
        !params_check_names(connection, request) || !update_environment(connection, request, notes))
        return;
    start_named(connection, request, TAKE(notes));
}

void method_stop(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;

    if (!params_check_names(connection, request))
        return;
    for (size_t i = 0; i < fleet->count; i++)
        if (params_select(request->params, fleet->instances[i]))
            fleet->instances[i]->stop_asked = true;
    await(connection, request, &stopped, NULL);
}

void method_restart(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    int64_t now = (int64_t)monotonic_now_ms();
    OWN(json) cJSON *notes = NULL;

    if (!methods_load_files(connection, request, &notes) ||
        !params_check_some(connection, request) || !update_environment(connection, request, notes))
        return;
    for (size_t i = 0; i < fleet->count; i++) {
        struct instance *instance = fleet->instances[i];

        if (!params_select_to_start(request->params, instance))
            continue;
        instance->stop_asked = false;
        instance_act(instance, machine_restart(&instance->machine, instance->app, now));
    }
    await_start(connection, request, TAKE(notes));
}

static int count_running(const struct fleet *fleet)
{
    int n = 0;

    for (size_t i = 0; i < fleet->count; i++)
        n += machine_runs(&fleet->instances[i]->machine);
    return n;
}

void method_kill(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    cJSON *result = cJSON_CreateObject();

    (void)json_put_int(result, "stopped", count_running(fleet));
    await(connection, request, &all_stopped, result);
    fleet_leave(fleet);
}
