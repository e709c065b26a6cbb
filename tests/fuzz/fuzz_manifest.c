/* Any bytes as a manifest: refused in words, or a fleet whose promises (manifest.h) hold. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "manifest.h"

enum { PROBLEMS_BYTES_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a list to its end, so that the sanitizer sees every byte of it. */
static size_t bytes_of(texts list)
{
    size_t n = 0;

    assert(list);
    for (; *list; list++)
        n += strlen(*list);
    return n;
}

static void check_app(const struct manifest *manifest, const struct app *app)
{
    assert(manifest_find(manifest, app->name) == app);
    assert(app->line >= 1);
    assert(app->cwd[0] == '/');
    assert(app->script[0] == '/' || (!strchr(app->script, '/') && !app->interpreter));
    assert(bytes_of(app->args) + bytes_of(app->env) + bytes_of(app->interpreter_args) +
               bytes_of(app->profiles) + bytes_of(app->ready_exec) <
           (size_t)2 * MANIFEST_BYTES_MAX);
    assert(bytes_of(app->filter_env) + bytes_of(app->watch_paths) + bytes_of(app->watch_ignore) <
           (size_t)4 * MANIFEST_BYTES_MAX);
    assert(!app->shell_env[0]);
    assert((app->ready == READY_EXEC) == (app->ready_exec[0] != NULL));
    assert((app->ready_text != NULL) ==
           (app->ready == READY_UNIX || app->ready == READY_HTTP || app->ready == READY_LOG));
    assert(app->ready != READY_FD ||
           (size_t)app->ready_number >= LISTEN_FDS_START + app->listen_count);
    assert(app->watch == (app->watch_paths[0] != NULL));
    assert(!app->scheduled || !app->cron_restart_text);
    assert(app->listen_count <= MANIFEST_LISTEN_MAX);
    for (size_t i = 0; i < app->listen_count; i++)
        assert(app->listen[i].text && app->listen[i].length > sizeof(sa_family_t));
    assert(app_same_process(app, app));
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        assert(app->bounds.limits[i] >= LIMIT_INHERITED);
    assert(app->restart.backoff.initial_ms <= app->restart.backoff.max_ms);
    assert(app->scheduled == (app->schedule_text != NULL));
    for (size_t i = 0; i < app->depends_count; i++)
        assert(manifest_find(manifest, app->depends_on[i].name));
}

/* Whatever two apps differ in is told alike from both sides. */
static size_t compare(const struct app *a, const struct app *b)
{
    size_t here = 0, there = 0, n = 0;
    const char *name, *back;
    bool restart, restart_back;

    do {
        name = app_difference(a, b, &here, &restart);
        back = app_difference(b, a, &there, &restart_back);
        assert(name == back && (!name || restart == restart_back));
    } while (name && ++n);
    assert(n || app_same_process(a, b));
    return n;
}

/* Of a text with errors: what is right by itself can be looked at. */
static void check_most(const struct manifest_source *source)
{
    struct manifest manifest = { .count = 0 };
    struct buf problems;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    (void)manifest_parse_most(source, &manifest, &problems);
    for (size_t i = 0; i < manifest.count; i++)
        assert(manifest.apps[i].name[0] && manifest.apps[i].script[0] &&
               manifest.apps[i].cwd[0] == '/' && manifest.apps[i].ready_exec);
    manifest_free(&manifest);
    buf_done(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_source source = { .text = (const char *)data,
                                      .n = size,
                                      .folder = "/srv/fleet",
                                      .profile = "embedded",
                                      .env_name = "production" };
    struct manifest manifest = { .count = SIZE_MAX };
    struct buf problems;
    int r;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    r = manifest_parse(&source, &manifest, &problems);
    assert(problems.len == 0 || problems.p[problems.len - 1] == '\n');
    if (r < 0) {
        assert(problems.len > 0 && manifest.count == SIZE_MAX);
        check_most(&source);
    } else {
        for (size_t i = 0; i < manifest.count; i++)
            check_app(&manifest, &manifest.apps[i]);
        for (size_t i = 1; i < manifest.count; i++)
            (void)compare(&manifest.apps[i - 1], &manifest.apps[i]);
        manifest_free(&manifest);
    }
    buf_done(&problems);
    return 0;
}
