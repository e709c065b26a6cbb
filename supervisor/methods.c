/* The table of methods, and what several of them need. */
#include "methods.h"

#include <string.h>

#include "fleet_load.h"
#include "json.h"
#include "own.h"
#include "recover.h"
#include "text.h"

enum { NAMES_MAX = 4096 };

/* clang-format off */
#define COMMAND_ROW(word, method, arguments, least, most, who, repeat, help) { #method, #word, who, method_##method },
#define METHOD_ROW(method, who) { #method, NULL, who, method_##method },
/* clang-format on */

static const struct {
    const char *name;
    const char *word; /* opsctl's for it, which means the same here */
    enum who who;
    method_handler *handler;
} methods[] = { OPS_COMMANDS(COMMAND_ROW) OPS_METHODS(METHOD_ROW) };

static const struct {
    const char *word, *of;
} aliases[] = {
#define ALIAS_ROW(word, of) { #word, #of },
    OPS_ALIASES(ALIAS_ROW)
#undef ALIAS_ROW
};

static bool is_meant(size_t row, const char *method)
{
    if (strcmp(methods[row].name, method) == 0)
        return true;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(aliases[i].word, method) == 0)
            method = aliases[i].of;
    return text_same(methods[row].word, method);
}

/* Some methods are about one worker, "name", and most about "names": whoever says the one where the
 * other is meant is understood. */
static void complete_names(cJSON *params)
{
    const char *name = json_get_text(params, "name");
    const cJSON *names = json_get(params, "names");

    if (name && !names)
        (void)json_put(params, "names", cJSON_CreateStringArray(&name, 1));
    else if (!name && cJSON_GetArraySize(names) == 1 && cJSON_IsString(names->child))
        (void)json_put_text(params, "name", names->child->valuestring);
}

void methods_call(struct connection *connection, struct wire_request *request, bool is_permitted)
{
    complete_names(request->params);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!is_meant(i, request->method))
            continue;
        if (methods[i].handler != method_cancel && !connection_has_room(connection))
            connection_fail(connection, request->id, WIRE_FAILED,
                            "too many requests under way on this connection", NULL);
        else if (methods[i].who == WHO_OWNER && !is_permitted)
            connection_fail(
                connection, request->id, WIRE_NOT_PERMITTED,
                "only root, the owner of opsd and the members of its socket_group may do "
                "this; try sudo",
                NULL);
        else
            methods[i].handler(connection, request);
        return;
    }
    connection_fail(connection, request->id, WIRE_NO_METHOD, "no such method", NULL);
}

bool params_select(const cJSON *params, const struct instance *instance)
{
    const cJSON *name;

    cJSON_ArrayForEach(name, json_get(params, "names"))
    {
        if (fleet_selects(cJSON_GetStringValue(name), instance))
            return true;
    }
    return false;
}

void fail_leaving(struct connection *connection, const struct wire_request *request)
{
    connection_fail(connection, request->id, WIRE_FAILED, "opsd is stopping; try again in a moment",
                    NULL);
}

/* What was probably meant by n bytes of name, or NULL. */
static const char *nearest_name(const struct fleet *fleet, const char *name, size_t n)
{
    OWN(free) char *word = strndup(name, n);
    const char *words[NAMES_MAX];
    size_t count = 0;

    words[count++] = "all";
    for (size_t i = 0; i < fleet->count && count + 2 <= NAMES_MAX; i++) {
        if (!instance_is_member(fleet->instances[i]))
            continue;
        words[count++] = fleet->instances[i]->app->name;
        words[count++] = fleet->instances[i]->app->space;
    }
    return word ? text_nearest(word, words, count) : NULL;
}

/* NAME:INSTANCE: either the name is wrong or there is no such instance. */
static void explain_instance(const struct fleet *fleet, const char *name, size_t n,
                             struct err *message)
{
    const char *nearest = nearest_name(fleet, name, n);
    const struct app *app = nearest ? fleet_app(fleet, nearest) : NULL;

