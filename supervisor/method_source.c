/*
 * start of what is not in the manifest: another file, or a script; and the environment of whoever
 * asks, for those that are to have it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_change.h"
#include "fleet_load.h"
#include "json.h"
#include "manifest_script.h"
#include "methods.h"
#include "own.h"

static int out_of_memory(struct buf *problems)
{
    (void)buf_printf(problems, "out of memory\n");
    return -ENOMEM;
}

/* --- the client's environment */

/* ["NAME=value"] of params' "env". NULL when memory ran out. */
static cJSON *variables_of(const cJSON *params)
{
    OWN(json) cJSON *list = cJSON_CreateArray();
    const cJSON *variable;

    cJSON_ArrayForEach(variable, json_get(params, "env"))
    {
        OWN(free) char *text = NULL;

        if (!cJSON_IsString(variable) || !variable->string)
            continue;
        if (!list || asprintf(&text, "%s=%s", variable->string, variable->valuestring) < 0 ||
            !cJSON_AddItemToArray(list, cJSON_CreateString(text)))
            return NULL;
    }
    return TAKE(list);
}

/* Moves what was noted, one a line, to the end of notes. */
static void add_notes(cJSON *notes, struct buf *problems)
{
    OWN(json) cJSON *more = problems_notes(problems);

    while (more && more->child)
        (void)cJSON_AddItemToArray(notes, cJSON_DetachItemFromArray(more, 0));
}

bool update_environment(struct connection *connection, const struct wire_request *request,
                        cJSON *notes)
{
    struct fleet *fleet = connection->control->fleet;
    const char *env_name = json_get_text(request->params, "env_name");
    bool of_shell = json_get_bool(request->params, "update_env");
    OWN_BUF struct buf problems = { 0 };
    int r = 0;

    buf_init(&problems, ANSWER_PROBLEMS_MAX);
    if (!of_shell && !env_name)
        return true;
    for (size_t k = 0; k < fleet->count && r == 0; k++) {
        const char *name = fleet->instances[k]->app->name;

        if (!params_select(request->params, fleet->instances[k]))
            continue;
        if (of_shell)
            r = fleet_set_environment(fleet, name, variables_of(request->params));
        if (r == 0 && env_name)
            r = fleet_set_env_name(fleet, name, env_name, &problems);
    }
    if (r == -ENOMEM)
        (void)out_of_memory(&problems);
    if (r == 0)
        r = fleet_load_files(fleet, &problems);
    if (r < 0) {
        fail_problems(connection, request, fleet->home->manifest, &problems);
        return false;
    }
    add_notes(notes, &problems);
    /* One that is called otherwise in that environment is not there any more. */
    return params_check_names(connection, request);
}

/* --- a script as a source */

/* The texts of an array, borrowed; ends with NULL. NULL when memory ran out. */
static const char **texts_of(const cJSON *array)
{
    const char **list = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *list);
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach(item, array)
    {
        if (list && cJSON_IsString(item))
            list[n++] = item->valuestring;
    }
    return list;
}

static int print_script(const cJSON *params, struct buf *text, struct buf *problems)
{
    OWN(json) cJSON *variables = variables_of(params);
    OWN(free) const char **args = texts_of(json_get(params, "args"));
    OWN(free) const char **env = texts_of(variables);
    struct script_start start = { .script = json_get_text(params, "script"),
                                  .name = json_get_text(params, "name"),
                                  .cwd = json_get_text(params, "cwd"),
                                  .args = args,
                                  .env = env };
    struct err why;
    int r;

    if (!variables || !args || !env)
        return out_of_memory(problems);
    r = manifest_of_script(&start, text, &why);
    if (r < 0)
        (void)buf_printf(problems, "%s\n", why.text);
    return r;
}

static int source_of_script(const cJSON *params, struct fleet_source **ret, struct buf *problems)
{
    OWN_BUF struct buf text = { 0 };
    struct fleet_source *source;
    int r;

    buf_init(&text, MANIFEST_BYTES_MAX);
    r = print_script(params, &text, problems);
    if (r < 0)
        return r;
    source = source_new(NULL, NULL);
    if (!source)
        return out_of_memory(problems);
    source->text.n = text.len;
    source->text.text = buf_take(&text);
    source->text.folder = strdup(json_get_text(params, "cwd"));
    if (!source->text.text || !source->text.folder) {
        source_free(source);
        return out_of_memory(problems);
    }
    *ret = source;
    return 0;
}

/* A script must not take the place of a worker that a file knows. */
static int check_is_new(const struct fleet *fleet, const struct fleet_source *script,
                        struct buf *problems)
{
    const char *name = script->generation->manifest.apps[0].name;

