/* Where the fleet's apps come from. */
#include "sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"
#include "json.h"
#include "own.h"
#include "socket_group.h"
#include "text.h"

#define FILE_NAME "manifest"

/* As JSON a text may be twice as long, or longer where it is full of control characters. */
enum { FILE_BYTES_MAX = 8 * MANIFEST_BYTES_MAX };

struct generation *generation_ref(struct generation *generation)
{
    generation->references++;
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (!generation || --generation->references > 0)
        return;
    manifest_free(&generation->manifest);
    free(generation);
}

/* --- one source */

struct fleet_source *source_new(const char *path, cJSON *only)
{
    struct fleet_source *source = calloc(1, sizeof *source);

    if (source && path)
        source->path = strdup(path);
    if (!source || (path && !source->path)) {
        free(source);
        cJSON_Delete(only);
        return NULL;
    }
    source->only = only;
    return source;
}

void source_free(struct fleet_source *source)
{
    if (!source)
        return;
    generation_unref(source->generation);
    manifest_text_done(&source->text);
    cJSON_Delete(source->only);
    free(source->notes);
    free(source->path);
    free(source);
}

void sources_free_list(struct fleet_source *first)
{
    struct fleet_source *next;

    for (; first; first = next) {
        next = first->next;
        source_free(first);
    }
}

static uLong add_to_sum(uLong sum, const char *text_or_null)
{
    const char *text = text_or_null ? text_or_null : "";

    return crc32_z(sum, (const Bytef *)text, strlen(text) + 1);
}

/* Two readings of the same text are one. */
static int64_t number_of(const struct manifest_text *text)
{
    uLong sum = add_to_sum(0, text->text);

    sum = add_to_sum(sum, text->folder);
    sum = add_to_sum(sum, text->profile);
    return (int64_t)add_to_sum(sum, text->env_name) + 1;
}

int source_parse(struct fleet_source *source, struct buf *problems)
{
    struct generation *generation = calloc(1, sizeof *generation);
    size_t before = problems->len;
    int r;

    if (!generation)
        return -ENOMEM;
    r = manifest_text_parse(&source->text, &generation->manifest, problems);
    if (r < 0) {
        free(generation);
        return r;
    }
    generation->references = 1;
    generation->reading = number_of(&source->text);
    generation_unref(source->generation);
    source->generation = generation;
    free(source->notes);
    source->notes = problems->len > before ? strdup(problems->p + before) : NULL;
    return 0;
}

int source_read(struct fleet_source *source, struct buf *problems)
{
    struct manifest_text text, before = source->text;
    int r;

    r = manifest_text_read(source->path, before.env_name, &text, problems);
    if (r < 0)
        return r;
    source->text = text;
    r = source_parse(source, problems);
    if (r == 0)
        r = socket_group_check(&source->generation->manifest, true, problems);
    manifest_text_done(r < 0 ? &text : &before);
    if (r < 0)
        source->text = before;
    return r;
}

static bool says_the_same(const struct fleet_source *source, const struct manifest_text *text)
{
    return source->generation && text_same(source->text.text, text->text) &&
           text_same(source->text.folder, text->folder) &&
           text_same(source->text.profile, text->profile);
}

int source_has_news(const struct fleet_source *source, struct buf *problems)
{
    struct manifest_text text;
    int r;

    r = manifest_text_read(source->path, source->text.env_name, &text, problems);
    if (r < 0)
        return r;
    r = !says_the_same(source, &text);
    manifest_text_done(&text);
    if (r == 0)
        r = socket_group_check(&source->generation->manifest, true, problems);
    if (r == 0 && source->notes)
        (void)buf_add_text(problems, source->notes);
    return r;
}

static bool is_of_source(const struct fleet_source *source, const char *name)
{
    const cJSON *only;

    if (!source->only)
        return true;
    cJSON_ArrayForEach(only, source->only)
    {
        if (cJSON_IsString(only) && strcmp(only->valuestring, name) == 0)
            return true;
    }
    return false;
}

const struct app *source_find(const struct fleet_source *source, const char *name)
{
    return source->generation && is_of_source(source, name)
               ? manifest_find(&source->generation->manifest, name)
               : NULL;
}

/* --- all of them */

static bool is_same(const struct fleet_source *a, const struct fleet_source *b)
{
    if (a->path || b->path)
        return text_same(a->path, b->path);
    return a->generation && b->generation && b->generation->manifest.count &&
           source_find(a, b->generation->manifest.apps[0].name);
}

void sources_put(struct sources *sources, struct fleet_source *source)
{
    struct fleet_source **p = &sources->first, *old;

    while (*p && !is_same(*p, source))
        p = &(*p)->next;
    old = *p;
    source->next = old ? old->next : NULL;
    *p = source;
    if (!old)
        return;
    old->next = sources->past;
    sources->past = old;
}

struct fleet_source *sources_of(const struct sources *sources, const char *name)
{
    struct fleet_source *last = NULL;

    for (struct fleet_source *s = sources->first; s; s = s->next)
        if (source_find(s, name))
            last = s;
    return last;
}

const struct app *sources_find(const struct sources *sources, const char *name,
                               struct generation **ret)
{
    const struct fleet_source *source = sources_of(sources, name);

    if (!source)
        return NULL;
    *ret = source->generation;
    return source_find(source, name);
}

bool sources_hold(const struct sources *sources, const struct fleet_source *source,
                  const struct app *app)
{
    const struct fleet_source *later = source->next;

    while (later && !source_find(later, app->name))
        later = later->next;
    return !later && is_of_source(source, app->name) && !json_get(sources->deleted, app->name);
}

