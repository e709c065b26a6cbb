/* What is executed for an instance. */
#include "instance_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "become.h"
#include "fleet.h"
#include "instant.h"
#include "text.h"

enum { INCREMENT_MOST = INT32_MAX };

static const char LISTEN_PID_ROOM[] = "00000000000";

_Static_assert(sizeof LISTEN_PID_ROOM == PID_TEXT_MAX, "become() writes the pid there");

/* PM2's: what the variable says, or 0 when that is no number, and one more from each instance to
 * the next. */
static int add_increment(const struct instance *i, struct environment *env)
{
    const char *name = i->app->increment_var, *value = name ? environment_value(env, name) : NULL;
    int64_t first = 0;
    char number[24];

    if (!name)
        return 0;
    if (value)
        (void)text_to_int(value, -INCREMENT_MOST, INCREMENT_MOST, &first);
    (void)snprintf(number, sizeof number, "%jd", (intmax_t)first + i->number);
    return environment_set(env, name, number);
}

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
    if (add_increment(i, env) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    (void)snprintf(number, sizeof number, "%d", i->number);
    (void)snprintf(id, sizeof id, "%d", i->id);
    if (environment_set(env, i->app->instance_var, number) < 0 ||
        environment_set(env, "name", i->app->name) < 0 || environment_set(env, "pm_id", id) < 0 ||
        environment_set(env, "OPS_HOME", i->fleet->home->path) < 0 ||
        environment_set(env, "NOTIFY_SOCKET", i->notify_address) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (i->app->scheduled && !i->run &&
        environment_set(env, "OPS_TICK", instant_print(i->ticks.last, tick)) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

/* Scripts that PM2 runs say process.send('ready') whether somebody waits for it or not; without a
 * channel there is no such function. */
static bool is_node(const struct app *app)
{
    const char *slash = app->interpreter ? strrchr(app->interpreter, '/') : NULL;
    const char *name = slash ? slash + 1 : app->interpreter;

    return name && (strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0);
}

int app_channel_fd(const struct app *app)
{
    int fd = LISTEN_FDS_START + (int)app->listen_count;

    if (app->ready != READY_MESSAGE && !app->shutdown_with_message && !is_node(app))
        return -1;
    return app->ready == READY_FD && app->ready_number == fd ? fd + 1 : fd;
}

static int add_number(struct environment *env, const char *name, int64_t value)
{
    char number[24];

    (void)snprintf(number, sizeof number, "%jd", (intmax_t)value);
    return environment_set(env, name, number);
}

int instance_environment_of_worker(const struct instance *i, struct environment *env,
                                   char **ret_listen_pid)
{
    const struct app *app = i->app;
    int channel = app_channel_fd(app);

    /* sd_watchdog_enabled(3) counts in microseconds. */
    if (app->watchdog_ms && add_number(env, "WATCHDOG_USEC", app->watchdog_ms * 1000) < 0)
        return -ENOMEM;
    if (channel >= 0 && (add_number(env, "NODE_CHANNEL_FD", channel) < 0 ||
                         environment_set(env, "NODE_CHANNEL_SERIALIZATION_MODE", "json") < 0))
        return -ENOMEM;
    *ret_listen_pid = NULL;
    if (!app->listen_count)
        return 0;
    if (add_number(env, "LISTEN_FDS", (int64_t)app->listen_count) < 0 ||
        environment_set(env, "LISTEN_PID", LISTEN_PID_ROOM) < 0)
        return -ENOMEM;
    *ret_listen_pid = environment_value(env, "LISTEN_PID");
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
