/* What is executed for an instance. */
#include "instance_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet.h"
#include "instant.h"

int instance_environment(const struct instance *i, struct environment *env, struct err *reterr)
{
    char number[16], id[16], tick[INSTANT_TEXT_MAX];
    int r;

    r = environment_init(env);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    r = environment_add_app(env, i->app, reterr);
    if (r < 0)
        return r;
    (void)snprintf(number, sizeof number, "%d", i->number);
    (void)snprintf(id, sizeof id, "%d", i->id);
    if (environment_set(env, i->app->instance_var, number) < 0 ||
        environment_set(env, "name", i->app->name) < 0 || environment_set(env, "pm_id", id) < 0 ||
        environment_set(env, "OPS_HOME", i->fleet->home->path) < 0 ||
        environment_set(env, "NOTIFY_SOCKET", i->notify_address) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (i->app->scheduled && !i->run &&
        environment_set(env, "OPS_TICK", instant_print(i->tick, tick)) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

static size_t texts_count(texts list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

const char **instance_argv(const struct instance *i)
{
    texts parts[] = { i->app->interpreter ? (const char *const[]){ i->app->interpreter, NULL }
                                          : NULL,
                      i->app->interpreter ? i->app->interpreter_args : NULL,
                      (const char *const[]){ i->app->script, NULL }, i->app->args,
                      i->run ? i->run->args : NULL };
    size_t n = 0, count = sizeof parts / sizeof *parts;
    const char **argv;

    for (size_t p = 0; p < count; p++)
        n += texts_count(parts[p]);
    argv = calloc(n + 1, sizeof *argv);
    n = 0;
    for (size_t p = 0; argv && p < count; p++)
        for (size_t k = 0; k < texts_count(parts[p]); k++)
            argv[n++] = parts[p][k];
    return argv;
}
