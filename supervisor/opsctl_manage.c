/*
 * `opsctl COMMAND ...` for what is no command of opsctl's own: the management command of that name
 * takes opsctl's place, in the environment that the workers of its app have.
 *
 * A variable of the caller's shell wins; then come the app's workers in the manifest, env before
 * env_file; then the .env beside it. The working folder stays the caller's: files that he names
 * are his.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envfile.h"
#include "libexec.h"
#include "manifest_file.h"
#include "opsctl.h"
#include "own.h"
#include "text.h"

enum {
    PROBLEMS_BYTES_MAX = 64 << 10,
    NEAR_MAX = 256, /* words that "did you mean" looks through */
};

static void own_manifest(struct manifest *manifest)
{
    manifest_free(manifest);
}

static int set_missing(void *context, const char *name, const char *value)
{
    (void)context;
    return setenv(name, value, 0) < 0 ? -errno : 0;
}

/* --- the app's variables, from the manifest */

/* Whether a worker of the app says something else of the variable. */
static bool is_disputed(const struct manifest *manifest, const char *space, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;

    for (size_t i = 0; i < manifest->count; i++) {
        if (strcmp(manifest->apps[i].space, space) != 0)
            continue;
        for (texts other = manifest->apps[i].env; *other; other++) {
            if (strncmp(*other, entry, n) == 0 && strcmp(*other, entry) != 0)
                return true;
        }
    }
    return false;
}

/* A variable that the app's workers do not agree on is one worker's own, not the app's. */
static int add_env(const struct manifest *manifest, const struct app *app)
{
    int r = 0;

    for (texts entry = app->env; *entry && r == 0; entry++) {
        OWN(free) char *name = strndup(*entry, strcspn(*entry, "="));

        if (!name)
            return -ENOMEM;
        if (!is_disputed(manifest, app->space, *entry))
            r = set_missing(NULL, name, *entry + strlen(name) + 1);
    }
    return r;
}

/* What is wrong with a file, the worker that needs it tells at its start. */
static int add_env_file(const struct manifest *manifest, const struct app *app)
{
    struct err err;

    (void)manifest;
    if (!app->env_file)
        return 0;
    return envfile_read(app->env_file, set_missing, NULL, NULL, &err) == -ENOMEM ? -ENOMEM : 0;
}

typedef int add_part(const struct manifest *manifest, const struct app *app);

static int add_part_of_all(const struct manifest *manifest, const char *space, add_part *add)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest->count; i++) {
        if (strcmp(manifest->apps[i].space, space) == 0)
            r = add(manifest, &manifest->apps[i]);
    }
    return r;
}

static int add_app(const char *manifest_path, const char *space)
{
    OWN(manifest) struct manifest manifest = { 0 };
    OWN_BUF struct buf problems = { 0 };
    int r;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    r = manifest_load(manifest_path, &manifest, &problems);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        (void)complain(0, "%s is wrong (see: opsctl check); going on without what it says",
                       manifest_path);
    r = add_part_of_all(&manifest, space, add_env);
    return r == 0 ? add_part_of_all(&manifest, space, add_env_file) : r;
}

/* A command reads the .env of the folder that it is in by itself; this is for all other folders. */
static int add_dot_env(const char *manifest_path)
{
    OWN(free) char *path = NULL;
    struct err err;
    int r;

    if (asprintf(&path, "%.*s.env", (int)(strrchr(manifest_path, '/') + 1 - manifest_path),
                 manifest_path) < 0)
        return -ENOMEM;
    r = envfile_read(path, set_missing, NULL, NULL, &err);
    if (r == -EINVAL)
        (void)complain(0, "%s; going on without it", err.text);
    return r == -ENOMEM ? r : 0;
}

static int make_environment(const struct home *home, const char *app)
{
    int r = setenv("OPS_HOME", home->path, 1) < 0 ? -errno : 0;

    if (r == 0 && home->manifest)
        r = add_app(home->manifest, app);
    if (r == 0 && home->manifest)
        r = add_dot_env(home->manifest);
    return r;
}

/* --- running it */

static int run(struct session *s, const char *program, const char *name, bool help)
{
    const struct args *args = s->args;
    OWN(free) char **argv = calloc(args->count + 4, sizeof *argv);
    size_t n = 0;

    if (!argv)
        return complain(EXIT_FAILED, "out of memory");
    argv[n++] = (char *)name;
    if (help)
        argv[n++] = (char *)"--help";
    if (args->json)
        argv[n++] = (char *)"--json";
    for (size_t i = 1; i < args->count && !help; i++)
        argv[n++] = args->words[i];
    (void)fflush(NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execv(program, argv);
    return complain(EXIT_FAILED, "%s: %s", program, strerror(errno));
}

static int start(struct session *s, const struct libexec *libexec,
                 const struct libexec_command *command, bool help)
{
    char program[PATH_MAX];
    int r;

    if (s->args->timeout_ms)
        return complain(EXIT_USAGE,
                        "%s takes no --timeout from opsctl; its own options go after"
                        " its name",
                        command->name);
    r = session_find_home(s);
    if (r != EXIT_DONE)
        return r;
    r = make_environment(&s->home, command->app);
    if (r == 0)
        r = libexec_path(libexec, command, program);
    if (r < 0)
        return complain(EXIT_FAILED, "%s: %s", command->name, strerror(-r));
    return run(s, program, command->name, help);
}

/* The nearest of the commands of opsctl and of the apps. */
static int unknown(const struct libexec *libexec, const char *word)
{
    const char *words[NEAR_MAX] = { command_nearest(word) };
    size_t n = words[0] ? 1 : 0;
    struct libexec_command command;
    const char *near, *here = command_here(word);

    if (here)
        return complain(EXIT_USAGE, "there is no command \"%s\"; here it is: %s", word, here);
    for (size_t i = 0; n < NEAR_MAX && libexec_at(libexec, i, &command); i++)
        words[n++] = command.name;
    near = text_nearest(word, words, n);
    return complain(EXIT_USAGE, "there is no command \"%s\"%s%s%s", word,
                    near ? "; did you mean \"" : "; see: opsctl help", near ? near : "",
                    near ? "\"?" : "");
}

int manage(struct session *s, const char *word, bool help)
{
    OWN_LIBEXEC struct libexec libexec = { 0 };
    struct libexec_command command;

    libexec_open(&libexec);
    if (libexec_find(&libexec, word, &command))
        return start(s, &libexec, &command, help);
    return unknown(&libexec, word);
}
