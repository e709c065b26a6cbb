/*
 * The commands about one worker's process: pid, env, signal, wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"

/* --- pid */

static int print_pids(const struct session *s, const cJSON *workers)
{
    OWN(json) cJSON *document = cJSON_CreateObject();
    cJSON *pids = cJSON_CreateArray();
    const cJSON *row;
    int64_t pid;

    cJSON_ArrayForEach(row, workers)
    {
        if (json_get_id(row, "pid", &pid) < 0)
            continue;
        (void)cJSON_AddItemToArray(pids, cJSON_CreateNumber((double)pid));
        if (!s->args->json)
            (void)printf("%lld\n", (long long)pid);
    }
    if (!json_put(document, "pids", pids))
        return complain(EXIT_FAILED, "out of memory");
    if (!cJSON_GetArraySize(pids))
        return complain(EXIT_NOT_RUNNING, "%s does not run", s->args->words[0]);
    return s->args->json ? print_json(document) : EXIT_DONE;
}

int command_pid(struct session *s)
{
    OWN(json) cJSON *fleet = NULL;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "workers_stat", session_name_params(s), session_timeout_ms(s), &fleet);
    return r == EXIT_DONE ? print_pids(s, json_get(fleet, "workers")) : r;
}

/* --- env */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static int print_variable(const cJSON *variable)
{
    OWN_BUF struct buf line = { 0 };
    int r;

    buf_init(&line, CLIENT_LINE_MAX);
    r = buf_printf(&line, "%s=%s", variable->string,
                   cJSON_IsString(variable) ? variable->valuestring : "");
    return r < 0 ? r : display_print(stdout, "", line.p, DISPLAY_CELL);
}

static int print_variables(const cJSON *variables)
{
    size_t count = (size_t)cJSON_GetArraySize(variables), n = 0;
    OWN(free) const cJSON **sorted = calloc(count + 1, sizeof *sorted);
    const cJSON *variable;
    int r = sorted ? 0 : -1;

    cJSON_ArrayForEach(variable, variables)
    {
        if (r == 0 && variable->string)
            sorted[n++] = variable;
    }
    if (r == 0)
        qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n && r == 0; i++)
        r = print_variable(sorted[i]);
    return r;
}

static int print_environments(const cJSON *workers)
{
    struct row_context context = { 0 };
    OWN_BUF struct buf title = { 0 };
    int r = 0;

    buf_init(&title, CLIENT_LINE_MAX);
    cJSON_ArrayForEach(context.row, workers)
    {
        buf_clear(&title);
        if (cJSON_GetArraySize(workers) > 1)
            r = row_name(&context, &title);
        if (r == 0 && title.len)
            r = display_print(stdout, "# ", title.p, DISPLAY_CELL);
        if (r == 0)
            r = print_variables(json_get(context.row, "env"));
        if (r < 0)
            return complain(EXIT_FAILED, "out of memory");
    }
    return EXIT_DONE;
}

int command_env(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "env", session_names_params(s, 0), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    return s->args->json ? print_json(result) : print_environments(json_get(result, "workers"));
}

/* --- signal */

/* A dash before it, as kill(1) has it, does no harm. */
static cJSON *signal_params(const struct session *s)
{
    OWN(json) cJSON *params = session_names_params(s, 1);
    const char *name = s->args->words[0];

    if (!params || !json_put_text(params, "signal", name + (name[0] == '-')))
        return NULL;
    return TAKE(params);
}

int command_signal(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    const cJSON *row;
    int64_t pid;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "signal", signal_params(s), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    cJSON_ArrayForEach(row, json_get(result, "workers"))
    {
        if (json_get_id(row, "pid", &pid) == 0)
            (void)printf("sent to %lld\n", (long long)pid);
    }
    return EXIT_DONE;
}

/* --- send */

static cJSON *send_params(const struct session *s)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *names = cJSON_CreateArray();

    if (!params || !names || !cJSON_AddItemToArray(names, cJSON_CreateString(s->args->words[0])) ||
        !json_put(params, "names", TAKE(names)) ||
        !json_put_text(params, "line", s->args->words[1]))
        return NULL;
    return TAKE(params);
}

int command_send(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "send", send_params(s), session_timeout_ms(s), &result);
    return r == EXIT_DONE && s->args->json ? print_json(result) : r;
}

/* --- wait */

/* An opsd that takes over meanwhile is told since when the end is waited for. */
static cJSON *wait_params(const struct session *s)
{
    OWN(json) cJSON *params = session_names_params(s, 0);

    if (!params || !json_put_int(params, "since", instant_now()))
        return NULL;
    if (s->args->timeout_ms && !json_put_int(params, "timeout_ms", s->args->timeout_ms))
        return NULL;
    return TAKE(params);
}

static int print_end(const struct row_context *context)
{
    const char *reason = json_get_text(context->row, "reason");
    OWN_BUF struct buf line = { 0 };
    int r;

    buf_init(&line, CLIENT_LINE_MAX);
    r = row_name(context, &line);
    if (r == 0)
        r = buf_add_text(&line, " ");
    if (r == 0)
        r = reason && reason[0] ? buf_add_text(&line, reason) : row_add_exit(&line, context->row);
    return r < 0 ? r : display_print(stdout, "", line.p, DISPLAY_CELL);
}

/* Of several instances the first that did not end well decides. */
static int print_ends(const struct session *s, const cJSON *result)
{
    const cJSON *workers = json_get(result, "workers");
    struct row_context context = { 0 };
    int code = EXIT_DONE;

    if (!cJSON_GetArraySize(workers))
        return complain(EXIT_FAILED, "%s is not in the fleet any more", s->args->words[0]);
    if (s->args->json && print_json(result) != EXIT_DONE)
        return EXIT_FAILED;
    cJSON_ArrayForEach(context.row, workers)
    {
        if (!s->args->json && print_end(&context) < 0)
            return complain(EXIT_FAILED, "out of memory");
        if (code == EXIT_DONE)
            code = session_exit_code(context.row);
    }
    return code;
}

int command_wait(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "wait", wait_params(s), session_patience_ms(s), &result);
    return r == EXIT_DONE ? print_ends(s, result) : r;
}
