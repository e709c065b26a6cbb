/*
 * `opsctl check`: everything that is wrong with a manifest, before opsd reads it: what the parser
 * finds, and what only a look at the disk can tell, of all apps that can be read.
 */
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "credentials.h"
#include "environment.h"
#include "json.h"
#include "manifest_file.h"
#include "opsctl.h"
#include "own.h"
#include "socket_group.h"
#include "spawn.h"

enum { PROBLEMS_BYTES_MAX = 4 << 20 };

static void own_manifest(struct manifest *manifest)
{
    manifest_free(manifest);
}

/* One app, seen from the environment that it will run in. */
struct look {
    const struct app *app;
    struct environment env;
    struct buf *problems;
};

static void own_look(struct look *look)
{
    environment_done(&look->env);
}

/* Adds a problem in the parser's form: `mailer.script: … (line 41)`. */
static int add_problem(const struct look *look, const char *field, const char *what)
{
    return buf_printf(look->problems, "%s.%s: %s (line %d)\n", look->app->name, field, what,
                      look->app->line);
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

/* As opsd will look for it: a bare word in the worker's PATH, the rest from the worker's folder. */
static int look_for_program(const struct look *look, const char *name)
{
    OWN(free) char *file = NULL;

    if (name[0] != '/' && strchr(name, '/')) {
        if (asprintf(&file, "%s/%s", look->app->cwd, name) < 0)
            return -ENOMEM;
    } else {
        file = spawn_find_program(name, look->env.list);
    }
    return file ? look_at_file(file, X_OK) : -errno;
}

/* Says what r, the outcome of a look at thing, means. */
static int report_look(const struct look *look, const char *field, const char *thing, int r)
{
    char what[PATH_MAX + 128];

    if (r == 0)
        return 0;
    (void)snprintf(what, sizeof what, "%s: %s%s", thing, strerror(-r),
                   strchr(thing, '/') ? "" : " in PATH");
    return add_problem(look, field, what);
}

static int check_script(const struct look *look)
{
    const struct app *app = look->app;
    const char *program = app->interpreter ? app->interpreter : app->script;
    int r;

    r = report_look(look, app->interpreter ? "interpreter" : "script", program,
                    look_for_program(look, program));
    if (r < 0 || !app->interpreter || !strchr(app->script, '/'))
        return r;
    return report_look(look, "script", app->script, look_at_file(app->script, R_OK));
}

static int check_folder(const struct look *look)
{
    const char *folder = look->app->cwd;
    struct stat st;
    int r = 0;

    if (stat(folder, &st) < 0)
        r = -errno;
    else if (!S_ISDIR(st.st_mode))
        r = -ENOTDIR;
    return report_look(look, "cwd", folder, r);
}

static int check_ready(const struct look *look)
{
    const char *program = look->app->ready_exec[0];

    return program ? report_look(look, "ready.exec", program, look_for_program(look, program)) : 0;
}

/* Whether a file could be written there, in folders that are made where they are missing. Returns 0
 * or a negative errno. */
static int look_at_place(const char *path)
{
    OWN(free) char *place = strdup(path);
    struct stat st;
    char *slash;
    int r;

    if (!place)
        return -ENOMEM;
    r = stat(place, &st) < 0 ? -errno : 0;
    if (r == 0)
        return S_ISDIR(st.st_mode) ? -EISDIR : access(place, W_OK) < 0 ? -errno : 0;
    while (r == -ENOENT && (slash = strrchr(place, '/')) && slash != place) {
        *slash = '\0';
        r = stat(place, &st) < 0 ? -errno : 0;
    }
    if (r < 0)
        return r;
    return !S_ISDIR(st.st_mode) ? -ENOTDIR : access(place, W_OK | X_OK) < 0 ? -errno : 0;
}

static int check_files(const struct look *look)
{
    const struct app *app = look->app;
    const struct {
        const char *field, *path;
    } files[] = { { "out_file", app->out_file },
                  { "error_file", app->error_file },
                  { "log_file", app->log_file },
                  { "pid_file", app->pid_file } };
    int r = 0;

    for (size_t i = 0; i < sizeof files / sizeof files[0] && r == 0; i++)
        if (files[i].path)
            r = report_look(look, files[i].field, files[i].path, look_at_place(files[i].path));
    return r;
}

static int check_user(const struct look *look)
{
    struct credentials who = { 0 };
    struct err err;
    int r;

    if (!look->app->user && !look->app->group)
        return 0;
    r = credentials_find(look->app->user, look->app->group, &who, &err);
    if (r == 0)
        credentials_done(&who);
    if (r == 0 || r == -ENOMEM)
        return r;
    /* Which of the two fields it is stands in front already. */
    return buf_printf(look->problems, "%s.%s (line %d)\n", look->app->name, err.text,
                      look->app->line);
}

static int check_app(const struct app *app, struct buf *problems)
{
    static int (*const checks[])(const struct look *) = { check_script, check_folder, check_ready,
                                                          check_files, check_user };
    OWN(look) struct look look = { .app = app, .problems = problems };
    struct err err;
    int r;

    r = environment_init(&look.env);
    if (r < 0)
        return r;
    r = environment_add_app(&look.env, app, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        r = add_problem(&look, app->env_file ? "env_file" : "env", err.text);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && r == 0; i++)
        r = checks[i](&look);
    return r;
}

struct check {
    const char *file;
    struct buf problems, notes;
    size_t workers;
};

/* Where opsd writes what has no file of its own: logs/ beside the manifest. */
static int check_log_folder(struct check *check)
{
    OWN(free) char *place = NULL;
    int folder = (int)(strrchr(check->file, '/') - check->file), r;

    if (asprintf(&place, "%.*s/logs/NAME-out.log", folder, check->file) < 0)
        return -ENOMEM;
    r = look_at_place(place);
    return r < 0
               ? buf_printf(&check->problems, "%.*s/logs: %s\n", folder, check->file, strerror(-r))
               : 0;
}

/* Returns 0 with what was found in check, or a negative errno when it could not be looked at. */
static int check_file(struct check *check)
{
    OWN(manifest) struct manifest manifest = { 0 };
    int r;

    r = manifest_load_most(check->file, &manifest, &check->notes);
    if (r == 0)
        r = socket_group_check(&manifest, false, &check->notes);
    if (r < 0 && check->notes.len)
        r = buf_add(&check->problems, check->notes.p, check->notes.len);
    if (r == 0 && manifest.count)
        r = check_log_folder(check);
    check->workers = manifest.count;
    for (size_t i = 0; i < manifest.count && r == 0; i++)
        r = check_app(&manifest.apps[i], &check->problems);
    return r;
}

/* Each line of problems or notes, with the file's name before it; what could not be read names
 * itself. */
static void say_lines(const struct check *check, const char *kind, char *lines)
{
    char *rest = NULL;

    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '/')
            (void)complain(0, "%s", line);
        else
            (void)complain(0, "%s: %s%s", check->file, kind, line);
    }
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
