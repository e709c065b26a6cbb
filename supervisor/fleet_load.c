/* From manifests to instances. */
#include "fleet_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "fleet_depends.h"
#include "fleet_parts.h"
#include "heap.h"
#include "instance_ran.h"
#include "json.h"
#include "log.h"
#include "own.h"
#include "schedule.h"

/* --- which instances there are to be */

/* Gives a present instance its app in the new generation. */
static void adopt(struct instance *instance, struct generation *generation, const struct app *app)
{
    struct generation *before = instance->generation;

    fleet_forget_needs(instance);
    instance->generation = generation_ref(generation);
    generation_unref(before);
    instance->app = app;
    if (instance->ran && app_same_process(instance->ran, app))
        instance_ran_begin(instance);
}

/* A manifest names an app once, so the instance, if there is one, is among the first `known`: those
 * that were there before this manifest was gone through. */
static int take_instance(struct fleet *fleet, size_t known, struct generation *generation,
                         const struct app *app, int number)
{
    struct instance *instance = fleet_present_among(fleet, known, app->name, number);

    /* There must not be two of it: one that was about to go stays, and is started again. */
    if (instance && instance->retiring) {
        instance->retiring = instance->stop_asked = false;
        instance->fresh = true;
    }
    if (instance) {
        schedule_follow(instance, app);
        renew_follow(instance, app);
        adopt(instance, generation, app);
    } else {
        instance = instance_new(fleet, generation, app, number);
        if (!instance || fleet_add(fleet, instance) < 0)
            return -ENOMEM;
        instance->fresh = true;
        schedule_follow(instance, app);
    }
    return 0;
}

/* Gives the app the variables of --update-env, in memory that lives as long as the app does. */
static int set_shell_env(const struct sources *sources, const struct fleet_source *source,
                         struct app *app)
{
    struct arena *arena = source->generation->manifest.arena;
    const cJSON *list = json_get(sources->environments, app->name), *item;
    const char **texts_of;
    size_t n = 0;

    if (!cJSON_IsArray(list))
        return 0;
    texts_of = arena_alloc_array(arena, (size_t)cJSON_GetArraySize(list) + 1, sizeof *texts_of);
    if (!texts_of)
        return -ENOMEM;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            continue;
        texts_of[n] = arena_text(arena, item->valuestring, strlen(item->valuestring));
        if (!texts_of[n++])
            return -ENOMEM;
    }
    app->shell_env = texts_of;
    app->of_shell = !source->path;
    return 0;
}

static int take_source(struct fleet *fleet, struct fleet_source *source)
{
    struct manifest *manifest = &source->generation->manifest;
    size_t known = fleet->count;
    int r = 0;

    for (size_t a = 0; a < manifest->count && r == 0; a++) {
        struct app *app = &manifest->apps[a];

        if (!sources_hold(&fleet->sources, source, app))
            continue;
        r = set_shell_env(&fleet->sources, source, app);
        for (int number = 0; number < sources_instances(&fleet->sources, app) && r == 0; number++)
            r = take_instance(fleet, known, source->generation, app, number);
    }
    return r;
}

/* Instances of what the sources say now; what is more than that stays until somebody retires it. */
int fleet_take_all(struct fleet *fleet)
{
    int r = 0;

    for (struct fleet_source *s = fleet->sources.first; s && r == 0; s = s->next)
        if (s->generation)
            r = take_source(fleet, s);
    if (r == 0)
        r = fleet_resolve(fleet);
    fleet_touch(fleet);
    return r;
}

/* --- what was taken out of a manifest or changed in it, and is there until somebody applies that
 */

static bool is_by(const struct instance *i, const struct generation *generation)
{
    return i->generation == generation || (generation && i->ran_reading == generation->reading);
}

/* The names of that reading's apps that people still know, or that run by it; NULL: none. */
static cJSON *names_there(const struct fleet *fleet, const struct fleet_source *source)
{
    cJSON *names = NULL;

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (!is_by(i, source->generation) || !instance_is_member(i))
            continue;
        names = names ? names : cJSON_CreateArray();
        (void)cJSON_AddItemToArray(names, cJSON_CreateString(i->app->name));
    }
    return names;
}

static void prune_past(struct fleet *fleet)
{
    struct fleet_source **p = &fleet->sources.past, *source;
    cJSON *names;

    while ((source = *p)) {
        names = names_there(fleet, source);
        if (names) {
            cJSON_Delete(source->only);
            source->only = names;
            p = &source->next;
            continue;
        }
        *p = source->next;
        source_free(source);
        fleet->sources.changed = true;
    }
}

/* Instances that an earlier opsd had are to go on, though only a past reading knows their app. */
static int take_past(struct fleet *fleet)
{
    int r = 0;

    for (struct fleet_source *s = fleet->sources.past; s; s = s->next) {
        for (size_t a = 0; s->generation && a < s->generation->manifest.count && r == 0; a++) {
            struct app *app = &s->generation->manifest.apps[a];

            if (source_find(s, app->name) != app || fleet_app(fleet, app->name))
                continue;
            r = set_shell_env(&fleet->sources, s, app);
            for (int n = 0; n < sources_instances(&fleet->sources, app) && r == 0; n++)
                r = take_instance(fleet, fleet->count, s->generation, app, n);
        }
    }
    return r == 0 ? fleet_resolve(fleet) : r;
}