int sources_instances(const struct sources *sources, const struct app *app)
{
    int count = app->instances;
    int64_t scaled;

    if (json_get_id(sources->scales, app->name, &scaled) == 0 && scaled >= 1 &&
        scaled <= MANIFEST_INSTANCES_MAX)
        return (int)scaled;
    if (count <= 0)
        count += (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? count : 1;
}

void sources_done(struct sources *sources)
{
    sources_free_list(sources->first);
    sources_free_list(sources->past);
    cJSON_Delete(sources->deleted);
    cJSON_Delete(sources->scales);
    cJSON_Delete(sources->environments);
    *sources = (struct sources){ 0 };
}

/* --- in the home */

static char *path_in(const struct home *home)
{
    char *path;

    return asprintf(&path, "%s/" FILE_NAME, home->path) < 0 ? NULL : path;
}

/* The builders return false when memory ran out: nothing that lacks a source may be kept in the
 * place of what is whole. */
static bool put_copy(cJSON *document, const char *name, const cJSON *object_or_null)
{
    return !object_or_null || json_put(document, name, cJSON_Duplicate(object_or_null, true));
}

static bool add_source(cJSON *list, const struct fleet_source *source)
{
    cJSON *object = cJSON_CreateObject();
    bool whole = json_put_text(object, "path", source->path) &&
                 put_copy(object, "only", source->only) &&
                 json_put_text(object, "folder", source->text.folder) &&
                 json_put_text(object, "profile", source->text.profile) &&
                 json_put_text(object, "env_name", source->text.env_name) &&
                 json_put_text(object, "text", source->text.text) &&
                 cJSON_AddItemToArray(list, object);

    if (!whole)
        cJSON_Delete(object);
    return whole;
}

static bool put_list(cJSON *document, const char *name, const struct fleet_source *first)
{
    cJSON *list = cJSON_CreateArray();
    bool whole = list;

    for (const struct fleet_source *s = first; s && whole; s = s->next)
        whole = add_source(list, s);
    return json_put(document, name, list) && whole;
}

static char *print_sources(const struct sources *sources, const struct home *home)
{
    OWN(json) cJSON *document = cJSON_CreateObject();
    bool whole = json_put_text(document, "manifest", home->manifest) &&
                 put_list(document, "sources", sources->first) &&
                 put_list(document, "past", sources->past) &&
                 put_copy(document, "deleted", sources->deleted) &&
                 put_copy(document, "scales", sources->scales) &&
                 put_copy(document, "environments", sources->environments);

    return whole ? cJSON_PrintUnformatted(document) : NULL;
}

int sources_write(const struct sources *sources, const struct home *home)
{
    OWN(free) char *path = path_in(home), *bytes = print_sources(sources, home);

    return path && bytes ? file_replace(path, bytes, strlen(bytes), 0600) : -ENOMEM;
}

/* Sets *ret to a copy of the member, or leaves it NULL where there is none. */
static int copy(const cJSON *object, const char *name, char **ret)
{
    const char *text = json_get_text(object, name);

    if (text)
        *ret = strdup(text);
    return !text || *ret ? 0 : -ENOMEM;
}

/* Returns 0, -EBADMSG for what is no source, or -ENOMEM. */
static int parse_source(const cJSON *object, struct fleet_source **ret)
{
    const cJSON *only = json_get(object, "only");
    cJSON *names = only ? cJSON_Duplicate(only, true) : NULL;
    struct fleet_source *source = source_new(json_get_text(object, "path"), names);
    int r = 0;

    if (!source || (only && !names) || copy(object, "text", &source->text.text) < 0 ||
        copy(object, "folder", &source->text.folder) < 0 ||
        copy(object, "profile", &source->text.profile) < 0 ||
        copy(object, "env_name", &source->text.env_name) < 0)
        r = -ENOMEM;
    else if (!source->text.text || !source->text.folder)
        r = -EBADMSG;
    if (r < 0) {
        source_free(source);
        return r;
    }
    source->text.n = strlen(source->text.text);
    *ret = source;
    return 0;
}

/* What is no source is left out. */
static int parse_sources(const cJSON *list, struct fleet_source **ret)
{
    struct fleet_source **last = ret;
    const cJSON *item;
    int r = 0;

    *ret = NULL;
    cJSON_ArrayForEach(item, list)
    {
        if (r != -ENOMEM)
            r = parse_source(item, last);
        if (r == 0)
            last = &(*last)->next;
    }
    return r == -ENOMEM ? r : 0;
}

static cJSON *take_object(cJSON *document, const char *name)
{
    cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(document, name);

    if (cJSON_IsObject(member))
        return member;
    cJSON_Delete(member);
    return NULL;
}

int sources_load(struct sources *sources, struct home *home)
{
    OWN(free) char *path = path_in(home), *bytes = NULL;
    OWN(json) cJSON *document = NULL;
    struct sources loaded = { 0 };
    size_t n;
    int r;

    if (!path)
        return -ENOMEM;
    r = file_read(path, FILE_BYTES_MAX, &bytes, &n);
    if (r == 0)
        r = json_parse(bytes, n, &document, NULL);
    if (r == 0)
        r = parse_sources(json_get(document, "sources"), &loaded.first);
    if (r == 0)
        r = parse_sources(json_get(document, "past"), &loaded.past);
    if (r == 0 && !home->manifest)
        r = copy(document, "manifest", &home->manifest);
    if (r < 0) {
        sources_done(&loaded);
        return r;
    }
    loaded.deleted = take_object(document, "deleted");
    loaded.scales = take_object(document, "scales");
    loaded.environments = take_object(document, "environments");
    *sources = loaded;
    return 0;
}
