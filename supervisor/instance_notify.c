/* What a worker says about itself: sd_notify(3). */
#include "instance_notify.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "instance_probe.h"
#include "instant.h"
#include "json.h"

enum { MESSAGES_A_TURN = 64 };

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

void instance_notified(void *owner)
{
    struct instance *i = owner;
    char text[NOTIFY_BYTES_MAX + 1];
    struct notify_message message;
    int r;

    /* More than that at once waits for the next turn of the loop. */
    for (int n = 0; n < MESSAGES_A_TURN; n++) {
        r = notify_socket_read(i->notify_fd, i->keeper ? i->keeper->pid : 0, text, &message);
        if (r < 0)
            return;
        if (r > 0)
            take_message(i, &message);
    }
}
