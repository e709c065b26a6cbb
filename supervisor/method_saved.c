/*
 * save and resurrect: which workers were wanted at a moment that a person chose.
 *
 * What the fleet does is kept by the journal anyway; this is a copy to come back to. It is replaced
 * by rename(2), and the one before stays beside it: a file that was cut or lost is not taken for an
 * empty fleet.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "instant.h"
#include "json.h"
#include "log.h"
#include "methods.h"
#include "own.h"

enum { SAVED_BYTES_MAX = 4 << 20 };

#define SAVED "saved.json"
#define SAVED_NEW "saved.json.new"
#define SAVED_OLD "saved.json.old"

static char *path_of(const struct fleet *fleet, const char *file)
{
    char *path;

    return asprintf(&path, "%s/%s", fleet->home->path, file) < 0 ? NULL : path;
}

/* Returns 0 with the document, whose "workers" is a list; else reterr names the file. */
static int read_saved(const struct fleet *fleet, const char *file, cJSON **ret, struct err *reterr)
{
    OWN(free) char *path = path_of(fleet, file);
    OWN(free) char *text = NULL;
    OWN(json) cJSON *document = NULL;
    struct err why;
    size_t n;
    int r;

    if (!path)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = file_read(path, SAVED_BYTES_MAX, &text, &n);
    if (r < 0)
        return err_set(reterr, r, "%s: %s", path, strerror(-r));
    r = json_parse(text, n, &document, &why);
    if (r < 0)
        return err_set(reterr, r, "%s is damaged: %s", path, why.text);
    if (!cJSON_IsArray(json_get(document, "workers")))
        return err_set(reterr, -EINVAL, "%s is damaged: no list of workers", path);
    *ret = TAKE(document);
    return 0;
}

/* --- save */

static cJSON *print_saved(const struct fleet *fleet, int *ret_wanted)
{
    cJSON *document = cJSON_CreateObject(), *workers = cJSON_CreateArray(), *row;

    *ret_wanted = 0;
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];
        bool wanted = i->machine.wanted && !i->stop_asked;

        if (!instance_is_member(i))
            continue;
        *ret_wanted += wanted;
        row = cJSON_CreateObject();
        (void)json_put_text(row, "name", i->app->name);
        (void)json_put_int(row, "instance", i->number);
        (void)json_put_bool(row, "wanted", wanted);
        (void)cJSON_AddItemToArray(workers, row);
    }
    report_instant(document, "saved", instant_now());
    (void)json_put(document, "workers", workers);
    return document;
}

/* What is good now becomes the old one only when the new one is whole on the disk. */
static int write_saved(const struct fleet *fleet, const char *text, struct err *reterr)
{
    OWN(free) char *path = path_of(fleet, SAVED);
    OWN(free) char *fresh = path_of(fleet, SAVED_NEW);
    OWN(free) char *old = path_of(fleet, SAVED_OLD);
    OWN(json) cJSON *present = NULL;
    int r;

    if (!path || !fresh || !old)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = file_replace(fresh, text, strlen(text), 0600);
    if (r < 0)
        return err_set(reterr, r, "%s: %s", fresh, strerror(-r));
    if (read_saved(fleet, SAVED, &present, NULL) == 0 && rename(path, old) < 0)
        return err_set(reterr, -errno, "%s: %s", old, strerror(errno));
    return rename(fresh, path) < 0 ? err_set(reterr, -errno, "%s: %s", path, strerror(errno)) : 0;
}

void method_save(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    int wanted, r;
    OWN(json) cJSON *document = print_saved(fleet, &wanted);
    OWN(free) char *text = cJSON_PrintUnformatted(document);
    OWN(free) char *path = path_of(fleet, SAVED);
    struct err why;
    cJSON *result;

    r = text ? write_saved(fleet, text, &why) : err_set(&why, -ENOMEM, "out of memory");
    if (r < 0) {
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put_text(result, "file", path);
    (void)json_put_int(result, "wanted", wanted);
    connection_result(connection, request->id, result);
}

/* --- resurrect */

static void add_note(cJSON *notes, const char *text)
{
    (void)cJSON_AddItemToArray(notes, json_lossy_text(text, strlen(text)));
}

/* The last one that can be read. */
static int read_last(const struct fleet *fleet, cJSON *notes, cJSON **ret, struct err *reterr)
{
    char note[sizeof reterr->text + 64];
    struct err now, before;
    int r = read_saved(fleet, SAVED, ret, &now);

    if (r == 0)
        return 0;
    if (read_saved(fleet, SAVED_OLD, ret, &before) < 0)
        return err_set(reterr, r, "nothing to resurrect: %s", now.text);
    (void)snprintf(note, sizeof note, "%s; the one before it is used", now.text);
    log_warn("saved workers", LOG_TEXT("why", note));
    add_note(notes, note);
    return 0;
}

static void mark_saved(struct fleet *fleet, const cJSON *saved, cJSON *notes)
{
    const cJSON *row;
    char note[256];

    cJSON_ArrayForEach(row, json_get(saved, "workers"))
    {
        const char *name = json_get_text(row, "name");
        struct instance *i;
        int64_t number;

        if (!name || json_get_id(row, "instance", &number) < 0 || !json_get_bool(row, "wanted"))
            continue;
        i = fleet_member(fleet, name, (int)number);
        if (i) {
            mark_start(i);
            continue;
        }
        (void)snprintf(note, sizeof note,
                       "%.128s:%lld was saved, but the manifest has it no more; it is left out",
                       name, (long long)number);
        add_note(notes, note);
    }
}

/* Just when this asks, what was marked is wanted. */
static bool select_wanted(const cJSON *params, const struct instance *i)
{
    (void)params;
    return instance_is_member(i) && i->machine.wanted && !i->stop_asked;
}

static const struct await_kind resurrected = { .selects = select_wanted,
                                               .test = await_tried,
                                               .patience_ms = AWAIT_START_MS,
                                               .once = true,
                                               .with_lines = true,
                                               .failed = "did not come up",
                                               .late = "did not come up in time" };

void method_resurrect(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *notes = NULL;
    OWN(json) cJSON *saved = NULL;
    struct err why;
    cJSON *result;

    if (!methods_load_files(connection, request, &notes))
        return;
    if (read_last(fleet, notes, &saved, &why) < 0) {
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        return;
    }
    mark_saved(fleet, saved, notes);
    start_marked(fleet);
    result = cJSON_CreateObject();
    (void)json_put(result, "notes", TAKE(notes));
    await(connection, request, &resurrected, result);
}
