/*
 * diff and apply: what the manifest as it is now would change, and making it so.
 */
#include <string.h>

#include "fleet_change.h"
#include "json.h"
#include "methods.h"
#include "own.h"

void method_diff(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN_BUF struct buf problems = { 0 };
    cJSON *changes, *result;

    buf_init(&problems, ANSWER_PROBLEMS_MAX);
    changes = fleet_diff(fleet, &problems);
    if (!changes) {
        fail_problems(connection, request, fleet->home->manifest, &problems);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put(result, "changes", changes);
    (void)json_put(result, "notes", problems_notes(&problems));
    connection_result(connection, request->id, result);
}

/* --- apply */

/* Whatever was touched: new, to be started again, or to go. */
static bool select_touched(const cJSON *params, const struct instance *i)
{
    const cJSON *name;

    if (!i->retiring && !instance_is_member(i))
        return false;
    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        if (strcmp(name->valuestring, i->app->name) == 0)
            return true;
    }
    return false;
}

static const struct await_kind applied = { .selects = select_touched,
                                           .test = await_changed,
                                           .patience_ms = AWAIT_START_MS,
                                           .once = true,
                                           .with_lines = true,
                                           .failed = "did not come up",
                                           .late = "did not come up, or leave, in time" };

static cJSON *names_of(const cJSON *changes)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *change;

    cJSON_ArrayForEach(change, changes)
    {
        const char *name = json_get_text(change, "name"), *how = json_get_text(change, "change");

        if (name && how && strcmp(how, "live") != 0)
            (void)cJSON_AddItemToArray(names, cJSON_CreateString(name));
    }
    return names;
}

void method_apply(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN_BUF struct buf problems = { 0 };
    struct wire_request named = *request;
    cJSON *changes, *result;
    int64_t timeout;

    buf_init(&problems, ANSWER_PROBLEMS_MAX);
    if (fleet->leaving) {
        fail_leaving(connection, request);
        return;
    }
    changes = fleet_apply(fleet, &problems);
    if (!changes) {
        fail_problems(connection, request, fleet->home->manifest, &problems);
        return;
    }
    (void)json_put(params, "names", names_of(changes));
    if (json_get_id(request->params, "timeout_ms", &timeout) == 0)
        (void)json_put_int(params, "timeout_ms", timeout);
    named.params = params;
    result = cJSON_CreateObject();
    (void)json_put(result, "changes", changes);
    (void)json_put(result, "notes", problems_notes(&problems));
    await(connection, &named, &applied, result);
}
