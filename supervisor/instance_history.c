/* What is written into a worker's history of its instances. */
#include "instance_history.h"

#include <string.h>

#include "fleet.h"
#include "history.h"
#include "instance_lines.h"
#include "instant.h"
#include "json.h"
#include "log.h"
#include "own.h"
#include "report.h"

enum {
    LINES_KEPT = 10,
    LINE_BYTES_KEPT = 300, /* a stack frame, a sentence; the log has it all */
};

static void put_number(cJSON *record, const char *name, bool known, int64_t value)
{
    if (known)
        (void)json_put_int(record, name, value);
    else
        (void)json_put_null(record, name);
}

/* The last lines that it printed, none of them long. */
static cJSON *last_lines(const struct instance *i)
{
    OWN(json) cJSON *whole = cJSON_CreateArray();
    cJSON *lines = cJSON_CreateArray();
    const cJSON *line;

    instance_add_lines(i, LINES_KEPT, whole);
    cJSON_ArrayForEach(line, whole)
    {
        size_t n = strnlen(line->valuestring, LINE_BYTES_KEPT);

        (void)cJSON_AddItemToArray(lines, json_lossy_text(line->valuestring, n));
    }
    return lines;
}

static cJSON *begin_record(const struct instance *i, int64_t at, int64_t tick)
{
    cJSON *record = cJSON_CreateObject();
    bool ticked = tick != 0;

    report_instant(record, "at", at);
    (void)json_put_int(record, "instance", i->run ? 0 : i->number);
    put_number(record, "pid", i->pid, i->pid);
    report_instant(record, "tick", tick);
    put_number(record, "attempt", ticked && i->pid, i->ticks.tries);
    put_number(record, "skipped_ticks", ticked && i->pid, i->ticks.skipped);
    (void)json_put_bool(record, "by_hand", i->run);
    return record;
}

static void add(const struct instance *i, cJSON *record)
{
    OWN(json) cJSON *owned = record;
    int r = history_add(i->fleet->home->fd, i->app->name, owned);

    if (r < 0)
        log_error("the history cannot be written", LOG_TEXT("worker", i->app->name),
                  LOG_TEXT("why", strerror(-r)));
}

static int64_t tick_of(const struct instance *i)
{
    return i->app->scheduled && !i->run ? i->ticks.last : 0;
}

void instance_history_end(const struct instance *i)
{
    int64_t since = (int64_t)monotonic_now_ms() - i->report.ended_ms;
    cJSON *record = begin_record(i, instant_now() - (since > 0 ? since : 0), tick_of(i));

    report_instant(record, "started", i->started_at);
    (void)json_put_int(record, "duration_ms", i->machine.last_uptime_ms);
    report_status(record, true, i->machine.last_exit);
    (void)json_put_text(record, "reason", i->machine.reason.text);
    (void)json_put(record, "lines", last_lines(i));
    add(i, record);
}

static void put_unknown_end(cJSON *record, const char *reason)
{
    (void)json_put_null(record, "duration_ms");
    report_status(record, false, (struct exit_status){ 0 });
    (void)json_put_text(record, "reason", reason);
    (void)json_put(record, "lines", cJSON_CreateArray());
}

void instance_history_none(const struct instance *i, int64_t tick, const char *reason)
{
    cJSON *record = begin_record(i, instant_now(), tick);

    (void)json_put_null(record, "started");
    put_unknown_end(record, reason);
    add(i, record);
}

void instance_history_cut(const struct instance *i)
{
    cJSON *record = begin_record(i, instant_now(), tick_of(i));

    report_instant(record, "started", i->started_at);
    put_unknown_end(record, "the machine went down while it ran");
    add(i, record);
}
