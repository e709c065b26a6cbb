/* A worker's environment: a clean one, built for each start. */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envfile.h"

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

static int set_one(void *context, const char *name, const char *value)
{
    return environment_set(context, name, value);
}

int environment_add_app(struct environment *env, const struct app *app, struct err *reterr)
{
    char name[256];
    const char *equals;
    size_t n;
    int r = 0;

    if (app->env_file) {
        r = envfile_read(app->env_file, set_one, env, NULL, reterr);
        if (r < 0)
            return r;
    }
    for (texts entry = app->env; *entry && r == 0; entry++) {
        equals = strchr(*entry, '=');
        n = equals ? (size_t)(equals - *entry) : 0;
        if (!n || n >= sizeof name)
            return err_set(reterr, -EINVAL, "env: not a usable name: %.40s", *entry);
        memcpy(name, *entry, n);
        name[n] = '\0';
        r = environment_set(env, name, equals + 1);
    }
    return r < 0 ? err_set(reterr, r, "out of memory") : 0;
}
