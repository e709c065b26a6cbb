/*
 * `opsctl check`: everything that is wrong with a manifest, before opsd reads it: what the parser
 * finds, and what only a look at the disk can tell.
 */
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "manifest.h"
#include "opsctl.h"
#include "own.h"
#include "zone.h"

enum { PROBLEMS_BYTES_MAX = 4 << 20 };

static void own_manifest(struct manifest *manifest)
{
    manifest_free(manifest);
}

/* Adds a problem in the parser's form: `mailer.script: … (line 41)`. */
static int add_problem(struct buf *problems, const struct app *app, const char *field,
                       const char *what)
{
    return buf_printf(problems, "%s.%s: %s (line %d)\n", app->name, field, what, app->line);
}

/* Whether it is a file that mode (X_OK, R_OK) permits. Returns 0 or a negative errno. */
static int look_at_file(const char *path, int mode)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    return access(path, mode) < 0 ? -errno : 0;
}

/* A bare word is looked up in PATH as execvp(3) does. */
static int look_for_program(const char *name)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];
    size_t n;

    if (strchr(name, '/'))
        return look_at_file(name, X_OK);
    for (; path && *path; path += n + (path[n] == ':')) {
        n = strcspn(path, ":");
        (void)snprintf(file, sizeof file, "%.*s/%s", (int)n, path, name);
        if (look_at_file(file, X_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

static int check_program(const struct app *app, const char *field, const char *program, int r,
                         struct buf *problems)
{
    char what[PATH_MAX + 128];

    if (r == 0)
        return 0;
    (void)snprintf(what, sizeof what, "%s: %s%s", program, strerror(-r),
                   strchr(program, '/') ? "" : " in PATH");
    return add_problem(problems, app, field, what);
}

static int check_script(const struct app *app, struct buf *problems)
{
    int r;

    if (!app->interpreter)
        return check_program(app, "script", app->script, look_for_program(app->script), problems);
    r = check_program(app, "interpreter", app->interpreter, look_for_program(app->interpreter),
                      problems);
    if (r < 0 || !strchr(app->script, '/'))
        return r;
    return check_program(app, "script", app->script, look_at_file(app->script, R_OK), problems);
}

static int check_folder(const struct app *app, struct buf *problems)
{
    struct stat st;
    int r = 0;

    if (stat(app->cwd, &st) < 0)
        r = -errno;
    else if (!S_ISDIR(st.st_mode))
        r = -ENOTDIR;
    return check_program(app, "cwd", app->cwd, r, problems);
}

static int check_app(const struct app *app, struct buf *problems)
{
    const struct zone *zone;
    struct err err;
    int r = 0;

    if (app->timezone && zone_open(app->timezone, &zone, &err) < 0)
        r = add_problem(problems, app, "timezone", err.text);
    if (r == 0)
        r = check_script(app, problems);
    return r < 0 ? r : check_folder(app, problems);
}

struct check {
    const char *file;
    struct buf problems, notes;
    size_t workers;
};

/* Returns 0 with what was found in check, or a negative errno when it could not be looked at. */
static int check_file(struct check *check)
{
    OWN(manifest) struct manifest manifest = { 0 };
    OWN(free) char *text = NULL;
    OWN(free) char *folder = NULL;
    size_t n;
    int r;

    r = file_read(check->file, MANIFEST_BYTES_MAX, &text, &n);
    if (r < 0)
        return r;
    folder = strndup(check->file, (size_t)(strrchr(check->file, '/') - check->file));
    if (!folder)
        return -ENOMEM;
    r = manifest_parse(text, n, folder[0] ? folder : "/", getenv("OPS_PROFILE"), &manifest,
                       &check->notes);
    if (r == -EINVAL || r == -E2BIG)
        return buf_add(&check->problems, check->notes.p, check->notes.len);
    check->workers = manifest.count;
    for (size_t i = 0; i < manifest.count && r == 0; i++)
        r = check_app(&manifest.apps[i], &check->problems);
    return r;
}

/* Each line of problems or notes, with the file's name before it. */
static void say_lines(const struct check *check, const char *kind, char *lines)
{
    char *rest = NULL;

    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        (void)complain(0, "%s: %s%s", check->file, kind, line);
}

static int print_document(const struct check *check)
{
    OWN(json) cJSON *document = cJSON_CreateObject();
    OWN(json) cJSON *problems = cJSON_CreateArray();
    char *rest = NULL, *line = check->problems.len ? check->problems.p : NULL;

    for (line = line ? strtok_r(line, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        (void)cJSON_AddItemToArray(problems, cJSON_CreateString(line));
    if (!document || !json_put_text(document, "file", check->file) ||
        !json_put_int(document, "workers", (int64_t)check->workers) ||
        !json_put(document, "problems", TAKE(problems)))
        return complain(EXIT_FAILED, "out of memory");
    return print_json(document);
}

static int report(const struct check *check, bool json)
{
    bool fine = !check->problems.len;
    int r = EXIT_DONE;

    if (json)
        r = print_document(check);
    else if (!fine)
        say_lines(check, "", check->problems.p);
    if (!json && fine && check->notes.len)
        say_lines(check, "note: ", check->notes.p);
    if (!json && fine)
        (void)printf("%s: %zu worker%s, fine\n", check->file, check->workers,
                     check->workers == 1 ? "" : "s");
    return fine ? r : EXIT_FAILED;
}

int command_check(struct session *s)
{
    const char *named = s->args->count ? s->args->words[0] : NULL;
    struct check check = { 0 };
    struct err err;
    int r;

    if (home_find(s->args->home, named, &s->home, &err) < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    check.file = s->home.manifest;
    if (!check.file)
        return complain(EXIT_FAILED, "no ecosystem.json in this folder or above it: name a file");
    buf_init(&check.problems, PROBLEMS_BYTES_MAX);
    buf_init(&check.notes, PROBLEMS_BYTES_MAX);
    r = check_file(&check);
    r = r < 0 ? complain(EXIT_FAILED, "%s: %s", check.file, strerror(-r))
              : report(&check, s->args->json);
    buf_done(&check.problems);
    buf_done(&check.notes);
    return r;
}
