/* A worker's environment: a clean one, built for each start. */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "envfile.h"

enum { NAME_MAX_BYTES = 256 };

static const char *const inherited[] = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "TZ", "TMPDIR",
};

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int environment_set(struct environment *env, const char *name, const char *value)
{
    size_t n = strlen(name), i;
    char *entry, **list;

    for (i = 0; i < env->count; i++)
        if (strncmp(env->list[i], name, n) == 0 && env->list[i][n] == '=')
            break;
    if (i + 1 >= env->room) {
        list = realloc(env->list, (env->room + 32) * sizeof *list);
        if (!list)
            return -ENOMEM;
        env->list = list;
        env->room += 32;
    }
    if (asprintf(&entry, "%s=%s", name, value) < 0)
        return -ENOMEM;
    if (i < env->count) {
        free(env->list[i]);
    } else {
        env->count++;
        env->list[env->count] = NULL;
    }
    env->list[i] = entry;
    return 0;
}

int environment_init(struct environment *env)
{
    const char *value;
    int r;

    *env = (struct environment){ 0 };
    r = environment_set(env, "PATH", DEFAULT_PATH);
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited && r == 0; i++) {
        value = getenv(inherited[i]);
        if (value)
            r = environment_set(env, inherited[i], value);
    }
    return r;
}

void environment_done(struct environment *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->list[i]);
    free(env->list);
    *env = (struct environment){ 0 };
}

char *environment_value(const struct environment *env, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->list[i], name, n) == 0 && env->list[i][n] == '=')
            return env->list[i] + n + 1;
    return NULL;
}

/* PM2's filter_env: by parts of names. */
static bool is_left_out(const struct app *app, const char *entry)
{
    size_t n = strcspn(entry, "=");

    for (texts part = app->filter_env; *part; part++)
        if (memmem(entry, n, *part, strlen(*part)))
            return true;
    return app->filter_all;
}

/* Takes what filter_env names out of what was inherited. PATH is set in any case. */
static int leave_out(struct environment *env, const struct app *app)
{
    size_t kept = 0;

    for (size_t i = 0; i < env->count; i++)
        if (is_left_out(app, env->list[i]))
            free(env->list[i]);
        else
            env->list[kept++] = env->list[i];
    env->count = kept;
    env->list[kept] = NULL;
    return environment_value(env, "PATH") ? 0 : environment_set(env, "PATH", DEFAULT_PATH);
}

static int set_one(void *context, const char *name, const char *value)
{
    return environment_set(context, name, value);
}

/* "NAME=value" as the list has it. */
static int add_entry(struct environment *env, const char *entry, struct err *reterr)
{
    char name[NAME_MAX_BYTES];
    size_t n = strcspn(entry, "=");

    if (!n || !entry[n] || n >= sizeof name)
        return err_set(reterr, -EINVAL, "env: not a usable name: %.40s", entry);
    memcpy(name, entry, n);
    name[n] = '\0';
    return environment_set(env, name, entry + n + 1);
}

static int add_shell(struct environment *env, const struct app *app)
{
    int r = 0;

    for (texts entry = app->shell_env; *entry && r != -ENOMEM; entry++)
        /* A shell's functions may have names that are none. */
        if (!is_left_out(app, *entry))
            r = add_entry(env, *entry, NULL);
    return r == -ENOMEM ? r : 0;
}

static int add_user(struct environment *env, const struct app *app)
{
    struct credentials who;
    int r = 0;

    if (!app->user || credentials_find(app->user, app->group, &who, NULL) < 0)
        return 0;
    if (who.home && (environment_set(env, "USER", who.user) < 0 ||
                     environment_set(env, "LOGNAME", who.user) < 0 ||
                     environment_set(env, "HOME", who.home) < 0 ||
                     environment_set(env, "SHELL", who.shell) < 0))
        r = -ENOMEM;
    credentials_done(&who);
    return r;
}

static int add_port(struct environment *env, const struct app *app)
{
    char number[16];

    (void)snprintf(number, sizeof number, "%d", app->port);
    return app->port ? environment_set(env, "PORT", number) : 0;
}

static const char *const no_variables[] = { NULL };

int environment_add_app(struct environment *env, const struct app *app, struct err *reterr)
{
    int r;

    if (leave_out(env, app) < 0 || add_shell(env, app) < 0 || add_user(env, app) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (app->env_file) {
        r = envfile_read(app->env_file, set_one, env, NULL, reterr);
        if (r < 0)
            return r;
    }
    for (texts entry = app->of_shell ? no_variables : app->env; *entry; entry++) {
        r = add_entry(env, *entry, reterr);
        if (r == -EINVAL)
            return r;
        if (r < 0)
            return err_set(reterr, r, "out of memory");
    }
    return add_port(env, app) < 0 ? err_set(reterr, -ENOMEM, "out of memory") : 0;
}
