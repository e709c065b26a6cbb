/*
 * A command's way to opsd: connect, starting it where that is wanted, ask, and wait for the answer.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "opsctl_progress.h"
#include "own.h"

enum {
    /* A hung opsd is told from a busy one by a wait that no honest answer needs. */
    READ_TIMEOUT_MS = 5000,
    /* An opsd that was replaced this often while a request was under way is in trouble; so is one
     * that is gone for so long whenever it was started. */
    REPEATS_MAX = 6,
    CONNECT_MS = 10000,
    /* An opsd that has not answered this much later than it was asked to hangs. */
    GRACE_MS = 5000,
    /* The first repeat is at once. From the second on each waits twice as long as the one before:
     * the socket of an opsd that was killed takes connections until the kernel is done with it. */
    REPEAT_AFTER_MS = 10,
};

static int connect_failed(const struct session *s, int r)
{
    if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
        return complain(EXIT_NOT_RUNNING,
                        "opsd is not running (home %s); start it with: opsctl start all",
                        s->home.path);
    if (r == -EACCES || r == -EPERM)
        return complain(EXIT_NOT_PERMITTED,
                        "%s: opsd belongs to another user; try sudo, or have its owner name a "
                        "group of yours as \"socket_group\" beside \"apps\" in ecosystem.json",
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

int session_find_home(struct session *s)
{
    struct err err;

    if (home_find(s->args->home, NULL, &s->home, &err) < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    return EXIT_DONE;
}

int session_open(struct session *s)
{
    int r = session_find_home(s);

    if (r != EXIT_DONE)
        return r;
    r = try_connect(s);
    return r < 0 ? connect_failed(s, r) : EXIT_DONE;
}

/* Starts opsd where that is wanted and it is not there, and again when it was killed before it
 * could be talked to. Returns 0 or a negative errno; reason says why it could not be started. */
static int connect_or_start(struct session *s, struct buf *reason)
{
    uint64_t until = monotonic_now_ms() + CONNECT_MS;
    int spawned = 0, r;

    /* One more look after a start that failed: somebody else may have been faster. */
    while ((r = try_connect(s)) < 0 && (r == -ENOENT || r == -ECONNREFUSED) && s->starts &&
           spawned == 0 && monotonic_now_ms() < until)
        spawned = spawn_opsd(s, reason);
    return r;
}

int session_open_or_start(struct session *s)
{
    OWN_BUF struct buf reason = { 0 };
    int r = session_find_home(s);

    buf_init(&reason, SPAWN_REASON_MAX);
    if (r != EXIT_DONE)
        return r;
    s->starts = true;
    r = connect_or_start(s, &reason);
    if (r < 0 && reason.len)
        return complain(EXIT_FAILED, "%s", reason.p);
    if (r == -ENOTDIR)
        return complain(EXIT_FAILED,
                        "%s: not a folder, so opsd cannot live there; choose another "
                        "home by --home or OPS_HOME",
                        s->home.path);
    return r < 0 ? connect_failed(s, r) : EXIT_DONE;
}

int64_t session_timeout_ms(const struct session *s)
{
    return s->args->timeout_ms ? s->args->timeout_ms : READ_TIMEOUT_MS;
}

int64_t session_patience_ms(const struct session *s)
{
    return s->args->timeout_ms ? s->args->timeout_ms + GRACE_MS : 0;
}

/* A file stands for the workers in it, and opsd knows it by its path. */
static cJSON *name_of(const char *word)
{
    OWN(free) char *path = word_is_manifest(word) ? realpath(word, NULL) : NULL;

    return cJSON_CreateString(path ? path : word);
}

cJSON *session_name_params(const struct session *s)
{
    OWN(json) cJSON *params = cJSON_CreateObject();

    if (!params || (s->args->count && !json_put(params, "name", name_of(s->args->words[0]))))
        return NULL;
    return TAKE(params);
}

cJSON *session_names_params(const struct session *s, size_t n)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *names = cJSON_CreateArray();

    for (size_t i = n; names && i < s->args->count; i++)
        (void)cJSON_AddItemToArray(names, name_of(s->args->words[i]));
    if (!params || !json_put(params, "names", TAKE(names)))
        return NULL;
    return TAKE(params);
}

/* --- an opsd that is replaced meanwhile */

/* The guard keeps the socket, so that whoever connects waits in its queue for the next opsd. When
 * both were killed, what starts opsd starts it again. */
bool session_reconnect(struct session *s)
{
    OWN_BUF struct buf reason = { 0 };

    buf_init(&reason, SPAWN_REASON_MAX);
    client_done(&s->client);
    return connect_or_start(s, &reason) == 0;
}

int session_go_on(struct session *s, const struct err *how)
{
    if (session_reconnect(s))
        return EXIT_DONE;
    return complain(EXIT_NOT_RUNNING, "%s; it is not running any more", how->text);
}

int session_cut(struct session *s, const struct err *how)
{
    int r = session_go_on(s, how);

    if (r != EXIT_DONE)
        return r;
    return complain(EXIT_FAILED, "opsd was restarted while it did this; look with: opsctl stat");
}

static bool may_repeat(const char *method)
{
    for (const struct command *c = commands; c->word; c++)
        if (c->method && strcmp(c->method, method) == 0)
            return c->repeat == AGAIN;
    return false;
}

/* --- asking */

static int send_failed(int r)
{
    return complain(EXIT_FAILED, "asking opsd: %s",
                    r == -EINVAL ? "the request is too long" : strerror(-r));
}

/* Waits for the answer to the request of that id. Returns 0 or as client_next. */
static int await_answer(struct session *s, int64_t id, int64_t timeout_ms, struct message *ret,
                        struct err *reterr)
{
    int r;

    do {
        message_done(ret);
        r = client_next(&s->client, timeout_ms, ret, reterr);
        if (r == 0 && ret->method && strcmp(ret->method, "progress") == 0)
            progress_show(s, ret->params);
    } while (r == 0 && (ret->method || (ret->id != id && ret->id != 0)));
    progress_end(s);
    return r;
}

int session_ask(struct session *s, const char *method, cJSON *params, int64_t timeout_ms,
                cJSON **ret)
{
    OWN_MESSAGE struct message m = { 0 };
    OWN(json) cJSON *owned = params;
    struct err err = { "" };
    int64_t id;
    int r, code;

    for (int repeats = 0;; repeats++) {
        r = client_send(&s->client, method, owned ? cJSON_Duplicate(owned, true) : NULL, &id);
        if (r < 0)
            return send_failed(r);
        r = await_answer(s, id, timeout_ms, &m, &err);
        if (r != -ECONNRESET || repeats == REPEATS_MAX)
            break;
        if (!may_repeat(method))
            return session_cut(s, &err);
        if (repeats)
            (void)poll(NULL, 0, REPEAT_AFTER_MS << (repeats - 1));
        code = session_go_on(s, &err);
        if (code != EXIT_DONE)
            return code;
    }
    if (r == -ETIMEDOUT && s->under_way)
        return complain(EXIT_FAILED, "%s: %s", err.text, s->under_way);
    if (r < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    if (m.error)
        return session_refused(m.error);
    *ret = cJSON_DetachItemFromObjectCaseSensitive(m.json, "result");
    return EXIT_DONE;
}

int session_exit_code(const cJSON *end)
{
    int64_t value;

    if (json_get_id(end, "exit_signal", &value) == 0)
        return 128 + (int)(value & 127);
    if (json_get_id(end, "exit_code", &value) == 0)
        return (int)(value & 255);
    return complain(EXIT_FAILED, "opsd does not tell how the run ended");
}

int session_stream(struct session *s, const struct session_stream *stream, void *view)
{
    int64_t timeout_ms = s->args->follow ? 0 : session_timeout_ms(s);
    struct err err;
    int r;

    for (;;) {
        OWN_MESSAGE struct message m = { 0 };

        if (!client_has_next(&s->client))
            (void)fflush(stdout);
        if (ferror(stdout))
            return EXIT_DONE;
        r = client_next(&s->client, timeout_ms, &m, &err);
        if (r == -ECONNRESET) {
            r = stream->go_on(s, view, &err);
            if (r != EXIT_DONE)
                return r;
            continue;
        }
        if (r == -EINTR || r == -EPIPE)
            return EXIT_DONE;
        if (r < 0)
            return complain(EXIT_FAILED, "%s", err.text);
        if (m.error)
            return session_refused(m.error);
        if (!m.method)
            return EXIT_DONE;
        r = stream->take(view, &m);
        if (r < 0)
            return complain(EXIT_FAILED, "%s: %s", stream->unshown, strerror(-r));
    }
}
