/* What a new reading of the manifests would change, and changing it. */
#include "fleet_change.h"

#include <errno.h>
#include <string.h>

#include "fleet_parts.h"
#include "instant.h"
#include "json.h"
#include "text.h"

/* --- what a new reading would change */

static void add_change(cJSON *changes, const char *name, const char *change, cJSON *fields)
{
    cJSON *object = cJSON_CreateObject();

    (void)json_put_text(object, "name", name);
    (void)json_put_text(object, "change", change);
    (void)json_put(object, "fields", fields ? fields : cJSON_CreateArray());
    (void)cJSON_AddItemToArray(changes, object);
}

/* Adds the names of the fields that differ: those that a process is started with, or the others. */
static bool add_fields(cJSON *fields, const struct app *a, const struct app *b, bool process)
{
    bool needs_restart, found = false;
    const char *field;
    size_t at = 0;

    while ((field = app_difference(a, b, &at, &needs_restart))) {
        if (needs_restart != process)
            continue;
        (void)cJSON_AddItemToArray(fields, cJSON_CreateString(field));
        found = true;
    }
    return found;
}

/* What an instance does is what its process was started with. */
static const struct app *present(const struct instance *i)
{
    return i->keeper && i->ran ? i->ran : i->app;
}

/* A run that is under way ends as it began: nothing is cut off for a change that the next run has
 * anyway. */
static bool needs_restart(const struct instance *i, const struct app *app)
{
    return i->keeper && !(present(i)->scheduled && app->scheduled);
}

static void compare(const struct fleet *fleet, const struct app *app, cJSON *changes)
{
    const struct instance *first = fleet_find(fleet, app->name), *i;
    cJSON *fields;
    bool restart;

    if (!first) {
        add_change(changes, app->name, "new", NULL);
        return;
    }
    for (size_t k = 0; k < fleet->count; k++) {
        i = fleet->instances[k];
        if (instance_is_member(i) && strcmp(i->app->name, app->name) == 0 &&
            !app_same_process(present(i), app))
            first = i;
    }
    fields = cJSON_CreateArray();
    restart = add_fields(fields, present(first), app, true);
    (void)add_fields(fields, first->app, app, false);
    if (cJSON_GetArraySize(fields))
        add_change(changes, app->name, restart && needs_restart(first, app) ? "restart" : "live",
                   fields);
    else
        cJSON_Delete(fields);
}

/* What a source says once the new readings are in. */
static const struct fleet_source *reading_of(const struct fleet_source *source,
                                             const struct fleet_source *list)
{
    while (list && (!source->path || !text_same(list->path, source->path)))
        list = list->next;
    return list ? list : source;
}

/* The app that will hold for a name then. */
static const struct app *future(const struct fleet *fleet, const struct fleet_source *list,
                                const char *name)
{
    const struct app *app = NULL, *found;

    for (const struct fleet_source *s = fleet->sources.first; s; s = s->next) {
        found = source_find(reading_of(s, list), name);
        app = found ? found : app;
    }
    return app;
}

static bool is_of(const struct fleet_source *list, const struct app *app)
{
    while (list && source_find(list, app->name) != app)
        list = list->next;
    return list;
}

static cJSON *changes_by(const struct fleet *fleet, const struct fleet_source *list)
{
    cJSON *changes = cJSON_CreateArray();

    for (const struct fleet_source *s = list; s; s = s->next)
        for (size_t a = 0; a < s->generation->manifest.count; a++) {
            const struct app *app = &s->generation->manifest.apps[a];

            if (!json_get(fleet->sources.deleted, app->name) &&
                future(fleet, list, app->name) == app)
                compare(fleet, app, changes);
        }
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];
        const char *name = i->app->name;
        const struct app *app = future(fleet, list, name);

        if (!instance_is_member(i) || fleet_find(fleet, name) != i)
            continue;
        if (!app)
            add_change(changes, name, "gone", NULL);
        else if (!is_of(list, app))
            compare(fleet, app, changes);
    }
    return changes;
}

/* Sets *ret to the new readings, which are the caller's whether there are changes or not. */
static cJSON *read_changes(struct fleet *fleet, struct fleet_source **ret, struct buf *problems)
{
    int r = fleet_put_manifest(fleet, problems);

    *ret = NULL;
    if (r == 0)
        r = fleet_read_all(fleet, ret, problems);
    return r < 0 ? NULL : changes_by(fleet, *ret);
}

cJSON *fleet_diff(struct fleet *fleet, struct buf *problems)
{
    struct fleet_source *list;
    cJSON *changes = read_changes(fleet, &list, problems);

    sources_free_list(list);
    return changes;
}

/* --- changing it */

static void retire(struct instance *i)
{
    i->retiring = i->stop_asked = true;
    if (i->other)
        i->other->retiring = i->other->stop_asked = true;
    fleet_touch(i->fleet);
}

/* More than the app is to have. */
static void retire_surplus(struct fleet *fleet)
{
    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];
        /* Its own app is of an earlier reading, in which it was not too many. */
        const struct app *app = fleet_app(fleet, i->app->name);

        if (instance_is_member(i) && app && i->number >= sources_instances(&fleet->sources, app))
            retire(i);
    }
}

