/* A manifest as a whole: its three forms, all its apps, and what they say about each other. Errors
 * are collected to the end; only a text without any becomes a manifest. */
#include "manifest.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "manifest_app.h"
#include "manifest_depends.h"
#include "manifest_json.h"
#include "manifest_read.h"
#include "own.h"

/* What one manifest may take: a list of one-digit arguments needs 24 bytes for each 2 of the file.
 */
enum { MANIFEST_ARENA_MAX = 64 << 20 };

static const char *const no_texts[] = { NULL };

static void own_arena(struct arena **arena)
{
    arena_free(*arena);
}

static void own_problems(struct problems *problems)
{
    problems_done(problems);
}

/* The apps of the file, before it is known which of them the profile leaves. */
struct fleet_draft {
    struct app *apps;
    bool *right; /* of each: nothing was wrong in it */
    size_t count;
};

static int read_app(struct reader *reader, const struct place *place, const struct draft *defaults,
                    struct fleet_draft *fleet)
{
    int found = reader->problems->count;
    int r = app_read(reader, place, defaults, &fleet->apps[fleet->count]);

    fleet->right[fleet->count++] = reader->problems->count == found;
    return r;
}

/* list: an array of apps, or one app. */
static int read_apps(struct reader *reader, const cJSON *list, struct fleet_draft *ret)
{
    struct place apps = { .key = "apps", .value = list };
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 1;
    struct fleet_draft fleet = { .count = 0 };
    struct draft defaults;
    const cJSON *app;
    int r;

    if (n > MANIFEST_APPS_MAX)
        return problems_add(reader->problems, &apps, "%d apps, at most %d are read", n,
                            MANIFEST_APPS_MAX);
    fleet.apps = arena_alloc_array(reader->arena, (size_t)n, sizeof *fleet.apps);
    fleet.right = arena_alloc_array(reader->arena, (size_t)n, sizeof *fleet.right);
    if (!fleet.apps || !fleet.right)
        return -ENOMEM;
    r = app_defaults(reader, &defaults);
    app = cJSON_IsArray(list) ? list->child : list;
    for (int i = 0; r != -ENOMEM && i < n; i++, app = app->next) {
        struct place place = { .up = &apps, .index = i, .value = app };

        r = read_app(reader, &place, &defaults, &fleet);
    }
    if (r == -ENOMEM)
        return r;
    *ret = fleet;
    return 0;
}

/* Whether the object is an app, and not a misspelt {"apps": ...}. */
static bool has_script(const cJSON *file)
{
    const struct field *script = field_find(&app_fields, "script");

    for (const cJSON *member = file->child; member; member = member->next)
        if (field_find(&app_fields, member->string) == script)
            return true;
    return false;
}

/* Of PM2's deployment only the environment means something here. */
static int read_deploy(struct reader *reader, const struct place *place)
{
    int r = read_deploy_environment(reader, place);

    if (r == 0 && !reader->deploy_env[0])
        problems_note(reader->problems, place, "is accepted but means nothing here");
    return r;
}

static int read_socket_group(struct reader *reader, const struct place *place)
{
    int r = read_id(reader, NULL, place, &reader->socket_group);

    reader->socket_group_line = value_line(place->value);
    if (r == -EINVAL)
        return problems_add_wanted(reader->problems, place, "a group's name or number");
    return r;
}

/* {"apps": ...}: what PM2 and we have beside them. */
static int unwrap(struct reader *reader, const cJSON *file, const cJSON **ret)
{
    const cJSON *member;
    int r = 0;

    cJSON_ArrayForEach(member, file)
    {
        struct place place = { .key = member->string, .value = member };

        if (strcmp(member->string, "deploy") == 0)
            r = read_deploy(reader, &place);
        else if (strcmp(member->string, "socket_group") == 0)
            r = read_socket_group(reader, &place);
        else if (strcmp(member->string, "apps") != 0)
            (void)problems_add(reader->problems, &place,
                               field_find(&app_fields, member->string)
                                   ? "unknown beside \"apps\": it belongs into an app"
                                   : "unknown beside \"apps\"");
        if (r == -ENOMEM)
            return r;
    }
    *ret = json_get(file, "apps");
    return 0;
}

