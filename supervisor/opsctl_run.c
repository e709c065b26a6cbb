/*
 * `opsctl run_worker APP WORKER`: one run in the foreground, as if the worker had been started
 * here: its lines as they come, its exit code, and Ctrl-C for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_output.h"
#include "own.h"

struct run_view {
    struct session *s;
    int64_t id; /* of the run's request */
    struct buf line;
    bool raw_out, raw_err; /* no terminal there: bytes pass unchanged */
};

/* The requirement documents call workers by file names of their old languages. */
static size_t name_length(const char *worker)
{
    static const char *const endings[] = { ".py", ".js" };
    size_t n = strlen(worker);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t m = strlen(endings[i]);

        if (n > m && strcmp(worker + n - m, endings[i]) == 0)
            return n - m;
    }
    return n;
}

static cJSON *run_params(const struct args *args)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *arguments = cJSON_CreateArray();
    OWN(free) char *worker = strndup(args->words[1], name_length(args->words[1]));

    for (size_t i = 2; arguments && i < args->count; i++)
        (void)cJSON_AddItemToArray(arguments, cJSON_CreateString(args->words[i]));
    if (!params || !worker || !json_put_text(params, "app", args->words[0]) ||
        !json_put_text(params, "worker", worker) || !json_put(params, "args", TAKE(arguments)))
        return NULL;
    return TAKE(params);
}

/* With --json standard output is for the document alone. Output that cannot be written any more
 * does not end the run: the work counts. */
static int print_output(struct run_view *view, const cJSON *params)
{
    bool err = output_is_err(params) || view->s->args->json;
    int r = output_read(params, &view->line);

    if (r < 0)
        return r;
    (void)fflush(stdout);
    return output_print(err ? stderr : stdout, &view->line, err ? view->raw_err : view->raw_out);
}

static int cancel(struct run_view *view)
{
    cJSON *params = cJSON_CreateObject();
    int64_t id;

    if (!params || !json_put_int(params, "id", view->id)) {
        cJSON_Delete(params);
        return -ENOMEM;
    }
    (void)complain(0, "stopping the run; once more leaves without waiting for its end");
    return client_send(&view->s->client, "cancel", params, &id);
}

/* Waits for the run's own answer; what `cancel` is answered does not matter. */
static int await_end(struct run_view *view, struct message *ret)
{
    struct err err;
    int r;

    for (;;) {
        OWN_MESSAGE struct message m = { 0 };

        if (!client_has_next(&view->s->client))
            (void)fflush(stdout);
        r = client_next(&view->s->client, view->s->args->timeout_ms, &m, &err);
        if (r == -EINTR)
            r = cancel(view);
        else if (r == -ECONNRESET)
            return session_cut(view->s, &err);
        else if (r < 0)
            return complain(EXIT_FAILED, "%s", err.text);
        else if (m.method)
            r = strcmp(m.method, "output") == 0 ? print_output(view, m.params) : 0;
        if (r < 0)
            return complain(EXIT_FAILED, "run_worker: %s", strerror(-r));
        if (m.json && !m.method && (m.id == view->id || m.id == 0)) {
            *ret = m;
            m.json = NULL;
            return EXIT_DONE;
        }
    }
}

static int run(struct run_view *view)
{
    OWN_MESSAGE struct message answer = { 0 };
    struct session *s = view->s;
    int r;

    r = client_send(&s->client, "run_worker", run_params(s->args), &view->id);
    if (r < 0)
        return complain(EXIT_FAILED, "asking opsd for a run: %s", strerror(-r));
    output_catch_interrupts();
    r = await_end(view, &answer);
    if (r != EXIT_DONE)
        return r;
    if (answer.error)
        return session_refused(answer.error);
    if (s->args->json)
        (void)print_json(answer.result);
    return session_exit_code(answer.result);
}

int command_run_worker(struct session *s)
{
    struct run_view view = { .s = s,
                             .raw_out = !isatty(STDOUT_FILENO),
                             .raw_err = !isatty(STDERR_FILENO) };
    int r;

    buf_init(&view.line, CLIENT_LINE_MAX);
    r = session_open(s);
    if (r == EXIT_DONE)
        r = run(&view);
    buf_done(&view.line);
    return r;
}