    for (const struct fleet_source *s = fleet->sources.first; s; s = s->next) {
        if (!s->path || !s->generation || !manifest_find(&s->generation->manifest, name))
            continue;
        (void)buf_printf(problems, "%s is a worker of %s; give another one with --name\n", name,
                         s->path);
        return -EEXIST;
    }
    return 0;
}

/* --- a file as a source */

/* The fleet's own manifest is all of it, whatever is to be started now. */
static bool is_manifest(const struct fleet *fleet, const char *file)
{
    return fleet->home->manifest && strcmp(fleet->home->manifest, file) == 0;
}

static int source_of_file(const struct fleet *fleet, const cJSON *params, struct fleet_source **ret,
                          struct buf *problems)
{
    const char *file = json_get_text(params, "file"), *env_name = json_get_text(params, "env_name");
    const cJSON *only = json_get(params, "only");
    struct fleet_source *source = source_new(
        file, only && !is_manifest(fleet, file) ? cJSON_Duplicate(only, true) : NULL);

    if (source && env_name)
        source->text.env_name = strdup(env_name);
    if (!source || (env_name && !source->text.env_name)) {
        source_free(source);
        return out_of_memory(problems);
    }
    *ret = source;
    return 0;
}

static int check_only(const struct fleet_source *source, const cJSON *only, struct buf *problems)
{
    const cJSON *name;
    int r = 0;

    cJSON_ArrayForEach(name, only)
    {
        if (cJSON_IsString(name) && manifest_find(&source->generation->manifest, name->valuestring))
            continue;
        (void)buf_printf(problems, "--only: there is no worker \"%s\" in it\n",
                         cJSON_IsString(name) ? name->valuestring : "");
        r = -ENOENT;
    }
    return r;
}

/* --- start */

/* Makes the source and everything that can be found wrong with it. */
static int prepare(const struct fleet *fleet, const cJSON *params, struct fleet_source **ret,
                   struct buf *problems)
{
    bool is_file = json_get_text(params, "file");
    struct fleet_source *source = NULL;
    int r;

    r = is_file ? source_of_file(fleet, params, &source, problems)
                : source_of_script(params, &source, problems);
    if (r < 0)
        return r;
    r = is_file ? source_read(source, problems) : source_parse(source, problems);
    if (r == 0)
        r = is_file ? check_only(source, json_get(params, "only"), problems)
                    : check_is_new(fleet, source, problems);
    if (r < 0) {
        source_free(source);
        return r;
    }
    *ret = source;
    return 0;
}

/* The request as one of these names. Takes names. NULL when memory ran out. */
static cJSON *named_params(const cJSON *params, cJSON *names)
{
    static const char *const kept[] = { "wait", "timeout_ms", "update_env", "env" };
    OWN(json) cJSON *named = cJSON_CreateObject();
    const cJSON *member;

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        member = json_get(params, kept[i]);
        if (member && !json_put(named, kept[i], cJSON_Duplicate(member, true))) {
            cJSON_Delete(names);
            return NULL;
        }
    }
    return json_put(named, "names", names) ? TAKE(named) : NULL;
}

static bool check_params(struct connection *connection, const struct wire_request *request)
{
    const char *file = json_get_text(request->params, "file");
    const char *script = json_get_text(request->params, "script");
    const char *cwd = json_get_text(request->params, "cwd");

    if ((file && file[0] == '/' && !script) || (!file && script && cwd && cwd[0] == '/'))
        return true;
    connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                    "want file, an absolute path; or script, and cwd, an absolute path", NULL);
    return false;
}

void start_source(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    const char *file = json_get_text(request->params, "file");
    const cJSON *only = json_get(request->params, "only");
    OWN(json) cJSON *names = cJSON_CreateArray();
    OWN(json) cJSON *params = NULL;
    OWN(json) cJSON *notes = NULL;
    OWN_BUF struct buf problems = { 0 };
    struct wire_request named = *request;
    struct fleet_source *source;
    int r;

    buf_init(&problems, ANSWER_PROBLEMS_MAX);
    if (!check_params(connection, request))
        return;
    if (fleet->leaving) {
        fail_leaving(connection, request);
        return;
    }
    r = prepare(fleet, request->params, &source, &problems);
    if (r == 0) {
        buf_clear(&problems);
        r = fleet_add_source(fleet, source, names, &problems);
    }
    if (r < 0) {
        fail_problems(connection, request, file ? file : "the command", &problems);
        return;
    }
    params = named_params(request->params, only ? cJSON_Duplicate(only, true) : TAKE(names));
    named.params = params;
    notes = problems_notes(&problems);
    if (update_environment(connection, &named, notes))
        start_named(connection, &named, TAKE(notes));
}
