/* What `opsctl monit` hears from opsd. */
#include "monit_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl_output.h"
#include "own.h"

enum {
    /* For the rest of a message whose beginning is there. */
    PATIENCE_MS = 2000,
    LINES_BEFORE = 200,
    HANGS_S = 5,
    LINE_BYTES_MAX = 8 << 20,
};

int monit_link_open(struct monit_link *link, const char *home, struct err *reterr)
{
    int r;

    *link = (struct monit_link){
        .home = { .fd = -1 }, .fleet = { .fd = -1 }, .logs = { .fd = -1 }, .logs_of = -1
    };
    buf_init(&link->line, LINE_BYTES_MAX);
    r = home_find(home, NULL, &link->home, reterr);
    if (r < 0)
        return r;
    r = home_open(&link->home, false, NULL);
    if (r == 0)
        r = client_connect(&link->fleet, &link->home);
    if (r < 0)
        return err_set(reterr, r, "opsd is not running (home %s); start it with: opsctl start all",
                       link->home.path);
    return 0;
}

static void drop_logs(struct monit_link *link)
{
    client_done(&link->logs);
    link->logs_of = -1;
}

void monit_link_close(struct monit_link *link)
{
    drop_logs(link);
    client_done(&link->fleet);
    home_done(&link->home);
    buf_done(&link->line);
}

static void lost(struct monit_link *link, struct monit *m)
{
    client_done(&link->fleet);
    drop_logs(link);
    link->stat_id = link->command_id = 0;
    if (m->connected)
        monit_say(m, true, "opsd is gone; trying to find it again");
    m->connected = false;
}

/* The folder may have been made anew meanwhile. */
static bool connect_again(struct monit_link *link)
{
    if (link->home.fd >= 0)
        (void)close(link->home.fd);
    link->home.fd = -1;
    return home_open(&link->home, false, NULL) == 0 &&
           client_connect(&link->fleet, &link->home) == 0;
}

void monit_link_ask(struct monit_link *link, struct monit *m)
{
    bool found = link->fleet.fd < 0;
    cJSON *params;

    if (link->stat_id) {
        if (++link->unanswered >= HANGS_S)
            monit_say(m, true, "opsd has not answered for %d s", link->unanswered);
        return;
    }
    link->unanswered = 0;
    if (link->fleet.fd < 0 && !connect_again(link))
        return;
    params = cJSON_CreateObject();
    (void)json_put_bool(params, "sparse", true);
    if (client_send(&link->fleet, "workers_stat", params, &link->stat_id) < 0)
        lost(link, m);
    else if (found)
        monit_say(m, false, "opsd is back");
}

/* --- what comes */

/* A signal ends no wait for the rest of a message; whoever runs the loop looks at it afterwards. */
static int next_message(struct client *client, struct message *ret)
{
    struct err err;
    int r;

    do
        r = client_next(client, PATIENCE_MS, ret, &err);
    while (r == -EINTR);
    return r;
}

static void take_answer(struct monit_link *link, struct monit *m, const struct message *message)
{
    if (message->id == link->stat_id && message->result) {
        link->stat_id = 0;
        m->connected = true;
        if (monit_take_fleet(m, json_get(message->result, "workers")) < 0)
            monit_say(m, true, "out of memory");
    } else if (message->id == link->command_id) {
        link->command_id = 0;
        if (message->error)
            monit_say(m, true, "%s: %s", link->command, json_get_text(message->error, "message"));
        else
            monit_say(m, false, "%s: done", link->command);
    }
}

void monit_link_read_fleet(struct monit_link *link, struct monit *m)
{
    do {
        OWN_MESSAGE struct message message = { 0 };

        if (next_message(&link->fleet, &message) < 0) {
            lost(link, m);
            return;
        }
        if (!message.method)
            take_answer(link, m, &message);
    } while (client_has_next(&link->fleet));
}

static void take_log(struct monit_link *link, struct monit *m, const struct message *message)
{
    char gap[64];
    int64_t lines;

    if (strcmp(message->method, "gap") == 0 && json_get_id(message->params, "lines", &lines) == 0) {
        (void)snprintf(gap, sizeof gap, "... %lld lines are left out here", (long long)lines);
        (void)monit_take_line(m, gap, strlen(gap), true);
    }
    if (strcmp(message->method, "log") == 0 && output_read(message->params, &link->line) == 0)
        (void)monit_take_line(m, link->line.len ? link->line.p : "", link->line.len,
                              output_is_err(message->params));
}

void monit_link_read_logs(struct monit_link *link, struct monit *m)
{
    do {
        OWN_MESSAGE struct message message = { 0 };

        if (next_message(&link->logs, &message) < 0) {
            drop_logs(link);
            return;
        }
        if (message.method)
            take_log(link, m, &message);
        else if (message.error)
            monit_say(m, true, "logs: %s", json_get_text(message.error, "message"));
    } while (client_has_next(&link->logs));
}

/* --- what is asked */

static cJSON *names_params(const char *name)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *names = cJSON_CreateArray();

    if (!params || !names || !cJSON_AddItemToArray(names, cJSON_CreateString(name)) ||
        !json_put(params, "names", TAKE(names)))
        return NULL;
    return TAKE(params);
}

void monit_link_follow(struct monit_link *link, struct monit *m)
{
    const struct monit_worker *w = monit_selected(m);
    cJSON *params;
    int64_t id;

    if (link->fleet.fd < 0 || (w && w->id == link->logs_of))
        return;
    drop_logs(link);
    monit_forget_lines(m);
    if (!w || client_connect(&link->logs, &link->home) < 0)
        return;
    params = names_params(w->label);
    (void)json_put_bool(params, "follow", true);
    (void)json_put_int(params, "lines", LINES_BEFORE);
    link->logs_of = w->id;
    if (client_send(&link->logs, "logs", params, &id) < 0)
        drop_logs(link);
}

void monit_link_command(struct monit_link *link, struct monit *m, const char *method)
{
    const struct monit_worker *w = monit_selected(m);

    if (!w || link->fleet.fd < 0)
        return;
    if (link->command_id) {
        monit_say(m, true, "%s is still under way", link->command);
        return;
    }
    (void)snprintf(link->command, sizeof link->command, "%s %.48s", method, w->label);
    if (client_send(&link->fleet, method, names_params(w->label), &link->command_id) < 0)
        lost(link, m);
    else
        monit_say(m, false, "%s: under way", link->command);
}
