/*
 * The commands that change what is wanted, of workers and of opsd; and ping.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_change.h"
#include "opsctl_display.h"
#include "opsctl_progress.h"
#include "opsctl_row.h"
#include "own.h"

enum {
    /* After the last worker is gone opsd has only files to close. */
    LEAVE_TIMEOUT_MS = 10000,
};

static const char STILL_STOPPING[] = "still stopping; it goes on in the background";

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

cJSON *selection_params(const struct session *s)
{
    OWN(json) cJSON *params = session_names_params(s, 0);

    if (!params || !json_put_bool(params, "wait", s->args->wait))
        return NULL;
    if (progress_is_wanted() && !json_put_bool(params, "progress", true))
        return NULL;
    if (s->args->timeout_ms && !json_put_int(params, "timeout_ms", s->args->timeout_ms))
        return NULL;
    if (s->args->env_name && !json_put_text(params, "env_name", s->args->env_name))
        return NULL;
    if (s->args->update_env &&
        (!json_put_bool(params, "update_env", true) || !json_put(params, "env", own_environment())))
        return NULL;
    return TAKE(params);
}

void print_notes(const cJSON *result)
{
    const cJSON *note;

    cJSON_ArrayForEach(note, json_get(result, "notes"))
    {
        if (cJSON_IsString(note))
            (void)complain(0, "note: %s", note->valuestring);
    }
}

int change_with(struct session *s, cJSON *params, int64_t timeout_ms)
{
    OWN(json) cJSON *result = NULL;
    int r = session_ask(s, s->args->command->method, params, timeout_ms, &result);

    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    print_notes(result);
    return print_states(json_get(result, "workers"));
}

static int change(struct session *s, int64_t timeout_ms)
{
    return change_with(s, selection_params(s), timeout_ms);
}

int command_restart(struct session *s)
{
    int r = session_open(s);

    return r == EXIT_DONE ? change(s, session_patience_ms(s)) : r;
}

int command_reload(struct session *s)
{
    return command_restart(s);
}

int command_delete(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    const cJSON *name;
    int r = session_open(s);

    s->under_way = STILL_STOPPING;
    if (r == EXIT_DONE)
        r = session_ask(s, "delete", selection_params(s), s->args->timeout_ms, &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    cJSON_ArrayForEach(name, json_get(result, "deleted"))
    {
        if (cJSON_IsString(name))
            (void)printf("%s deleted\n", name->valuestring);
    }
    return EXIT_DONE;
}

int command_scale(struct session *s)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    int r = session_open(s);

    if (r != EXIT_DONE)
        return r;
    if (!params || !json_put_text(params, "name", s->args->words[0]) ||
        !json_put_text(params, "count", s->args->words[1]) ||
        (s->args->timeout_ms && !json_put_int(params, "timeout_ms", s->args->timeout_ms)))
        return complain(EXIT_FAILED, "out of memory");
    return change_with(s, TAKE(params), session_patience_ms(s));
}

/* A stop comes to its end by itself, so it is only this command that can be tired of waiting. */
int command_stop(struct session *s)
{
    int r = session_open(s);

    s->under_way = STILL_STOPPING;
    return r == EXIT_DONE ? change(s, s->args->timeout_ms) : r;
}

int command_reset(struct session *s)
{
    int r = session_open(s);

    return r == EXIT_DONE ? change(s, session_timeout_ms(s)) : r;
}

int command_resurrect(struct session *s)
{
    int r = session_open_or_start(s);

    return r == EXIT_DONE ? change(s, session_patience_ms(s)) : r;
}

int command_save(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    const char *file;
    int64_t wanted = 0;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "save", cJSON_CreateObject(), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    file = json_get_text(result, "file");
    (void)json_get_id(result, "wanted", &wanted);
    (void)printf("saved in %s; wanted: %lld\n", file ? file : "?", (long long)wanted);
    return EXIT_DONE;
}

/* --- opsd itself */

/* Guard and supervisor: who leaves the home free when both are gone. */
struct pair {
    int fds[2]; /* pidfds; -1: none */
};

static void pair_done(const struct pair *pair)
{
    for (size_t i = 0; i < 2; i++)
        own_close(&pair->fds[i]);
}

static int pair_open(struct session *s, struct pair *ret)
{
    static const char *const names[] = { "pid", "guard_pid" };
    OWN(json) cJSON *who = NULL;
    int64_t pid;
    int r = session_ask(s, "ping", cJSON_CreateObject(), session_timeout_ms(s), &who);

    for (size_t i = 0; i < 2 && r == EXIT_DONE; i++)
        if (json_get_id(who, names[i], &pid) == 0 && pid > 1)
            ret->fds[i] = pidfd_open((pid_t)pid, 0);
    return r;
}

/* Returns false when they are still there after a while. */
static bool pair_await_end(const struct pair *pair)
{
    struct pollfd poll_fd = { .events = POLLIN };

    for (size_t i = 0; i < 2; i++) {
        poll_fd.fd = pair->fds[i];
        if (poll_fd.fd >= 0 && poll(&poll_fd, 1, LEAVE_TIMEOUT_MS) == 0)
            return false;
    }
    return true;
}

static int kill_and_wait(struct session *s, const struct pair *pair)
{
    OWN(json) cJSON *result = NULL;
    int64_t stopped = 0;
    int r;

    s->under_way = STILL_STOPPING;
    r = session_ask(s, "kill", cJSON_CreateObject(), s->args->timeout_ms, &result);
    if (r != EXIT_DONE)
        return r;
    if (!pair_await_end(pair))
        return complain(EXIT_FAILED, "the workers are stopped, but opsd does not leave");
    if (s->args->json)
        return print_json(result);
    (void)json_get_id(result, "stopped", &stopped);
    (void)printf("opsd is gone; workers stopped: %lld\n", (long long)stopped);
    return EXIT_DONE;
}

/* Returns when opsd is gone for good, so that `opsctl kill; opsctl start all` finds the home free.
 */
int command_kill(struct session *s)
{
    struct pair pair = { { -1, -1 } };
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = pair_open(s, &pair);
    if (r == EXIT_DONE)
        r = kill_and_wait(s, &pair);
    pair_done(&pair);
    return r;
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
