/*
 * `opsctl upgrade`: another opsd in the place of this one. Returns when the new one answers, or the
 * one before again because the new one did not come up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "own.h"

enum {
    /* A binary that never serves is given up by the guard after 30 s. */
    TAKEOVER_TIMEOUT_MS = 60000,
};

static cJSON *path_params(const char *path)
{
    OWN(json) cJSON *params = cJSON_CreateObject();

    if (!params || (path && !json_put_text(params, "path", path)))
        return NULL;
    return TAKE(params);
}

/* The end of the connection is the end of the old opsd. */
static int await_end(struct session *s, int64_t timeout_ms)
{
    struct err err = { "" };
    int r;

    do {
        OWN_MESSAGE struct message m = { 0 };

        r = client_next(&s->client, timeout_ms, &m, &err);
    } while (r == 0);
    if (r == -ECONNRESET)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "the opsd before does not make room: %s", err.text);
}

static int report(struct session *s, const cJSON *before, const cJSON *after)
{
    const char *from = json_get_text(before, "version"), *to = json_get_text(after, "version");

    if (json_get_bool(after, "rolled_back"))
        return complain(EXIT_FAILED,
                        "the new opsd (%s) does not come up; the one before (%s) goes on. "
                        "Why is in %s/opsd.log",
                        json_get_text(before, "path"), to ? to : "?", s->home.path);
    if (s->args->json)
        return print_json(after);
    (void)printf("upgraded, %s → %s\n", from ? from : "?", to ? to : "?");
    return EXIT_DONE;
}

static int take_over(struct session *s, const cJSON *before, int64_t timeout_ms)
{
    int64_t deadline = (int64_t)monotonic_now_ms() + timeout_ms, left;
    OWN(json) cJSON *after = NULL;
    int r = await_end(s, timeout_ms);

    if (r != EXIT_DONE)
        return r;
    if (!session_reconnect(s))
        return complain(EXIT_FAILED, "opsd is gone; start it with: opsctl start all");
    left = deadline - (int64_t)monotonic_now_ms();
    s->under_way = "the new opsd does not answer yet; look with opsctl ping";
    r = session_ask(s, "ping", cJSON_CreateObject(), left > 0 ? left : 1, &after);
    return r == EXIT_DONE ? report(s, before, after) : r;
}

int command_upgrade(struct session *s)
{
    int64_t timeout_ms = s->args->timeout_ms ? s->args->timeout_ms : TAKEOVER_TIMEOUT_MS;
    OWN(free) char *path = s->args->count ? realpath(s->args->words[0], NULL) : NULL;
    OWN(json) cJSON *before = NULL;
    int r;

    if (s->args->count && !path)
        return complain(EXIT_FAILED, "%s: %s", s->args->words[0], strerror(errno));
    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "upgrade", path_params(path), session_timeout_ms(s), &before);
    return r == EXIT_DONE ? take_over(s, before, timeout_ms) : r;
}
