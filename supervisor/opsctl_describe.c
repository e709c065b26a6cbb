/*
 * `opsctl describe`: one worker for a person who wonders what is the matter with it. The state and
 * its reason come first; what never changes comes last.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"
#include "zone.h"

enum { LABEL_COLUMNS = 14 };

/* "2026-11-22T00:10:00Z (in 9h3m": what else there is to say about it may follow. */
static int add_instant_open(struct buf *to, const char *instant, int64_t now)
{
    int r = buf_printf(to, "%s (", instant);

    return r < 0 ? r : row_add_instant(to, instant, now);
}

/* "2026-11-22T00:10:00Z (in 9h3m)" */
static int add_instant(struct buf *to, const char *instant, int64_t now)
{
    int r;

    if (!instant)
        return 0;
    r = add_instant_open(to, instant, now);
    return r < 0 ? r : buf_add_text(to, ")");
}

static int text_state(const struct row_context *context, struct buf *to)
{
    const char *wanted = json_get_text(context->row, "wanted");
    int r = row_outcome(context, to);

    if (row_is_completed(context->row))
        return r;
    return r == 0 && wanted ? buf_printf(to, " (wanted: %s)", wanted) : r;
}

/* ", 2026-11-22 03:10:00 Europe/Moscow" */
static int add_local(struct buf *to, const char *instant, const char *name)
{
    const struct zone *zone;
    struct local at;
    int64_t ms;

    if (instant_parse(instant, &ms) < 0 || zone_open(name, &zone, NULL) < 0)
        return 0;
    zone_local(zone, ms, &at);
    return buf_printf(to, ", %04d-%02d-%02d %02d:%02d:%02d %s", at.year, at.month, at.day, at.hour,
                      at.minute, at.second, name);
}

static int text_next_run(const struct row_context *context, struct buf *to)
{
    const char *instant = json_get_text(context->row, "next_run");
    const char *zone = json_get_text(context->row, "timezone");
    int r;

    if (!instant)
        return 0;
    r = add_instant_open(to, instant, context->now);
    if (r == 0 && zone)
        r = add_local(to, instant, zone);
    return r < 0 ? r : buf_add_text(to, ")");
}

static int text_started(const struct row_context *context, struct buf *to)
{
    return add_instant(to, json_get_text(context->row, "started"), context->now);
}

static int text_cgroup(const struct row_context *context, struct buf *to)
{
    const char *path = json_get_text(context->row, "cgroup");

    return path ? buf_add_text(to, path) : 0;
}

static bool is_scheduled(const cJSON *row)
{
    return json_get_text(row, "schedule");
}

static int text_restarts(const struct row_context *context, struct buf *to)
{
    int64_t unstable;
    int r = row_restarts(context, to);

    if (r == 0 && !is_scheduled(context->row) &&
        json_get_id(context->row, "unstable_restarts", &unstable) == 0)
        r = buf_printf(to, " (%lld unstable)", (long long)unstable);
    return r;
}

/* A tick that failed is tried again, which is no restart of anything. */
static int text_failed_tries(const struct row_context *context, struct buf *to)
{
    int64_t tries;

    if (!is_scheduled(context->row) || json_get_id(context->row, "unstable_restarts", &tries) < 0)
        return 0;
    return buf_printf(to, "%lld", (long long)tries);
}

static int text_schedule(const struct row_context *context, struct buf *to)
{
    const char *schedule = json_get_text(context->row, "schedule");
    const char *zone = json_get_text(context->row, "timezone");

    if (!schedule)
        return 0;
    return buf_printf(to, "%s (%s)", schedule, zone ? zone : "system's zone");
}

static int text_depends_on(const struct row_context *context, struct buf *to)
{
    const cJSON *one;
    int r = 0;

    cJSON_ArrayForEach(one, json_get(context->row, "depends_on"))
    {
        const char *name = json_get_text(one, "name");
        const char *condition = json_get_text(one, "condition");

        if (r == 0 && name && condition)
            r = buf_printf(to, "%s%s %s%s", to->len ? ", " : "", name, condition,
                           json_get_bool(one, "met") ? "" : " (not yet)");
    }
    return r;
}

/* The command as it is run, interpreter first. */
static int text_command(const struct row_context *context, struct buf *to)
{
    const char *interpreter = json_get_text(context->row, "interpreter");
    const char *script = json_get_text(context->row, "script");
    const cJSON *argument;
    int r;

    if (!script)
        return 0;
    r = buf_printf(to, "%s%s%s", interpreter ? interpreter : "", interpreter ? " " : "", script);
    cJSON_ArrayForEach(argument, json_get(context->row, "args"))
    {
        if (r == 0 && cJSON_IsString(argument))
            r = buf_printf(to, " %s", argument->valuestring);
    }
    return r;
}

