/* Gathers what the manifest says of a process, and forks the keeper that will start it. */
#include "instance_fork.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"
#include "fleet.h"
#include "instance_command.h"
#include "instance_files.h"
#include "instance_notify.h"
#include "instance_probe.h"
#include "instance_ran.h"
#include "own.h"
#include "spawn.h"

/* Everything that is needed from here to the fork, and released after it. */
struct plan {
    struct environment env;
    struct credentials who;
    struct become_fd fds[BECOME_FDS_MAX];
    size_t fd_count;
    const char **argv;
    char *program, *file;
    char *listen_pid;
    int cgroups_fd; /* borrowed */
};

static void plan_done(struct plan *plan)
{
    environment_done(&plan->env);
    credentials_done(&plan->who);
    free(plan->argv);
    free(plan->program);
    free(plan->file);
}

static void pass(struct plan *plan, int from, int to)
{
    if (from >= 0)
        plan->fds[plan->fd_count++] = (struct become_fd){ from, to };
}

/* The order is that of sd_listen_fds(3): as the manifest has them, from 3 on. */
static int plan_descriptors(struct plan *plan, struct instance *i, struct err *reterr)
{
    const struct app *app = i->app;
    int fd;

    for (size_t k = 0; k < app->listen_count; k++) {
        fd = listen_on(&i->fleet->listeners, &app->listen[k], reterr);
        if (fd < 0)
            return fd;
        pass(plan, fd, LISTEN_FDS_START + (int)k);
    }
    pass(plan, i->ready_fd_write, app->ready_number);
    pass(plan, i->channel_fd_theirs, app_channel_fd(app));
    return 0;
}

static int plan_command(struct plan *plan, struct instance *i, struct err *reterr)
{
    plan->argv = instance_argv(i);
    plan->file = instance_file_name(i);
    if (!plan->argv || !plan->file)
        return err_set(reterr, -ENOMEM, "out of memory");
    plan->program = spawn_find_program(plan->argv[0], plan->env.list);
    if (!plan->program)
        return err_set(reterr, -errno, "cannot run %s: %s", plan->argv[0], strerror(errno));
    return 0;
}

static int make_plan(struct plan *plan, struct instance *i, struct err *reterr)
{
    int r;

    r = credentials_resolve(i->app->user, i->app->group, &plan->who, reterr);
    if (r == 0)
        r = instance_environment(i, &plan->env, reterr);
    if (r == 0 && instance_environment_of_worker(i, &plan->env, &plan->listen_pid) < 0)
        r = err_set(reterr, -ENOMEM, "out of memory");
    if (r == 0)
        r = plan_command(plan, i, reterr);
    return r < 0 ? r : plan_descriptors(plan, i, reterr);
}

static int fork_plan(const struct plan *plan, struct instance *i, struct err *reterr)
{
    struct keeper_task task = { .name = i->app->name,
                                .file = plan->file,
                                .program = plan->program,
                                .ready_fd = instance_notify_makes_ready(i) ? i->notify_fd
                                                                           : i->readiness.fd,
                                .channel_fd = i->readiness.channel_fd,
                                .cgroups_fd = plan->cgroups_fd,
                                .cgroup = plan->file,
                                .become = { .argv = (char *const *)plan->argv,
                                            .env = plan->env.list,
                                            .cwd = i->app->cwd,
                                            .out_fd = stream_lend(&i->out),
                                            .err_fd = stream_lend(&i->err),
                                            .reads_lines = i->app->reads_lines,
                                            .fds = plan->fds,
                                            .fd_count = plan->fd_count,
                                            .listen_pid = plan->listen_pid,
                                            .who = &plan->who,
                                            .bounds = &i->app->bounds },
                                .spare_strays = !i->app->treekill,
                                .takes_turns = i->machine.history.exits > 0 };

    return keeper_fork(&i->fleet->keepers, &task, i, &i->keeper, reterr);
}

int instance_fork(struct instance *i, struct err *reterr)
{
    struct plan plan = { .cgroups_fd = -1 };
    int r;

    r = instance_probe_prepare(i, reterr);
    if (r == 0)
        r = make_plan(&plan, i, reterr);
    /* What may stay behind when the worker is stopped must not be killed with the group. */
    if (r == 0 && i->app->treekill)
        r = cgroups_folder(&i->fleet->cgroups, i->fleet->unswept ? plan.file : NULL,
                           &plan.cgroups_fd, reterr);
    if (r == 0)
        r = fork_plan(&plan, i, reterr);
    instance_probe_handed(i);
    plan_done(&plan);
    if (r < 0)
        return r;
    instance_ran_begin(i);
    i->keeper_pid = i->keeper->pid;
    i->keeper_start = i->keeper->start;
    i->adopted = false;
    return 0;
}

int instance_explain(const struct instance *i, struct err *reterr)
{
    const struct app *app = i->app;
    const struct credentials who = { .user = (char *)(uintptr_t)app->user,
                                     .group = (char *)(uintptr_t)app->group };
    const struct become what = { .cwd = app->cwd, .who = &who, .bounds = &app->bounds };

    return become_explain(&what, app->interpreter ? app->interpreter : app->script,
                          i->report.failure, reterr);
}
