/*
 * The members of a worker's row as text: what a person wants to read in place of milliseconds,
 * bytes and nulls.
 */
#include "opsctl_row.h"

#include <string.h>

#include "instant.h"
#include "json.h"
#include "opsctl_display.h"
#include "text.h"

static int add_text(struct buf *to, const char *text_or_null)
{
    return text_or_null ? buf_add_text(to, text_or_null) : 0;
}

static int add_whole(struct buf *to, int64_t number)
{
    char text[TEXT_INT_MAX];

    return buf_add(to, text, (size_t)(text_put_int(text, number) - text));
}

static int add_int(const struct row_context *context, const char *member, struct buf *to)
{
    int64_t value;

    return json_get_id(context->row, member, &value) < 0 ? 0 : add_whole(to, value);
}

int row_id(const struct row_context *context, struct buf *to)
{
    return add_int(context, "id", to);
}

/* True when a row beside it, where the other instances of a worker are, has the same name. */
static bool has_namesake(const cJSON *row, const char *name)
{
    /* cJSON: the first item's prev is the last of all. */
    const char *before = json_get_text(row->prev, "name"),
               *after = json_get_text(row->next, "name");

    return (row->prev != row && before && strcmp(before, name) == 0) ||
           (after && strcmp(after, name) == 0);
}

/* Several instances of one name are told apart by NAME:INSTANCE, which commands accept. */
int row_name(const struct row_context *context, struct buf *to)
{
    const char *name = json_get_text(context->row, "name");
    int64_t instance = 0;

    if (!name)
        return 0;
    (void)json_get_id(context->row, "instance", &instance);
    if (instance == 0 && !has_namesake(context->row, name))
        return buf_add_text(to, name);
    return buf_printf(to, "%s:%lld", name, (long long)instance);
}

int row_namespace(const struct row_context *context, struct buf *to)
{
    return add_text(to, json_get_text(context->row, "namespace"));
}

int row_state(const struct row_context *context, struct buf *to)
{
    return add_text(to, json_get_text(context->row, "state"));
}

int row_pid(const struct row_context *context, struct buf *to)
{
    return add_int(context, "pid", to);
}

bool row_is_completed(const cJSON *row)
{
    return json_get_bool(row, "completed");
}

int row_outcome(const struct row_context *context, struct buf *to)
{
    return row_is_completed(context->row) ? buf_add_text(to, "completed") : row_state(context, to);
}

int row_uptime(const struct row_context *context, struct buf *to)
{
    char text[DISPLAY_TEXT_MAX];
    int64_t ms;

    if (json_get_id(context->row, "uptime_ms", &ms) < 0)
        return 0;
    return buf_add_text(to, display_span(ms, text));
}

/* A sparse row has it only when there were any. */
int row_restarts(const struct row_context *context, struct buf *to)
{
    int64_t restarts = 0;

    (void)json_get_id(context->row, "restarts", &restarts);
    return add_whole(to, restarts);
}

int row_cpu(const struct row_context *context, struct buf *to)
{
    const cJSON *percent = json_get(context->row, "cpu_percent");
    char text[DISPLAY_TEXT_MAX];

    if (!cJSON_IsNumber(percent))
        return 0;
    return buf_add_text(to, display_tenths(percent->valuedouble, "%", text));
}

int row_memory(const struct row_context *context, struct buf *to)
{
    const cJSON *bytes = json_get(context->row, "memory_bytes");
    char text[DISPLAY_TEXT_MAX];

    if (!cJSON_IsNumber(bytes))
        return 0;
    return buf_add_text(to, display_bytes(bytes->valuedouble, text));
}

int row_add_instant(struct buf *to, const char *instant, int64_t now)
{
    char text[DISPLAY_TEXT_MAX];
    int64_t at;

    if (!instant || instant_parse(instant, &at) < 0)
        return 0;
    if (at > now)
        return buf_printf(to, "in %s", display_span(at - now, text));
    return buf_printf(to, "%s ago", display_span(now - at, text));
}

int row_add_exit(struct buf *to, const cJSON *object)
{
    int64_t value;

    if (json_get_id(object, "exit_signal", &value) == 0 && value > 0)
        return buf_printf(to, "signal %lld", (long long)value);
    if (json_get_id(object, "exit_code", &value) == 0)
        return buf_printf(to, "exit %lld", (long long)value);
    return 0;
}

/* "ok, 3m2s ago", "exit 1, 3m2s ago", "running since 12s". */
int row_last_run(const struct row_context *context, struct buf *to)
{
    const cJSON *run = json_get(context->row, "last_run");
    const char *started = json_get_text(run, "started");
    int64_t code;
    int r;

    if (!started)
        return 0;
    if (json_get_id(run, "exit_code", &code) == 0 && code == 0)
        r = buf_add_text(to, "ok");
    else
        r = row_add_exit(to, run);
    if (r == 0)
        r = buf_add_text(to, to->len ? ", " : "began ");
    return r < 0 ? r : row_add_instant(to, started, context->now);
}

int row_next_run(const struct row_context *context, struct buf *to)
{
    return row_add_instant(to, json_get_text(context->row, "next_run"), context->now);
}

static int add_number(struct buf *to, double number)
{
    return buf_printf(to, "%.15g", number);
}

/* "selected=12 changed=10", in the order in which the worker gave them. */
int row_stats(const struct row_context *context, struct buf *to)
{
    const cJSON *stat;
    int r = 0;

    cJSON_ArrayForEach(stat, json_get(context->row, "stats"))
    {
        if (!stat->string || (!cJSON_IsNumber(stat) && !cJSON_IsString(stat)))
            continue;
        r = buf_printf(to, "%s%s=", to->len ? " " : "", stat->string);
        if (r == 0)
            r = cJSON_IsNumber(stat) ? add_number(to, stat->valuedouble)
                                     : buf_add_text(to, stat->valuestring);
        if (r < 0)
            break;
    }
    return r;
}

/* A worker that is where it should be speaks for itself; of any other the reason is what matters.
 */
static bool is_well(const cJSON *row)
{
    const char *state = json_get_text(row, "state"), *wanted = json_get_text(row, "wanted");

    if (!state || strcmp(state, "online") == 0 || strcmp(state, "scheduled") == 0)
        return true;
    return strcmp(state, "stopped") == 0 && !(wanted && strcmp(wanted, "up") == 0);
}

int row_status(const struct row_context *context, struct buf *to)
{
    const char *reason = json_get_text(context->row, "reason");
    const char *status = json_get_text(context->row, "status_text");

    if (row_is_completed(context->row))
        return buf_add_text(to, "completed");
    if (reason && reason[0] && !is_well(context->row))
        return buf_add_text(to, reason);
    if (status && status[0])
        return buf_add_text(to, status);
    return row_stats(context, to);
}
