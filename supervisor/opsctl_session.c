/*
 * A command's way to opsd: connect, ask, and turn every way of failing into a sentence on stderr
 * and an exit code of the table below.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"

/* A hung opsd is told from a busy one by a wait that no honest answer needs. */
enum { READ_TIMEOUT_MS = 5000 };

/* clang-format off */
static const struct {
    enum wire_error error;
    enum exit_code exit_code;
} exit_codes[] = {
    { WIRE_BAD_PARAMS,    EXIT_USAGE },
    { WIRE_FAILED,        EXIT_FAILED },
    { WIRE_NOT_RUNNING,   EXIT_NOT_RUNNING },
    { WIRE_NO_WORKER,     EXIT_NO_WORKER },
    { WIRE_NOT_PERMITTED, EXIT_NOT_PERMITTED },
    /* opsctl and opsd do not understand each other */
    { WIRE_PARSE,         EXIT_FAILED },
    { WIRE_INVALID,       EXIT_FAILED },
    { WIRE_NO_METHOD,     EXIT_FAILED },
    { WIRE_INTERNAL,      EXIT_FAILED },
};
/* clang-format on */

int complain(int code, const char *format, ...)
{
    OWN(free) char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    (void)fflush(stdout);
    if (text)
        (void)display_print(stderr, "opsctl: ", text, DISPLAY_LINE);
    return code;
}

int print_json(const cJSON *document)
{
    OWN(free) char *text = cJSON_PrintUnformatted(document);

    if (!text)
        return complain(EXIT_FAILED, "out of memory");
    (void)printf("%s\n", text);
    return EXIT_DONE;
}

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
    struct err err;
    int r = find_home(s);

    if (r != EXIT_DONE)
        return r;
    r = try_connect(s);
    if (r == -ENOENT || r == -ECONNREFUSED) {
        int spawned = spawn_opsd(&s->home, &err);

        /* Somebody else may have been faster to start it. */
        r = try_connect(s);
        if (spawned < 0 && r < 0)
            return complain(EXIT_FAILED, "%s", err.text);
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

/* One worker of a failure's data: what became of it, and the last that it printed. */
static void complain_worker(const struct row_context *worker)
{
    OWN_BUF struct buf text;
    const char *reason = json_get_text(worker->row, "reason");
    const cJSON *line;

    buf_init(&text, CLIENT_LINE_MAX);
    if (row_name(worker, &text) == 0 && buf_add_text(&text, " ") == 0 &&
        row_state(worker, &text) == 0)
        (void)complain(0, "%s%s%s", text.p, reason && reason[0] ? ": " : "", reason ? reason : "");
    cJSON_ArrayForEach(line, json_get(worker->row, "lines"))
    {
        if (cJSON_IsString(line))
            (void)complain(0, "    | %s", line->valuestring);
    }
}

int session_refused(const cJSON *error)
{
    const cJSON *code = json_get(error, "code");
    struct row_context worker = { 0 };

    (void)complain(0, "%s", json_get_text(error, "message"));
    cJSON_ArrayForEach(worker.row, json_get(json_get(error, "data"), "workers"))
    {
        complain_worker(&worker);
    }
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
        if (code->valuedouble == (double)exit_codes[i].error)
            return (int)exit_codes[i].exit_code;
    }
    return EXIT_FAILED;
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
        if (r < 0)
            return complain(EXIT_FAILED, "%s", err.text);
    } while (m.method || (m.id != id && m.id != 0));
    if (m.error)
        return session_refused(m.error);
    *ret = cJSON_DetachItemFromObjectCaseSensitive(m.json, "result");
    return EXIT_DONE;
}
