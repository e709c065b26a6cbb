#ifndef OPS_RECORD_FIELDS_H
#define OPS_RECORD_FIELDS_H
/* Instances without a process, whose every field can be set apart from all others. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "json.h"
#include "manifest_text.h"
#include "record.h"

/* The fields as they are in memory: what is kept of an instance, and how to set it apart. */
enum kind { INT, INT64, BOOL, DOUBLE, STATE, TEXT };

/* clang-format off */
#define ROW(name, kind, member) { name, kind, offsetof(struct instance, member) }
static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} rows[] = {
    ROW("id", INT, id), ROW("state", STATE, machine.state), ROW("wanted", BOOL, to_want),
    ROW("finished", BOOL, machine.finished), ROW("completed", BOOL, machine.completed),
    ROW("tick_pending", BOOL, machine.tick_pending), ROW("ready", BOOL, machine.ready),
    ROW("spawned", BOOL, machine.spawned), ROW("cause", INT, machine.cause),
    ROW("begun_ms", INT64, machine.begun_ms), ROW("started_ms", INT64, machine.started_ms),
    ROW("deadline_ms", INT64, machine.deadline_ms), ROW("latest_ms", INT64, machine.latest_ms),
    ROW("heard_ms", INT64, machine.heard_ms), ROW("restarts", INT, machine.restarts),
    ROW("unstable_restarts", INT, machine.unstable_restarts),
    ROW("unstable_in_a_row", INT, machine.history.unstable),
    ROW("delay_ms", DOUBLE, machine.history.delay_ms),
    ROW("exits_in_window", INT, machine.history.exits), ROW("exited", BOOL, machine.exited),
    ROW("exit_code", INT, machine.last_exit.code), ROW("exit_signal", INT, machine.last_exit.signal),
    ROW("last_uptime_ms", INT64, machine.last_uptime_ms), ROW("reason", TEXT, machine.reason.text),
    ROW("stop_asked", BOOL, stop_asked), ROW("retiring", BOOL, retiring),
    ROW("hidden", BOOL, hidden), ROW("variant", INT, variant), ROW("keeper", INT, keeper_pid),
    ROW("keeper_start", INT64, keeper_start), ROW("pid", INT, pid),
    ROW("pid_start", INT64, pid_start), ROW("ran_reading", INT64, ran_reading), ROW("started_at", INT64, started_at),
    ROW("out_from", INT64, span.out_from), ROW("err_from", INT64, span.err_from),
    ROW("just_started", BOOL, machine.just_started), ROW("tick", INT64, ticks.last),
    ROW("tick_tries", INT, ticks.tries), ROW("ticks_skipped", INT, ticks.skipped),
    ROW("tick_passed", INT64, ticks.passed), ROW("tick_queued", INT64, ticks.queued), ROW("next_tick", INT64, ticks.next),
    ROW("next_due", INT64, ticks.due),
    ROW("last_cron", INT64, renewal.cron.last), ROW("next_cron", INT64, renewal.cron.next), ROW("next_cron_due", INT64, renewal.cron.due), ROW("run_known", BOOL, last_run.known),
    ROW("run_tick", INT64, last_run.tick), ROW("run_started", INT64, last_run.started),
    ROW("run_duration_ms", INT64, last_run.duration_ms),
    ROW("run_code", INT, last_run.status.code), ROW("run_signal", INT, last_run.status.signal),
    ROW("notify_address", TEXT, notify_address), ROW("status_text", TEXT, status_text),
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof *rows };

static struct manifest manifest;
static struct generation generation;
static struct fleet fleet;

static inline int set_up(void **state)
{
    (void)state;
    manifest = parsed("[{\"name\":\"w\",\"script\":\"run\",\"restart_window\":\"1h\"},"
                      "{\"name\":\"plain\",\"script\":\"run\"}]",
                      NULL);
    generation = (struct generation){ .references = 1, .manifest = manifest };
    fleet = (struct fleet){ .next_id = 7 };
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    manifest_free(&manifest);
    return 0;
}

static inline struct instance *new_instance(const char *name)
{
    struct instance *i = instance_new(&fleet, &generation, manifest_find(&manifest, name), 3);

    assert_non_null(i);
    return i;
}

/* Not instance_free: there is no home. */
static inline void drop(struct instance *i)
{
    generation.references--;
    free(i->exits);
    free(i->stats);
    free(i);
}

static inline void *place(struct instance *i, size_t row)
{
    return (char *)i + rows[row].offset;
}

/* A value that no other row has, and that is not the one of a new instance. */
static inline void fill(struct instance *i, size_t row, int by)
{
    int value = (int)row * 10 + by;

    switch (rows[row].kind) {
    case INT:
        *(int *)place(i, row) = strcmp(rows[row].name, "cause") == 0 ? STOP_LATE + by % 2 : value;
        break;
    case INT64:
        *(int64_t *)place(i, row) = (1LL << 52) + value;
        break;
    case BOOL:
        *(bool *)place(i, row) = by % 2;
        break;
    case DOUBLE:
        *(double *)place(i, row) = value + 0.12345678901234;
        break;
    case STATE:
        *(enum state *)place(i, row) = by % 2 ? STATE_BACKOFF : STATE_ERRORED;
        break;
    case TEXT:
        (void)snprintf(place(i, row), 64, "text %d \"\n\xc3\xa9\\", value);
        break;
    }
}

static inline bool is_same(struct instance *a, struct instance *b, size_t row)
{
    switch (rows[row].kind) {
    case INT:
        return *(int *)place(a, row) == *(int *)place(b, row);
    case INT64:
        return *(int64_t *)place(a, row) == *(int64_t *)place(b, row);
    case BOOL:
        return *(bool *)place(a, row) == *(bool *)place(b, row);
    case DOUBLE:
        return fabs(*(double *)place(a, row) - *(double *)place(b, row)) < 1e-9;
    case STATE:
        return *(enum state *)place(a, row) == *(enum state *)place(b, row);
    case TEXT:
        return strcmp(place(a, row), place(b, row)) == 0;
    }
    return false;
}

static inline void assert_all_same(struct instance *a, struct instance *b)
{
    for (size_t row = 0; row < ROWS; row++)
        if (!is_same(a, b, row))
            fail_msg("%s differs", rows[row].name);
}

/* As it goes through a file. */
static inline cJSON *printed(struct instance *i, bool everything)
{
    cJSON *line = record_print(i, everything), *again;
    char *text = cJSON_PrintUnformatted(line);
    struct err why;

    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    assert_int_equal(json_parse(text, strlen(text), &again, &why), 0);
    free(text);
    cJSON_Delete(line);
    return again;
}

/* A line by hand. */
static inline void parse(const char *text, struct instance *i)
{
    struct err why;
    cJSON *line;

    if (json_parse(text, strlen(text), &line, &why) < 0)
        fail_msg("%s: %s", text, why.text);
    record_parse(line, i);
    cJSON_Delete(line);
}

#endif
