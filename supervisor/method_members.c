/*
 * delete, scale, reload: which processes there are of a worker.
 */
#include <errno.h>
#include <string.h>

#include "fleet_change.h"
#include "fleet_reload.h"
#include "json.h"
#include "methods.h"
#include "own.h"
#include "text.h"

/* --- delete */

static enum settled is_gone(const struct instance *i, const struct awaited *awaited, int64_t now_ms,
                            int64_t *due_ms)
{
    (void)awaited;
    (void)now_ms;
    (void)due_ms;
    return i->retiring ? NOT_YET : SETTLED_BADLY;
}

/* Instances that leave are no members any more, so they are chosen by that. */
static bool select_retiring(const cJSON *params, const struct instance *i)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        if (i->retiring && strcmp(name->valuestring, i->app->name) == 0)
            return true;
    }
    return false;
}

static const struct await_kind gone = { .selects = select_retiring,
                                        .test = is_gone,
                                        .own_pace = true,
                                        .failed = "were started again meanwhile" };

/* NAME:1 of several would take them all. Returns false after an answer. */
static bool check_whole(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    char message[256];

    for (size_t a = 0; a < fleet->count; a++) {
        const struct instance *i = fleet->instances[a];

        for (size_t b = 0; params_select(request->params, i) && b < fleet->count; b++) {
            const struct instance *other = fleet->instances[b];

            if (!instance_is_member(other) || strcmp(i->app->name, other->app->name) != 0 ||
                params_select(request->params, other))
                continue;
            (void)snprintf(message, sizeof message,
                           "delete takes whole workers; to have fewer instances of this one: "
                           "opsctl scale %.64s N",
                           i->app->name);
            connection_fail(connection, request->id, WIRE_BAD_PARAMS, message, NULL);
            return false;
        }
    }
    return true;
}

/* Returns their names, or NULL when memory ran out. */
static cJSON *delete_selected(struct fleet *fleet, const cJSON *params)
{
    OWN(json) cJSON *names = cJSON_CreateArray();

    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];

        if (!params_select(params, i))
            continue;
        if (fleet_delete(fleet, i) < 0)
            return NULL;
        (void)cJSON_AddItemToArray(names, cJSON_CreateString(i->app->name));
    }
    return TAKE(names);
}

void method_delete(struct connection *connection, const struct wire_request *request)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    struct wire_request named = *request;
    cJSON *names, *result;

    if (!params_check_names(connection, request) || !check_whole(connection, request))
        return;
    names = delete_selected(connection->control->fleet, request->params);
    if (!json_put(params, "names", names)) {
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    named.params = params;
    result = cJSON_CreateObject();
    (void)json_put(result, "deleted", cJSON_Duplicate(names, true));
    await(connection, &named, &gone, result);
}

/* --- scale */

enum settled await_changed(const struct instance *i, const struct awaited *awaited, int64_t now_ms,
                           int64_t *due_ms)
{
    if (i->retiring)
        return NOT_YET;
    return i->machine.wanted ? await_tried(i, awaited, now_ms, due_ms) : SETTLED_WELL;
}

static bool select_app(const cJSON *params, const struct instance *i)
{
    const char *name = json_get_text(params, "name");

    return (i->retiring || instance_is_member(i)) && strcmp(name, i->app->name) == 0;
}

static const struct await_kind scaled = { .selects = select_app,
                                          .test = await_changed,
                                          .patience_ms = AWAIT_START_MS,
                                          .once = true,
                                          .with_lines = true,
                                          .failed = "did not come up",
                                          .late = "did not come up, or leave, in time" };

/* "3", "+2" or "-1" of what there is. Returns 0 or -EINVAL. */
static int read_count(const struct fleet *fleet, const char *name, const char *text, int64_t *ret)
{
    bool relative = text[0] == '+' || text[0] == '-';
    int64_t number, present = 0;
    int r = text_to_int(text + relative, 0, MANIFEST_INSTANCES_MAX, &number);

    for (size_t k = 0; k < fleet->count; k++)
        present += instance_is_member(fleet->instances[k]) &&
                   strcmp(fleet->instances[k]->app->name, name) == 0;
    if (r == 0)
        *ret = text[0] == '+' ? present + number : text[0] == '-' ? present - number : number;
    return r;
}

void method_scale(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    const char *name = json_get_text(request->params, "name");
    const char *count = json_get_text(request->params, "count");
    struct err why;
    int64_t number = 0;

    if (!name || !count) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "name: want a worker's name; count: want N, +N or -N", NULL);
    } else if (fleet->leaving) {
        fail_leaving(connection, request);
    } else if (!fleet_find(fleet, name)) {
        fail_no_worker(connection, request, name);
    } else if (read_count(fleet, name, count, &number) < 0) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "count: want how many (3), or how many more or fewer (+2, -1)", NULL);
    } else if (fleet_scale(fleet, name, number, &why) < 0) {
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
    } else {
        await(connection, request, &scaled, NULL);
    }
}

/* --- reload */

/* What did not serve was started anew in its own place, and is to serve, too: its next try ends the
 * wait, whatever comes of it. One that waits for another worker has done what it can. */
static enum settled is_reloaded(const struct instance *i, const struct awaited *awaited,
                                int64_t now_ms, int64_t *due_ms)
{
    const struct machine *m = &i->machine;

    (void)awaited;
    if (i->reload.result == RELOAD_FAILED || m->state == STATE_BACKOFF)
        return SETTLED_BADLY;
    if (i->reload.phase != RELOAD_NONE)
        return NOT_YET;
    if (m->state == STATE_WAITING && i->blocked)
        return SETTLED_WELL;
    return await_up(i, reload_proven_at(i->app, m), now_ms, due_ms);
}

static const char *why_not_reloaded(const struct instance *i)
{
    return i->reload.result == RELOAD_FAILED ? i->reload.why.text : i->machine.reason.text;
}

/* Both the wait for readiness and the old process's end have limits of their own. */
static const struct await_kind reloaded = { .selects = params_select_to_start,
                                            .test = is_reloaded,
                                            .why = why_not_reloaded,
                                            .with_lines = true,
                                            .failed = "were not reloaded",
                                            .late = "were not reloaded in time" };

void method_reload(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *notes = NULL;
    struct err why = { "" };
    cJSON *result;
    int r = 0;

    if (!methods_load_files(connection, request, &notes) ||
        !params_check_some(connection, request) || !update_environment(connection, request, notes))
        return;
    for (size_t k = 0, count = fleet->count; k < count && r == 0; k++)
        if (params_select_to_start(request->params, fleet->instances[k]) &&
            fleet->instances[k]->reload.phase != RELOAD_NONE)
            r = err_set(&why, -EBUSY, "%s: reload in progress", fleet->instances[k]->app->name);
    /* The list grows at its end by those that are to take over. */
    for (size_t k = 0, count = fleet->count; k < count && r == 0; k++)
        if (params_select_to_start(request->params, fleet->instances[k]))
            r = fleet_reload_instance(fleet, fleet->instances[k], &why);
    if (r < 0) {
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put(result, "notes", TAKE(notes));
    await(connection, request, &reloaded, result);
}