void fleet_keep_sources(struct fleet *fleet)
{
    int r;

    fleet->sources.prune = false;
    prune_past(fleet);
    if (!fleet->sources.changed)
        return;
    r = sources_write(&fleet->sources, fleet->home);
    fleet->sources.changed = r < 0;
    if (r < 0)
        log_error("the manifest cannot be kept in the home", LOG_TEXT("why", strerror(-r)));
}

/* --- reading */

static int read_news(const struct fleet_source *source, struct fleet_source **ret,
                     struct buf *problems)
{
    struct fleet_source *again;
    int r;

    again = source_new(source->path, source->only ? cJSON_Duplicate(source->only, true) : NULL);
    if (!again)
        return -ENOMEM;
    if (source->text.env_name && !(again->text.env_name = strdup(source->text.env_name)))
        r = -ENOMEM;
    else
        r = source_read(again, problems);
    if (r < 0)
        source_free(again);
    else
        *ret = again;
    return r;
}

/* A file that was started by hand may be gone; what it said holds. */
static int read_again(const struct fleet_source *source, bool first, struct fleet_source **ret,
                      struct buf *problems)
{
    int r;

    *ret = NULL;
    if (!source->path)
        return 0;
    r = source_has_news(source, problems);
    if (r == 1)
        r = read_news(source, ret, problems);
    return r == -ENOENT && !first ? 0 : r;
}

/* New readings of the files that were changed, as a list. */
int fleet_read_all(struct fleet *fleet, struct fleet_source **ret, struct buf *problems)
{
    struct fleet_source *list = NULL, **last = &list, *again;
    int r = 0;

    for (struct fleet_source *s = fleet->sources.first; s && r == 0; s = s->next) {
        r = read_again(s, s == fleet->sources.first, &again, problems);
        if (r == 0 && again) {
            *last = again;
            last = &again->next;
        }
    }
    if (r < 0)
        sources_free_list(list);
    else
        *ret = list;
    return r;
}

static int no_manifest(struct buf *problems)
{
    (void)buf_printf(problems, "no ecosystem.json here or above; name one with --manifest\n");
    return -ENOENT;
}

/* The manifest beside the home is the first source, from the first time that it is looked for. */
int fleet_put_manifest(struct fleet *fleet, struct buf *problems)
{
    struct fleet_source *source;

    if (fleet->sources.first && fleet->sources.first->path)
        return 0;
    if (!fleet->home->manifest)
        return fleet->sources.first ? 0 : no_manifest(problems);
    source = source_new(fleet->home->manifest, NULL);
    if (!source)
        return -ENOMEM;
    source->next = fleet->sources.first;
    fleet->sources.first = source;
    return 0;
}

int fleet_put_all(struct fleet *fleet, struct fleet_source *list)
{
    struct fleet_source *next;
    int r;

    fleet->sources.changed |= list != NULL;
    for (; list; list = next) {
        next = list->next;
        sources_put(&fleet->sources, list);
    }
    r = fleet_take_all(fleet);
    listen_forget(&fleet->listeners, &fleet->sources);
    heap_trim();
    return r;
}

bool fleet_is_known(const struct fleet *fleet, struct buf *problems)
{
    if (!fleet->recovered)
        (void)buf_printf(problems, "opsd could not find out yet what runs; see opsd.log\n");
    return fleet->recovered;
}

int fleet_load_files(struct fleet *fleet, struct buf *problems)
{
    struct fleet_source *list;
    int r;

    r = fleet_put_manifest(fleet, problems);
    if (r == 0)
        r = fleet_read_all(fleet, &list, problems);
    if (r == 0)
        r = fleet_put_all(fleet, list);
    if (r == 0)
        fleet_keep_sources(fleet);
    return r;
}

int fleet_load_kept(struct fleet *fleet, struct buf *problems)
{
    struct sources sources;
    int r;

    r = sources_load(&sources, fleet->home);
    if (r < 0)
        return r;
    for (struct fleet_source *s = sources.first; s && r == 0; s = s->next)
        r = source_parse(s, problems);
    if (r < 0 || !sources.first) {
        sources_done(&sources);
        return r < 0 ? r : -ENOENT;
    }
    for (struct fleet_source *s = sources.past; s; s = s->next)
        (void)source_parse(s, problems);
    sources_done(&fleet->sources);
    fleet->sources = sources;
    r = fleet_find_log_folder(fleet);
    if (r == 0)
        r = fleet_take_all(fleet);
    return r < 0 ? r : take_past(fleet);
}

int fleet_add_source(struct fleet *fleet, struct fleet_source *source, cJSON *names,
                     struct buf *problems)
{
    const struct manifest *manifest;
    int r = fleet_is_known(fleet, problems) ? 0 : -EAGAIN;

    if (r == 0)
        r = source->text.text ? source_parse(source, problems) : source_read(source, problems);
    if (r < 0) {
        source_free(source);
        return r;
    }
    sources_put(&fleet->sources, source);
    manifest = &source->generation->manifest;
    for (size_t a = 0; a < manifest->count; a++) {
        const struct app *app = &manifest->apps[a];

        cJSON_DeleteItemFromObjectCaseSensitive(fleet->sources.deleted, app->name);
        /* A script comes with the variables of the shell that starts it now. */
        if (!source->path)
            cJSON_DeleteItemFromObjectCaseSensitive(fleet->sources.environments, app->name);
        if (names && sources_hold(&fleet->sources, source, app))
            (void)cJSON_AddItemToArray(names, cJSON_CreateString(app->name));
    }
    r = fleet_take_all(fleet);
    fleet->sources.changed = true;
    fleet_keep_sources(fleet);
    return r;
}
