/* Node's IPC channel of an instance. */
#include "instance_channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "instance_command.h"
#include "instance_files.h"
#include "instance_probe.h"
#include "keeper_held.h"
#include "record.h"

/* What the guard keeps it as. */
static const char KEPT[] = "ipc";

int instance_channel_make(struct instance *i)
{
    int r;

    if (app_channel_fd(i->app) < 0)
        return 0;
    r = channel_pair(&i->readiness.channel_fd, &i->channel_fd_theirs);
    if (r == 0)
        instance_keep(i, KEPT, i->readiness.channel_fd);
    return r;
}

void instance_channel_handed(struct instance *i)
{
    if (i->channel_fd_theirs >= 0)
        (void)close(i->channel_fd_theirs);
    i->channel_fd_theirs = -1;
}

/* A worker takes the end of its channel for the end of opsd: the keeper holds it, too. */
void instance_channel_adopt(struct instance *i)
{
    int fd = instance_take_kept(i, KEPT);

    if (fd < 0 && app_channel_fd(i->app) >= 0) {
        fd = keeper_held_copy(i->keeper_pid, i->keeper_start, KEEPER_CHANNEL_FD);
        if (fd >= 0)
            instance_keep(i, KEPT, fd);
    }
    i->readiness.channel_fd = fd < 0 ? -1 : fd;
}

/* The word that makes it ready stays in the channel until that is written down. Then the keeper
 * need not hold the notify socket either, which would have been the other way to say it. */
static bool hear_word(void *owner, const char *text)
{
    struct instance *i = owner;

    if (i->app->ready != READY_MESSAGE || strcmp(text, "ready") != 0)
        return true;
    if (!i->machine.ready)
        instance_probe_ready(i);
    if (!record_is_written(i))
        return false;
    if (i->keeper && i->machine.ready)
        (void)keeper_order(i->keeper, KEEPER_HEARD);
    return true;
}

/* One that cannot be watched is one on which nothing will be heard: the start then fails by
 * listen_timeout. */
void instance_channel_begin(struct instance *i)
{
    struct readiness *r = &i->readiness;

    if (r->channel_fd >= 0 &&
        channel_open(i->fleet->loop, r->channel_fd, hear_word, i, &r->channel) < 0)
        r->channel_fd = -1;
}

void instance_channel_close(struct instance *i, bool for_good)
{
    struct readiness *r = &i->readiness;

    if (r->channel_fd >= 0 && for_good)
        instance_keep_no_more(i, KEPT);
    if (r->channel)
        channel_close(&r->channel);
    else if (r->channel_fd >= 0)
        (void)close(r->channel_fd);
    r->channel_fd = -1;
}

int instance_channel_shutdown(struct instance *i)
{
    return i->readiness.channel ? channel_send(i->readiness.channel, "shutdown") : -ENOTCONN;
}
