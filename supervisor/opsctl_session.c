/*
 * A command's way to opsd: connect, starting it where that is wanted, ask, and wait for the answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "own.h"

/* A hung opsd is told from a busy one by a wait that no honest answer needs. */
enum { READ_TIMEOUT_MS = 5000 };

static int connect_failed(const struct session *s, int r)
{
    if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
        return complain(EXIT_NOT_RUNNING,
                        "opsd is not running (home %s); start it with: opsctl start all",
                        s->home.path);
    if (r == -EACCES || r == -EPERM)
        return complain(EXIT_NOT_PERMITTED, "%s: opsd belongs to another user; try sudo",
                        s->home.path);
    if (r == -EAGAIN)
        return complain(EXIT_FAILED, "opsd (home %s) takes no more connections", s->home.path);
    return complain(EXIT_FAILED, "connecting to opsd (home %s): %s", s->home.path, strerror(-r));
}

static int try_connect(struct session *s)
{
    int r = s->home.fd < 0 ? home_open(&s->home, false, NULL) : 0;

    return r < 0 ? r : client_connect(&s->client, &s->home);
}

static int find_home(struct session *s)
{
    struct err err;

    if (home_find(s->args->home, NULL, &s->home, &err) < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    return EXIT_DONE;
}

int session_open(struct session *s)
{
    int r = find_home(s);

    if (r != EXIT_DONE)
        return r;
    r = try_connect(s);
    return r < 0 ? connect_failed(s, r) : EXIT_DONE;
}

int session_open_or_start(struct session *s)
{
    OWN_BUF struct buf reason = { 0 };
    int r = find_home(s);

    buf_init(&reason, SPAWN_REASON_MAX);
    if (r != EXIT_DONE)
        return r;
    r = try_connect(s);
    if (r == -ENOENT || r == -ECONNREFUSED) {
        int spawned = spawn_opsd(&s->home, &reason);

        /* Somebody else may have been faster to start it. */
        r = try_connect(s);
        if (spawned < 0 && r < 0)
            return complain(EXIT_FAILED, "%s", reason.p ? reason.p : "opsd did not start");
    }
    return r < 0 ? connect_failed(s, r) : EXIT_DONE;
}

int64_t session_timeout_ms(const struct session *s)
{
    return s->args->timeout_ms ? s->args->timeout_ms : READ_TIMEOUT_MS;
}

cJSON *session_name_params(const struct session *s)
{
    OWN(json) cJSON *params = cJSON_CreateObject();

    if (!params || (s->args->count && !json_put_text(params, "name", s->args->words[0])))
        return NULL;
    return TAKE(params);
}

static int send_failed(int r)
{
    return complain(EXIT_FAILED, "asking opsd: %s",
                    r == -EINVAL ? "the request is too long" : strerror(-r));
}

int session_ask(struct session *s, const char *method, cJSON *params, int64_t timeout_ms,
                cJSON **ret)
{
    OWN_MESSAGE struct message m = { 0 };
    struct err err;
    int64_t id;
    int r;

    r = client_send(&s->client, method, params, &id);
    if (r < 0)
        return send_failed(r);
    do {
        message_done(&m);
        r = client_next(&s->client, timeout_ms, &m, &err);
        if (r == -ETIMEDOUT && s->under_way)
            return complain(EXIT_FAILED, "%s: %s", err.text, s->under_way);
        if (r < 0)
            return complain(EXIT_FAILED, "%s", err.text);
    } while (m.method || (m.id != id && m.id != 0));
    if (m.error)
        return session_refused(m.error);
    *ret = cJSON_DetachItemFromObjectCaseSensitive(m.json, "result");
    return EXIT_DONE;
}