static void change(struct fleet *fleet, const char *name, const char *how, int64_t now)
{
    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];

        if (!instance_is_member(i) || strcmp(i->app->name, name) != 0)
            continue;
        if (strcmp(how, "gone") == 0)
            retire(i);
        else if (strcmp(how, "restart") == 0 && i->machine.wanted)
            instance_act(i, machine_restart(&i->machine, i->app, now));
        else if (i->fresh && i->app->autostart)
            instance_act(i, machine_start(&i->machine));
        i->fresh = false;
    }
}

cJSON *fleet_apply(struct fleet *fleet, struct buf *problems)
{
    int64_t now = (int64_t)monotonic_now_ms();
    struct fleet_source *list;
    cJSON *changes, *item;

    if (!fleet_is_known(fleet, problems))
        return NULL;
    changes = read_changes(fleet, &list, problems);
    if (!changes) {
        sources_free_list(list);
        return NULL;
    }
    if (fleet_put_all(fleet, list) < 0) {
        cJSON_Delete(changes);
        return NULL;
    }
    cJSON_ArrayForEach(item, changes)
    {
        change(fleet, json_get_text(item, "name"), json_get_text(item, "change"), now);
    }
    retire_surplus(fleet);
    /* How those that are gone are to be stopped has to be known before their app is forgotten. */
    fleet_commit(fleet);
    fleet_keep_sources(fleet);
    return changes;
}

/* Takes value. */
static int set_member(cJSON **object, const char *name, cJSON *value)
{
    if (!*object)
        *object = cJSON_CreateObject();
    cJSON_DeleteItemFromObjectCaseSensitive(*object, name);
    return json_put(*object, name, value) ? 0 : -ENOMEM;
}

int fleet_scale(struct fleet *fleet, const char *name, int64_t count, struct err *reterr)
{
    const struct instance *first = fleet_find(fleet, name);
    int r;

    if (!first || count < 1 || count > MANIFEST_INSTANCES_MAX)
        return err_set(reterr, -EINVAL, "want a number of instances from 1 to %d",
                       MANIFEST_INSTANCES_MAX);
    r = set_member(&fleet->sources.scales, name, cJSON_CreateNumber((double)count));
    if (r == 0)
        r = fleet_take_all(fleet);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];

        if (i->fresh && strcmp(i->app->name, name) == 0 && first->machine.wanted)
            instance_act(i, machine_start(&i->machine));
        i->fresh = false;
    }
    retire_surplus(fleet);
    fleet->sources.changed = true;
    fleet_keep_sources(fleet);
    return 0;
}

int fleet_delete(struct fleet *fleet, struct instance *instance)
{
    int r = set_member(&fleet->sources.deleted, instance->app->name, cJSON_CreateTrue());

    if (r < 0)
        return r;
    cJSON_DeleteItemFromObjectCaseSensitive(fleet->sources.scales, instance->app->name);
    for (size_t k = 0; k < fleet->count; k++)
        if (instance_is_member(fleet->instances[k]) &&
            strcmp(fleet->instances[k]->app->name, instance->app->name) == 0)
            retire(fleet->instances[k]);
    fleet->sources.changed = true;
    fleet_keep_sources(fleet);
    return 0;
}

static bool means(const struct fleet *fleet, const char *name, const char *deleted)
{
    struct generation *generation;
    const struct app *app = sources_find(&fleet->sources, deleted, &generation);

    return strcmp(name, "all") == 0 || strcmp(name, deleted) == 0 ||
           (app && strcmp(name, app->space) == 0);
}

void fleet_undelete(struct fleet *fleet, const char *name)
{
    cJSON *item, *next;

    for (item = fleet->sources.deleted ? fleet->sources.deleted->child : NULL; item; item = next) {
        next = item->next;
        if (!means(fleet, name, item->string))
            continue;
        cJSON_Delete(cJSON_DetachItemViaPointer(fleet->sources.deleted, item));
        fleet->sources.changed = true;
    }
}

int fleet_set_environment(struct fleet *fleet, const char *name, cJSON *variables)
{
    fleet->sources.changed = true;
    return set_member(&fleet->sources.environments, name, variables);
}

/* Another environment gives other names to apps with append_env_to_name. Those that do not run
 * under the old one go; what runs stays until it is stopped, or `apply`. */
static void retire_renamed(struct fleet *fleet, const struct generation *before)
{
    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];

        if (i->generation == before && instance_is_member(i) && !i->machine.wanted &&
            !machine_runs(&i->machine) && !fleet_app(fleet, i->app->name))
            retire(i);
    }
}

int fleet_set_env_name(struct fleet *fleet, const char *name, const char *env_name,
                       struct buf *problems)
{
    struct fleet_source *source = sources_of(&fleet->sources, name);
    const struct generation *generation;
    char *before, *copy;
    int r;

    if (!source || !source->path || text_same(source->text.env_name, env_name))
        return 0;
    generation = source->generation;
    copy = strdup(env_name);
    if (!copy)
        return -ENOMEM;
    before = source->text.env_name;
    source->text.env_name = copy;
    r = source_parse(source, problems);
    if (r == 0)
        retire_renamed(fleet, generation);
    else
        source->text.env_name = before;
    free(r < 0 ? copy : before);
    fleet->sources.changed |= r == 0;
    return r;
}
