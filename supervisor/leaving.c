/* What was on its way out when opsd was killed. */
#include "leaving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instance_logs.h"
#include "json.h"
#include "own.h"

enum { PROBLEMS_MAX = 4096 };

/* --- what is left of an app that is in no manifest any more */

cJSON *leaving_print(const struct instance *i)
{
    OWN(free) char *out = instance_log_path(i, INSTANCE_LOG_OUT);
    OWN(free) char *err = instance_log_path(i, INSTANCE_LOG_ERR);
    cJSON *app = cJSON_CreateObject();

    (void)json_put_text(app, "out_file", out);
    (void)json_put_text(app, "error_file", err);
    (void)json_put_int(app, "kill_signal", i->app->kill_signal);
    (void)json_put_int(app, "kill_timeout", i->app->kill_timeout_ms);
    (void)json_put_bool(app, "treekill", i->app->treekill);
    (void)json_put_bool(app, "shutdown_with_message", i->app->shutdown_with_message);
    return app;
}

/* A manifest of that app alone. Nobody starts it, so it needs no program of its own. */
static struct generation *make_generation(const char *name, const cJSON *said)
{
    OWN(json) cJSON *app = said ? cJSON_Duplicate(said, true) : cJSON_CreateObject();
    struct fleet_source *source = source_new(NULL, NULL);
    struct generation *made = NULL;
    OWN_BUF struct buf problems = { 0 };

    buf_init(&problems, PROBLEMS_MAX);
    if (source && json_put_text(app, "name", name) && json_put_text(app, "script", "/bin/true")) {
        source->text = (struct manifest_text){ .text = cJSON_PrintUnformatted(app),
                                               .folder = strdup("/") };
        source->text.n = source->text.text ? strlen(source->text.text) : 0;
        if (source->text.text && source->text.folder && source_parse(source, &problems) == 0) {
            made = generation_ref(source->generation);
        }
    }
    source_free(source);
    return made;
}

/* --- what the journal says */

static struct leaving_one *find(const struct leaving *leaving, const struct record_key *key)
{
    for (size_t k = 0; k < leaving->count; k++) {
        struct leaving_one *one = &leaving->list[k];

        if (one->key.number == key->number && one->key.variant == key->variant &&
            strcmp(one->key.name, key->name) == 0)
            return one;
    }
    return NULL;
}

static int put(struct leaving *leaving, struct leaving_one *known, const struct leaving_one *one)
{
    struct leaving_one *list;

    if (known) {
        *known = *one;
        return 1;
    }
    if (leaving->count == leaving->room) {
        list = realloc(leaving->list, (leaving->room * 2 + 16) * sizeof *list);
        if (!list)
            return -ENOMEM;
        leaving->list = list;
        leaving->room = leaving->room * 2 + 16;
    }
    leaving->list[leaving->count++] = *one;
    return 1;
}

int leaving_note(struct leaving *leaving, const struct fleet *fleet, const cJSON *line,
                 const struct record_key *key)
{
    struct leaving_one *known = find(leaving, key);
    bool leaves = key->hidden || !fleet_present(fleet, key->name, key->number);

    if (leaves && !key->gone)
        return put(leaving, known, &(struct leaving_one){ *key, line });
    /* It is gone, or became the one that counts. */
    if (known)
        *known = leaving->list[--leaving->count];
    return leaves;
}

void leaving_done(struct leaving *leaving)
{
    free(leaving->list);
    *leaving = (struct leaving){ 0 };
}

/* --- the instances */

static struct instance *make(struct fleet *fleet, const struct leaving_one *one)
{
    struct generation *generation = NULL, *made = NULL;
    const struct app *app = sources_find(&fleet->sources, one->key.name, &generation);
    struct instance *i = NULL;

    if (!app) {
        generation = made = make_generation(one->key.name, json_get(one->line, "app"));
        app = made ? &made->manifest.apps[0] : NULL;
    }
    if (app)
        i = instance_new(fleet, generation, app, one->key.number);
    generation_unref(made);
    if (!i || fleet_add(fleet, i) == 0)
        return i;
    instance_free(i);
    return NULL;
}

void leaving_add(const struct leaving *leaving, struct fleet *fleet)
{
    int64_t keeper;

    for (size_t k = 0; k < leaving->count; k++) {
        const struct leaving_one *one = &leaving->list[k];
        struct instance *i = NULL;

        if (json_get_id(one->line, "keeper", &keeper) == 0 && keeper > 0)
            i = make(fleet, one);
        if (!i)
            continue;
        record_parse(one->line, i);
        i->recorded = i->retiring = i->stop_asked = true;
        i->machine.wanted = false;
    }
}