/* A line of the description: made by text, or when that is NULL the member as it is. Sentences fold
 * to the terminal's width; what somebody may want to copy does not. */
/* clang-format off */
static const struct {
    const char *label;
    row_text *text;
    const char *member;
    bool folds;
} fields[] = {
    { "state",      text_state },
    { "why",        row_why, .folds = true },
    { "depends on", text_depends_on, .folds = true },
    { "last run",   row_last_run },
    { "next run",   text_next_run },
    { "schedule",   text_schedule },
    { "status",     NULL, "status_text", .folds = true },
    { "stats",      row_stats, .folds = true },
    { "namespace",  row_namespace },
    { "pid",        row_pid },
    { "started",    text_started },
    { "cgroup",     text_cgroup },
    { "uptime",     row_uptime },
    { "restarts",   text_restarts },
    { "failed tries", text_failed_tries },
    { "cpu",        row_cpu },
    { "memory",     row_memory },
    { "command",    text_command },
    { "folder",     NULL, "cwd" },
    { "output",     NULL, "out_file" },
    { "errors",     NULL, "error_file" },
};
/* clang-format on */

static int add_field(const struct row_context *context, size_t i, struct buf *to)
{
    const char *text;

    if (fields[i].text)
        return fields[i].text(context, to);
    text = json_get_text(context->row, fields[i].member);
    return text ? buf_add_text(to, text) : 0;
}

static int print_fields(const struct row_context *context, const struct terminal *terminal)
{
    OWN_BUF struct buf text = { 0 };
    char label[LABEL_COLUMNS + 3];
    int r = 0;

    buf_init(&text, CLIENT_LINE_MAX);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0] && r == 0; i++) {
        buf_clear(&text);
        (void)snprintf(label, sizeof label, "  %-*s", LABEL_COLUMNS, fields[i].label);
        r = add_field(context, i, &text);
        if (r == 0 && text.len)
            r = fields[i].folds ? display_print_folded(stdout, terminal, label, text.p)
                                : display_print(stdout, label, text.p, DISPLAY_CELL);
    }
    return r;
}

/* "2026-11-21T10:00:00Z (3m ago)  exited with code 1 after 20 ms" */
static int add_exit(const struct row_context *exit, struct buf *to)
{
    const char *reason = json_get_text(exit->row, "reason");
    int r = add_instant(to, json_get_text(exit->row, "at"), exit->now);

    if (r == 0)
        r = buf_add_text(to, "  ");
    if (r < 0)
        return r;
    return reason && reason[0] ? buf_add_text(to, reason) : row_add_exit(to, exit->row);
}

static int print_exit(const struct row_context *exit, const struct terminal *terminal)
{
    OWN_BUF struct buf text = { 0 };
    const cJSON *line;
    int r;

    buf_init(&text, CLIENT_LINE_MAX);
    r = add_exit(exit, &text);
    if (r == 0)
        r = display_print_folded(stdout, terminal, "    ", text.p);
    cJSON_ArrayForEach(line, json_get(exit->row, "lines"))
    {
        if (r == 0 && cJSON_IsString(line))
            r = display_print(stdout, "      | ", line->valuestring, DISPLAY_LINE);
    }
    return r;
}

static int print_title(const struct row_context *context)
{
    OWN_BUF struct buf text = { 0 };
    int r;

    buf_init(&text, CLIENT_LINE_MAX);
    r = row_name(context, &text);
    if (r == 0)
        r = buf_add_text(&text, ", id ");
    if (r == 0)
        r = row_id(context, &text);
    return r < 0 ? r : display_print(stdout, "", text.p, DISPLAY_CELL);
}

static int print_worker(const struct row_context *context)
{
    struct terminal terminal = terminal_look(STDOUT_FILENO);
    struct row_context exit = { .now = context->now };
    const cJSON *exits = json_get(context->row, "exits");
    int r;

    /* A row that is not the first: cJSON lets the first one's prev be the last of all. */
    if (context->row->prev && context->row->prev->next == context->row)
        (void)printf("\n");
    r = print_title(context);
    if (r == 0)
        r = print_fields(context, &terminal);
    if (r == 0 && cJSON_GetArraySize(exits))
        (void)printf("  last exits\n");
    cJSON_ArrayForEach(exit.row, exits)
    {
        if (r == 0)
            r = print_exit(&exit, &terminal);
    }
    return r;
}

int command_describe(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    struct row_context context = { .now = instant_now() };
    int r;

    r = session_open(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "describe", session_name_params(s), session_timeout_ms(s), &result);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_json(result);
    cJSON_ArrayForEach(context.row, json_get(result, "workers"))
    {
        r = print_worker(&context);
        if (r < 0)
            return complain(EXIT_FAILED, "%s", strerror(-r));
    }
    return EXIT_DONE;
}