    if (app && strlen(nearest) == n && strncmp(nearest, name, n) == 0)
        (void)err_set(message, 0, "no worker \"%.64s\": the instances of %s are %s:0 to %s:%d",
                      name, nearest, nearest, nearest, sources_instances(&fleet->sources, app) - 1);
    else if (app)
        (void)err_set(message, 0, "no worker \"%.64s\"; did you mean \"%s%.16s\"?", name, nearest,
                      name + n);
    else
        (void)err_set(message, 0, "no worker \"%.64s\"; `opsctl stat` lists them", name);
}

void fail_no_worker(struct connection *connection, const struct wire_request *request,
                    const char *name)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *nearest, *colon = strrchr(name, ':');
    struct err message;

    if (name[0] == '/') {
        (void)err_set(&message, 0, "no worker comes from %.200s; opsctl start %.200s", name, name);
    } else if (colon) {
        explain_instance(fleet, name, (size_t)(colon - name), &message);
    } else {
        nearest = nearest_name(fleet, name, strlen(name));
        (void)err_set(&message, 0,
                      nearest ? "no worker \"%.64s\"; did you mean \"%s\"?"
                              : "no worker \"%.64s\"; `opsctl stat` lists them",
                      name, nearest);
    }
    connection_fail(connection, request->id, WIRE_NO_WORKER, message.text, NULL);
}

bool params_check_names(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const cJSON *names = json_get(request->params, "names"), *name;
    bool found;

    if (!cJSON_IsArray(names) || !cJSON_GetArraySize(names)) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "names: want a list of worker names, or [\"all\"]", NULL);
        return false;
    }
    cJSON_ArrayForEach(name, names)
    {
        if (!cJSON_IsString(name)) {
            connection_fail(connection, request->id, WIRE_BAD_PARAMS, "names: want texts", NULL);
            return false;
        }
        found = strcmp(name->valuestring, "all") == 0;
        for (size_t i = 0; i < fleet->count && !found; i++)
            found = fleet_selects(name->valuestring, fleet->instances[i]);
        if (!found) {
            fail_no_worker(connection, request, name->valuestring);
            return false;
        }
    }
    return true;
}

bool params_check_some(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;

    if (!params_check_names(connection, request))
        return false;
    for (size_t i = 0; i < fleet->count; i++)
        if (instance_is_member(fleet->instances[i]) &&
            params_select(request->params, fleet->instances[i]))
            return true;
    connection_fail(connection, request->id, WIRE_NO_WORKER, "there are no workers", NULL);
    return false;
}

/* One text a line. */
static cJSON *lines_array(char *text)
{
    cJSON *array = cJSON_CreateArray();
    char *line;

    while (text && (line = strsep(&text, "\n")))
        if (*line)
            (void)cJSON_AddItemToArray(array, json_lossy_text(line, strlen(line)));
    return array;
}

cJSON *problems_notes(struct buf *problems)
{
    return lines_array(problems->p);
}

void fail_problems(struct connection *connection, const struct wire_request *request,
                   const char *file, struct buf *problems)
{
    cJSON *data = cJSON_CreateObject();
    char message[512];

    (void)json_put(data, "problems", lines_array(problems->p));
    (void)snprintf(message, sizeof message, "%.400s cannot be used, so nothing was changed",
                   file ? file : "the manifest");
    connection_fail(connection, request->id, WIRE_FAILED, message, data);
}

bool methods_load_files(struct connection *connection, const struct wire_request *request,
                        cJSON **ret_notes)
{
    struct fleet *fleet = connection->control->fleet;
    OWN_BUF struct buf problems = { 0 };

    buf_init(&problems, ANSWER_PROBLEMS_MAX);
    if (fleet->leaving) {
        fail_leaving(connection, request);
        return false;
    }
    if ((fleet->recovered ? fleet_load_files(fleet, &problems) : recover(fleet, true, &problems)) ==
        0) {
        *ret_notes = problems_notes(&problems);
        return true;
    }
    fail_problems(connection, request, fleet->home->manifest, &problems);
    return false;
}
