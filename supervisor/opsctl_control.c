/*
 * The commands that change something: start, stop, restart, kill; and ping.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"

enum {
    /* opsd itself ends the wait at the time that was asked for; this much later it hangs. */
    GRACE_MS = 5000,
    /* After the last worker is gone opsd has only files to close. */
    LEAVE_TIMEOUT_MS = 10000,
};

static const char STILL_STOPPING[] = "still stopping; it goes on in the background";

static cJSON *names_of(const struct args *args)
{
    OWN(json) cJSON *names = cJSON_CreateArray();

    for (size_t i = 0; names && i < args->count; i++) {
        cJSON *name = cJSON_CreateString(args->words[i]);

        if (!name || !cJSON_AddItemToArray(names, name)) {
            cJSON_Delete(name);
            return NULL;
        }
    }
    return TAKE(names);
}

static cJSON *selection_params(const struct args *args)
{
    OWN(json) cJSON *params = cJSON_CreateObject();

    if (!params || !json_put(params, "names", names_of(args)) ||
        !json_put_bool(params, "wait", args->wait))
        return NULL;
    if (args->timeout_ms && !json_put_int(params, "timeout_ms", args->timeout_ms))
        return NULL;
    return TAKE(params);
}

/* "billing online" or "migrate completed", a line for each worker. */
static int print_states(const cJSON *workers)
{
    struct row_context context = { 0 };
    OWN_BUF struct buf line = { 0 };
    int r = 0;

    buf_init(&line, CLIENT_LINE_MAX);
    cJSON_ArrayForEach(context.row, workers)
    {
        buf_clear(&line);
        r = row_name(&context, &line);
        if (r == 0)
            r = buf_add_text(&line, " ");
        if (r == 0)
            r = row_outcome(&context, &line);
        if (r == 0)
            r = display_print(stdout, "", line.p, DISPLAY_CELL);
        if (r < 0)
            return complain(EXIT_FAILED, "%s", strerror(-r));
    }
    return EXIT_DONE;
}

/* Asks for a change of the workers that were named, and shows what became of them. */
static int change(struct session *s, int64_t timeout_ms)
{
    OWN(json) cJSON *result = NULL;
    const cJSON *note;
    int r;

    r = session_ask(s, s->args->command->method, selection_params(s->args), timeout_ms, &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    cJSON_ArrayForEach(note, json_get(result, "notes"))
    {
        if (cJSON_IsString(note))
            (void)complain(0, "note: %s", note->valuestring);
    }
    return print_states(json_get(result, "workers"));
}

/* opsd itself ends the wait for a start. */
static int64_t start_timeout_ms(const struct session *s)
{
    return s->args->timeout_ms ? s->args->timeout_ms + GRACE_MS : 0;
}

int command_start(struct session *s)
{
    int r = session_open_or_start(s);

    return r == EXIT_DONE ? change(s, start_timeout_ms(s)) : r;
}

int command_run_all_workers(struct session *s)
{
    static char all[] = "all";
    char *words[] = { all };
    const struct args *given = s->args;
    struct args args = *given;
    int r;

    args.words = words;
    args.count = 1;
    s->args = &args;
    r = command_start(s);
    s->args = given;
    return r;
}

int command_restart(struct session *s)
{
    int r = session_open(s);

    return r == EXIT_DONE ? change(s, start_timeout_ms(s)) : r;
}

/* A stop comes to its end by itself, so it is only this command that can be tired of waiting. */
int command_stop(struct session *s)
{
    int r = session_open(s);

    s->under_way = STILL_STOPPING;
    return r == EXIT_DONE ? change(s, s->args->timeout_ms) : r;
}

/* A pidfd of the process at the other end; -1 when it cannot be had. */
static int peer_open(const struct client *client)
{
    struct ucred peer;
    socklen_t n = sizeof peer;

    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return -1;
    return pidfd_open(peer.pid, 0);
}

/* Returns when opsd is gone for good, so that `opsctl kill; opsctl start all` finds the home free.
 */
int command_kill(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    OWN(close) int peer = -1;
    struct pollfd poll_fd = { .events = POLLIN };
    int64_t stopped = 0;
    int r;

    r = session_open(s);
    if (r != EXIT_DONE)
        return r;
    peer = peer_open(&s->client);
    s->under_way = STILL_STOPPING;
    r = session_ask(s, "kill", cJSON_CreateObject(), s->args->timeout_ms, &result);
    if (r != EXIT_DONE)
        return r;
    poll_fd.fd = peer;
    if (peer >= 0 && poll(&poll_fd, 1, LEAVE_TIMEOUT_MS) == 0)
        return complain(EXIT_FAILED, "the workers are stopped, but opsd does not leave");
    if (s->args->json)
        return print_json(result);
    (void)json_get_id(result, "stopped", &stopped);
    (void)printf("opsd is gone; workers stopped: %lld\n", (long long)stopped);
    return EXIT_DONE;
}

int command_ping(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    const char *version;
    int64_t pid = 0;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "ping", cJSON_CreateObject(), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    version = json_get_text(result, "version");
    (void)json_get_id(result, "pid", &pid);
    (void)printf("opsd %s answers (pid %lld, home %s)\n", version ? version : "?", (long long)pid,
                 s->home.path);
    return EXIT_DONE;
}
