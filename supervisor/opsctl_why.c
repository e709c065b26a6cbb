/*
 * Why a worker is in its state and what happens next, as a sentence: the first thing that somebody
 * wants to know who looks at one worker.
 */
#include <string.h>

#include "json.h"
#include "opsctl_display.h"
#include "opsctl_row.h"

/* What a state says after the reason, or without one. */
typedef int state_text(const struct row_context *context, struct buf *to);

static int add_reason(const struct row_context *context, struct buf *to)
{
    const char *reason = json_get_text(context->row, "reason");

    return reason && reason[0] ? buf_add_text(to, reason) : 0;
}

/* After a semicolon when something stands before it. */
static int add_after(struct buf *to, const char *text)
{
    return buf_printf(to, "%s%s", to->len ? "; " : "", text);
}

static int say_stopped(const struct row_context *context, struct buf *to)
{
    const char *wanted = json_get_text(context->row, "wanted");
    bool up = wanted && strcmp(wanted, "up") == 0;
    int r;

    if (row_is_completed(context->row)) {
        r = buf_add_text(to, "its work is done: ");
        return r < 0 ? r : add_reason(context, to);
    }
    r = add_reason(context, to);
    if (r == 0 && !to->len)
        r = buf_add_text(to, up ? "it is about to be started" : "nobody started it");
    else if (r == 0 && up)
        r = add_after(to, "it is not started again by itself");
    return r;
}

static int say_waiting(const struct row_context *context, struct buf *to)
{
    const cJSON *one;
    int r = 0;

    cJSON_ArrayForEach(one, json_get(context->row, "depends_on"))
    {
        const char *name = json_get_text(one, "name"), *condition = json_get_text(one, "condition");

        if (r == 0 && name && condition && !json_get_bool(one, "met"))
            r = buf_printf(to, "%s%s to be %s", to->len ? ", for " : "it waits for ", name,
                           condition);
    }
    return r == 0 && !to->len ? buf_add_text(to, "it is about to be started") : r;
}

static int say_scheduled(const struct row_context *context, struct buf *to)
{
    const char *next = json_get_text(context->row, "next_run");
    int r = buf_add_text(to, next ? "it waits for its tick, " : "it waits for a tick");

    return r == 0 && next ? row_add_instant(to, next, context->now) : r;
}

static int say_launching(const struct row_context *context, struct buf *to)
{
    (void)context;
    return buf_add_text(to, "it was started and is not ready yet");
}

static int say_online(const struct row_context *context, struct buf *to)
{
    char text[DISPLAY_TEXT_MAX];
    int64_t ms;

    if (json_get_id(context->row, "uptime_ms", &ms) < 0)
        return buf_add_text(to, "it runs");
    return buf_printf(to, "it has run for %s", display_span(ms, text));
}

static int say_stopping(const struct row_context *context, struct buf *to)
{
    int r = add_reason(context, to);

    return r < 0 ? r : add_after(to, "it was asked to leave and has not left yet");
}

static int say_backoff(const struct row_context *context, struct buf *to)
{
    char text[DISPLAY_TEXT_MAX];
    int64_t ms;
    int r = add_reason(context, to);

    if (r < 0 || json_get_id(context->row, "next_try_in_ms", &ms) < 0)
        return r;
    return buf_printf(to, "%sit is tried again in %s", to->len ? "; " : "", display_span(ms, text));
}

static int say_errored(const struct row_context *context, struct buf *to)
{
    const char *name = json_get_text(context->row, "name");
    int r = add_reason(context, to);

    return r < 0 ? r
                 : buf_printf(to,
                              "%sit is not tried again; when the cause is gone: opsctl restart %s",
                              to->len ? "; " : "", name ? name : "all");
}

int row_why(const struct row_context *context, struct buf *to)
{
    static const struct {
        const char *state;
        state_text *text;
    } states[] = {
        { "stopped", say_stopped },     { "waiting", say_waiting },
        { "scheduled", say_scheduled }, { "launching", say_launching },
        { "online", say_online },       { "stopping", say_stopping },
        { "errored", say_errored },     { "waiting restart", say_backoff },
    };
    const char *state = json_get_text(context->row, "state");

    for (size_t i = 0; state && i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].state, state) == 0)
            return states[i].text(context, to);
    }
    return add_reason(context, to);
}
