/*
 * `opsctl history`: what became of a worker's processes, newest first.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_rows.h"
#include "own.h"

static int add_text(const struct row_context *context, const char *member, struct buf *to)
{
    const char *text = json_get_text(context->row, member);

    return text ? buf_add_text(to, text) : 0;
}

/* The first instance goes by the name alone: all rows are of the same few workers. */
static int text_name(const struct row_context *context, struct buf *to)
{
    int64_t instance;
    int r = add_text(context, "name", to);

    if (r == 0 && json_get_id(context->row, "instance", &instance) == 0 && instance > 0)
        r = buf_printf(to, ":%lld", (long long)instance);
    return r;
}

/* "3m12s ago". */
static int text_ended(const struct row_context *context, struct buf *to)
{
    return row_add_instant(to, json_get_text(context->row, "at"), context->now);
}

static int text_started(const struct row_context *context, struct buf *to)
{
    return add_text(context, "started", to);
}

static int text_tick(const struct row_context *context, struct buf *to)
{
    if (json_get_bool(context->row, "by_hand"))
        return buf_add_text(to, "by hand");
    return add_text(context, "tick", to);
}

static int text_attempt(const struct row_context *context, struct buf *to)
{
    int64_t attempt;

    if (json_get_id(context->row, "attempt", &attempt) < 0)
        return 0;
    return buf_printf(to, "%lld", (long long)attempt);
}

static int text_took(const struct row_context *context, struct buf *to)
{
    char text[DISPLAY_TEXT_MAX];
    int64_t ms;

    if (json_get_id(context->row, "duration_ms", &ms) < 0)
        return 0;
    return buf_add_text(to, display_span(ms, text));
}

static int text_exit(const struct row_context *context, struct buf *to)
{
    int64_t code;

    if (json_get_id(context->row, "exit_code", &code) == 0 && code == 0)
        return buf_add_text(to, "ok");
    return row_add_exit(to, context->row);
}

static int text_reason(const struct row_context *context, struct buf *to)
{
    return add_text(context, "reason", to);
}

/* clang-format off */
static const struct row_column columns[] = {
    /*   title      right  fold drop */
    { { "NAME",     false, 30,  2 }, text_name },
    { { "ENDED",    true,  0,   0 }, text_ended },
    { { "STARTED",  false, 0,   4 }, text_started },
    { { "TICK",     false, 0,   3 }, text_tick },
    { { "TRY",      true,  0,   5 }, text_attempt },
    { { "TOOK",     true,  0,   1 }, text_took },
    { { "EXIT",     false, 0,   0 }, text_exit },
    { { "REASON",   false, 24,  0 }, text_reason },
};
/* clang-format on */

static enum colour colour_of(row_text *text, const cJSON *row)
{
    int64_t code;

    if (text != text_exit)
        return COLOUR_NONE;
    return json_get_id(row, "exit_code", &code) == 0 && code == 0 ? COLOUR_GREEN : COLOUR_RED;
}

static int print_table(const cJSON *runs)
{
    static const struct rows rows = { columns, sizeof columns / sizeof columns[0], colour_of };
    struct terminal terminal = terminal_look(STDOUT_FILENO);
    int r = rows_print(&rows, stdout, &terminal, runs);

    return r < 0 ? complain(EXIT_FAILED, "%s", strerror(-r)) : EXIT_DONE;
}

/* The lines that the newest one printed answer the next question. */
static int print_last_lines(const cJSON *run)
{
    const cJSON *line, *lines = json_get(run, "lines");
    int r = 0;

    if (!cJSON_GetArraySize(lines))
        return EXIT_DONE;
    (void)printf("\nthe last that the newest printed\n");
    cJSON_ArrayForEach(line, lines)
    {
        if (r == 0 && cJSON_IsString(line))
            r = display_print(stdout, "  | ", line->valuestring, DISPLAY_LINE);
    }
    return r < 0 ? complain(EXIT_FAILED, "%s", strerror(-r)) : EXIT_DONE;
}

static cJSON *question(const struct session *s)
{
    OWN(json) cJSON *params = session_names_params(s, 0);

    if (params && s->args->lines >= 0 && !json_put_int(params, "n", s->args->lines))
        return NULL;
    return TAKE(params);
}

int command_history(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    const cJSON *runs;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "history", question(s), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    runs = json_get(result, "runs");
    if (!cJSON_GetArraySize(runs)) {
        (void)printf("no process of %s has ended yet\n", s->args->words[0]);
        return EXIT_DONE;
    }
    r = print_table(runs);
    return r == EXIT_DONE && isatty(STDOUT_FILENO) ? print_last_lines(runs->child) : r;
}
