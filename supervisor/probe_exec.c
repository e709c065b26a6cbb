/* A command that exits 0 once the worker is ready. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "probe_kinds.h"
#include "watch.h"

struct probe_command {
    struct probe probe;
    struct process process;
    struct watch *watch;
    bool closed; /* nobody waits for the answer; it is only reaped */
};

static void ended(void *owner)
{
    struct probe_command *c = owner;
    struct exit_status status;

    if (!process_ended(&c->process, &status))
        return;
    watch_close(&c->watch);
    process_reap(&c->process);
    if (c->closed)
        free(c);
    else
        probe_answer(&c->probe, !status.signal && status.code == 0);
}

static int begin(struct probe *probe)
{
    struct probe_command *c = (struct probe_command *)probe;
    int r = probe->ask.start(probe->ask.owner, &c->process);

    if (r < 0)
        return r;
    r = watch_open(probe->ask.loop, c->process.pidfd, ended, c, &c->watch);
    if (r < 0)
        process_reap(&c->process);
    return r;
}

/* A command that still runs is killed; its end is seen by the loop, not waited for here. */
static void end(struct probe *probe)
{
    struct probe_command *c = (struct probe_command *)probe;

    c->closed = true;
    if (c->process.pid)
        (void)process_signal(&c->process, SIGKILL);
    else
        free(c);
}

const struct probe_kind probe_exec = {
    .every_ms = 250,
    .size = sizeof(struct probe_command),
    .begin = begin,
    .end = end,
};
