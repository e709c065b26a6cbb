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
    assert((app->ready == READY_EXEC) == (app->ready_exec[0] != NULL));
    assert(app->restart.backoff.initial_ms <= app->restart.backoff.max_ms);
    assert(app->scheduled == (app->schedule_text != NULL));
    for (size_t i = 0; i < app->depends_count; i++)
        assert(manifest_find(manifest, app->depends_on[i].name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest_source source = {
        .text = (const char *)data, .n = size, .folder = "/srv/fleet", .profile = "embedded"
    };
    struct manifest manifest = { .count = SIZE_MAX };
    struct buf problems;
    int r;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    r = manifest_parse(&source, &manifest, &problems);
    assert(problems.len == 0 || problems.p[problems.len - 1] == '\n');
    if (r < 0) {
        assert(problems.len > 0 && manifest.count == SIZE_MAX);
    } else {
        for (size_t i = 0; i < manifest.count; i++)
            check_app(&manifest, &manifest.apps[i]);
        manifest_free(&manifest);
    }
    buf_done(&problems);
    return 0;
}