static int read_file(struct reader *reader, const cJSON *file, struct fleet_draft *ret)
{
    struct place apps = { .key = "apps", .value = file };
    struct place only = { .up = &apps, .value = file };
    const struct place *top = cJSON_IsArray(file) ? &apps : &only;
    bool wrapped = json_get(file, "apps");
    const cJSON *list = file;
    int r;

    r = manifest_json_find_repeated(file, wrapped ? NULL : top, reader->problems);
    if (r < 0)
        return r;
    if (wrapped) {
        r = unwrap(reader, file, &list);
        if (r < 0)
            return r;
        apps.value = list;
    } else if (cJSON_IsObject(file) && !has_script(file)) {
        return problems_add(reader->problems, NULL,
                            "line %d: neither \"apps\" nor, for a single app, \"script\" is in it",
                            value_line(file));
    }
    if (!cJSON_IsArray(list) && !cJSON_IsObject(list))
        return problems_add_wanted(reader->problems, &apps, "a list of apps, or one");
    return read_apps(reader, list, ret);
}

/* The apps of profile, in the order of the file. */
static int select_profile(struct reader *reader, const struct fleet_draft *fleet,
                          const char *profile, struct manifest *manifest)
{
    manifest->apps = arena_alloc_array(reader->arena, fleet->count, sizeof *manifest->apps);
    if (!manifest->apps)
        return -ENOMEM;
    for (size_t i = 0; i < fleet->count; i++)
        if (app_is_in_profile(&fleet->apps[i], profile))
            manifest->apps[manifest->count++] = fleet->apps[i];
    return 0;
}

/* Of a file with errors those apps that have none. */
static int select_right(struct reader *reader, const struct fleet_draft *fleet, const char *profile,
                        struct manifest *manifest)
{
    struct fleet_draft right = { .apps = fleet->apps };

    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->right[i])
            right.apps[right.count++] = fleet->apps[i];
    manifest->count = 0;
    return select_profile(reader, &right, profile, manifest);
}

/* What can be said once every app was read. A circle is looked for only among apps that are right
 * so far: their names have to be there, and to be unique. */
static int check_fleet(struct reader *reader, const struct fleet_draft *fleet, const char *profile,
                       struct manifest *manifest)
{
    int r = apps_check_names(reader, fleet->apps, fleet->count);

    if (r == 0)
        r = select_profile(reader, fleet, profile, manifest);
    if (r == 0)
        r = apps_check_order(reader, manifest->apps, manifest->count);
    return r == 0 ? apps_append_env(reader, manifest->apps, manifest->count) : r;
}

/* As PM2 does: one manifest of several may know the name. */
static void note_env_name(struct reader *reader)
{
    struct place place = { .key = "--env", .line = 1 };

    problems_note(reader->problems, &place, "no app has variables of that name");
}

/* With most, ret is filled for -EINVAL, too. */
static int parse(const struct manifest_source *source, bool most, struct manifest *ret,
                 struct buf *errors)
{
    OWN(problems) struct problems problems = { 0 };
    OWN(arena) struct arena *arena = arena_new(MANIFEST_ARENA_MAX);
    struct reader reader = { .arena = arena,
                             .problems = &problems,
                             .folder = source->folder,
                             .env_name = source->env_name,
                             .deploy_env = no_texts };
    struct manifest manifest = { .count = 0 };
    struct fleet_draft fleet = { .count = 0 };
    OWN(json) cJSON *file = NULL;
    int r;

    problems_init(&problems, errors);
    r = arena ? manifest_json_parse(source->text, source->n, &file, &problems) : -ENOMEM;
    if (r == 0)
        r = read_file(&reader, file, &fleet);
    if (r == 0)
        r = check_fleet(&reader, &fleet, source->profile, &manifest);
    if (r == 0 && source->env_name && !reader.env_found && !reader.deploy_env[0])
        note_env_name(&reader);
    if (r == -ENOMEM)
        (void)problems_add(&problems, NULL, "out of memory");
    if (r == -ENOMEM || r == -E2BIG) {
        (void)problems_conclude(&problems);
        return r;
    }
    r = problems_conclude(&problems);
    if (r < 0 && (!most || select_right(&reader, &fleet, source->profile, &manifest) < 0))
        return r;
    manifest.socket_group = reader.socket_group;
    manifest.socket_group_line = reader.socket_group_line;
    manifest.arena = TAKE(arena);
    *ret = manifest;
    return r;
}

int manifest_parse(const struct manifest_source *source, struct manifest *ret, struct buf *errors)
{
    return parse(source, false, ret, errors);
}

int manifest_parse_most(const struct manifest_source *source, struct manifest *ret,
                        struct buf *errors)
{
    return parse(source, true, ret, errors);
}

void manifest_free(struct manifest *manifest)
{
    arena_free(manifest->arena);
    *manifest = (struct manifest){ .count = 0 };
}

const struct app *manifest_find(const struct manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(manifest->apps[i].name, name) == 0)
            return &manifest->apps[i];
    return NULL;
}
