/*
 * wait: answered when a run of a worker has ended, with how it did.
 */
#include "json.h"
#include "methods.h"

/* Of a worker that does not run the run that ended last is meant. */
static unsigned first_that_counts(const cJSON *params, const struct instance *i)
{
    unsigned kept = i->exit_count < EXITS_KEPT ? i->exit_count : EXITS_KEPT;
    int64_t since;

    if (json_get_id(params, "since", &since) == 0)
        for (unsigned n = i->exit_count - kept; n < i->exit_count; n++)
            if (i->exits[n % EXITS_KEPT].at >= since)
                return n;
    return machine_runs(&i->machine) || !i->machine.exited ? i->exit_count : i->exit_count - 1;
}

static enum settled has_ended(const struct instance *i, const struct awaited *awaited,
                              int64_t now_ms, int64_t *due_ms)
{
    const struct machine *m = &i->machine;

    (void)now_ms;
    (void)due_ms;
    if (i->exit_count != awaited->exits)
        return SETTLED_WELL;
    if (machine_runs(m) || (m->wanted && !m->finished && m->state != STATE_ERRORED))
        return NOT_YET;
    return SETTLED_BADLY;
}

static cJSON *row_of_end(struct instance *i, const struct awaited *awaited)
{
    cJSON *row = cJSON_CreateObject();
    struct exit_record end = { .status = i->machine.last_exit,
                               .uptime_ms = i->machine.last_uptime_ms,
                               .reason = i->machine.reason };
    unsigned since = i->exit_count - awaited->exits;

    /* More than are kept have followed: then the oldest of those. */
    if (since > EXITS_KEPT)
        since = EXITS_KEPT;
    if (i->exit_count)
        end = i->exits[(i->exit_count - since) % EXITS_KEPT];
    (void)json_put_text(row, "name", i->app->name);
    (void)json_put_int(row, "instance", i->number);
    report_status(row, true, end.status);
    report_instant(row, "at", end.at);
    (void)json_put_int(row, "uptime_ms", end.uptime_ms);
    (void)json_put_text(row, "reason", end.reason.text);
    return row;
}

static const struct await_kind ended = { .selects = params_select,
                                         .mark = first_that_counts,
                                         .test = has_ended,
                                         .row = row_of_end,
                                         .failed = "did not run, and will not",
                                         .late = "did not end in time" };

static bool can_be_awaited(const struct instance *i)
{
    return machine_runs(&i->machine) || i->machine.exited ||
           (i->machine.wanted && i->machine.state != STATE_ERRORED);
}

void method_wait(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    bool any = false;

    if (!params_check_names(connection, request))
        return;
    for (size_t i = 0; i < fleet->count && !any; i++)
        any = params_select(request->params, fleet->instances[i]) &&
              can_be_awaited(fleet->instances[i]);
    if (any)
        await(connection, request, &ended, NULL);
    else
        connection_fail(connection, request->id, WIRE_NOT_RUNNING,
                        "it does not run, and there is no earlier run to tell of", NULL);
}
