/* What a worker says about itself: sd_notify(3). */
#include "instance_notify.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "instance_files.h"
#include "instance_probe.h"
#include "instant.h"
#include "json.h"
#include "keeper_held.h"
#include "record.h"

enum { MESSAGES_A_TURN = 64 };

/* What the guard keeps it as. */
static const char KEPT[] = "notify";

bool instance_notify_makes_ready(const struct instance *i)
{
    return !i->run && (i->app->ready == READY_NOTIFY || i->app->ready == READY_MESSAGE);
}

/* --- the socket */

/* The one that the process knows: from the guard or, when that was killed as well, its keeper. */
static int take_socket(struct instance *i)
{
    int fd = i->notify_address[0] ? instance_take_kept(i, KEPT) : -1;

    if (fd < 0 && i->keeper_pid && instance_notify_makes_ready(i))
        fd = keeper_held_copy(i->keeper_pid, i->keeper_start, KEEPER_READY_FD);
    return fd;
}

/* A keeper that may not be asked for a copy has the address still. */
static int make_socket(struct instance *i, struct err *reterr)
{
    int fd = notify_socket_open(i->notify_address, reterr);

    if (fd == -EADDRINUSE && i->keeper_pid &&
        keeper_held_order(i->keeper_pid, i->keeper_start, KEEPER_HEARD) == 0)
        return -EAGAIN;
    return fd;
}

int instance_notify_open(struct instance *i, struct err *reterr)
{
    int r;

    if (i->notify_fd >= 0)
        return 0;
    i->notify_fd = take_socket(i);
    if (i->notify_fd < 0)
        i->notify_fd = make_socket(i, reterr);
    if (i->notify_fd < 0)
        return i->notify_fd;
    instance_keep(i, KEPT, i->notify_fd);
    r = watch_open(i->fleet->loop, i->notify_fd, instance_notified, i, &i->notify_watch);
    if (r < 0)
        instance_notify_close(i);
    return r < 0 ? err_set(reterr, r, "cannot watch the notify socket: %s", strerror(-r)) : 0;
}

void instance_notify_close(struct instance *i)
{
    watch_close(&i->notify_watch);
    if (i->notify_fd < 0)
        return;
    if (!i->keeper)
        instance_keep_no_more(i, KEPT);
    (void)close(i->notify_fd);
    i->notify_fd = -1;
    i->notify_taken = false;
}

/* --- what is said */

static void take_stats(struct instance *i, const char *text)
{
    free(i->stats);
    i->stats = strdup(text);
}

static void take_message(struct instance *i, const struct notify_message *message)
{
    cJSON *stats;

    bool seen = instance_probe_message(i, message, (int64_t)monotonic_now_ms());

    if (message->status)
        (void)snprintf(i->status_text, sizeof i->status_text, "%s", message->status);
    if (message->stats && strlen(message->stats) < STATS_MAX &&
        json_parse(message->stats, strlen(message->stats), &stats, NULL) == 0) {
        if (cJSON_IsObject(stats))
            take_stats(i, message->stats);
        cJSON_Delete(stats);
    }
    if (seen || message->status || message->stats)
        fleet_touch(i->fleet);
}

/* Acts upon the first message. Returns false when there is none, or it has to stay until what came
 * of it is written down. */
static bool take_first(struct instance *i)
{
    char text[NOTIFY_BYTES_MAX + 1];
    bool was_ready = i->machine.ready;
    struct notify_message message;
    int r;

    r = notify_socket_peek(i->notify_fd, i->keeper ? i->keeper->pid : 0, text, &message);
    if (r < 0)
        return false;
    if (r > 0)
        take_message(i, &message);
    i->notify_taken = i->machine.ready && !was_ready;
    return !i->notify_taken;
}

/* What is first was acted upon: it goes, once that is written down. Returns false until then. The
 * keeper is told before, so that a crash between the two has it told again. */
static bool drop_taken(struct instance *i)
{
    if (!i->notify_taken)
        return true;
    if (!record_is_written(i))
        return false;
    if (i->keeper && i->machine.ready)
        (void)keeper_order(i->keeper, KEEPER_HEARD);
    notify_socket_drop(i->notify_fd);
    i->notify_taken = false;
    return true;
}

void instance_notified(void *owner)
{
    struct instance *i = owner;

    if (!drop_taken(i))
        return;
    /* More than that at once waits for the next turn of the loop. */
    for (int n = 0; n < MESSAGES_A_TURN && take_first(i); n++)
        notify_socket_drop(i->notify_fd);
}
