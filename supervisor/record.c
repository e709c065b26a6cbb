/* What the journal says of one instance. */
#include "record.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "json.h"
#include "json_write.h"
#include "leaving.h"
#include "own.h"

/* A few hundred bytes are usual; texts, exits and an app of an instance that leaves are bounded. */
enum { LINE_BYTES_MAX = 4 << 20 };

#define JSON_WHOLE_MAX 9007199254740992.0 /* 2^53 */

enum kind { KIND_INT, KIND_INT64, KIND_BOOL, KIND_DOUBLE, KIND_STATE, KIND_TEXT };

/* clang-format off */

#define ROW(name, kind, member) \
    { name, KIND_##kind, offsetof(struct instance, member), sizeof(((struct instance *)0)->member) }

static const struct field {
    const char *name;
    enum kind kind;
    size_t offset, size;
} fields[] = {
    ROW("id",               INT,    id),
    ROW("state",            STATE,  machine.state),
    ROW("wanted",           BOOL,   to_want),
    ROW("finished",         BOOL,   machine.finished),
    ROW("completed",        BOOL,   machine.completed),
    ROW("tick_pending",     BOOL,   machine.tick_pending),
    ROW("ready",            BOOL,   machine.ready),
    ROW("spawned",          BOOL,   machine.spawned),
    ROW("cause",            INT,    machine.cause),
    ROW("begun_ms",         INT64,  machine.begun_ms),
    ROW("started_ms",       INT64,  machine.started_ms),
    ROW("deadline_ms",      INT64,  machine.deadline_ms),
    ROW("latest_ms",        INT64,  machine.latest_ms),
    ROW("heard_ms",         INT64,  machine.heard_ms),
    ROW("restarts",         INT,    machine.restarts),
    ROW("unstable_restarts", INT,   machine.unstable_restarts),
    ROW("unstable_in_a_row", INT,   machine.history.unstable),
    ROW("delay_ms",         DOUBLE, machine.history.delay_ms),
    ROW("exits_in_window",  INT,    machine.history.exits),
    ROW("exited",           BOOL,   machine.exited),
    ROW("exit_code",        INT,    machine.last_exit.code),
    ROW("exit_signal",      INT,    machine.last_exit.signal),
    ROW("last_uptime_ms",   INT64,  machine.last_uptime_ms),
    ROW("reason",           TEXT,   machine.reason.text),
    ROW("stop_asked",       BOOL,   stop_asked),
    ROW("retiring",         BOOL,   retiring),
    ROW("hidden",           BOOL,   hidden),
    ROW("variant",          INT,    variant),
    ROW("keeper",           INT,    keeper_pid),
    ROW("keeper_start",     INT64,  keeper_start),
    ROW("pid",              INT,    pid),
    ROW("pid_start",        INT64,  pid_start),
    ROW("ran_reading",      INT64,  ran_reading),
    ROW("started_at",       INT64,  started_at),
    ROW("out_from",         INT64,  span.out_from),
    ROW("err_from",         INT64,  span.err_from),
    ROW("just_started",     BOOL,   machine.just_started),
    ROW("tick",             INT64,  ticks.last),
    ROW("tick_tries",       INT,    ticks.tries),
    ROW("ticks_skipped",    INT,    ticks.skipped),
    ROW("tick_passed",      INT64,  ticks.passed),
    ROW("tick_queued",      INT64,  ticks.queued),
    ROW("next_tick",        INT64,  ticks.next),
    ROW("next_due",         INT64,  ticks.due),
    ROW("last_cron",        INT64,  renewal.cron.last),
    ROW("next_cron",        INT64,  renewal.cron.next),
    ROW("next_cron_due",    INT64,  renewal.cron.due),
    ROW("run_known",        BOOL,   last_run.known),
    ROW("run_tick",         INT64,  last_run.tick),
    ROW("run_started",      INT64,  last_run.started),
    ROW("run_duration_ms",  INT64,  last_run.duration_ms),
    ROW("run_code",         INT,    last_run.status.code),
    ROW("run_signal",       INT,    last_run.status.signal),
    ROW("notify_address",   TEXT,   notify_address),
    ROW("status_text",      TEXT,   status_text),
};

/* clang-format on */

enum { FIELDS = sizeof fields / sizeof *fields };

static uint64_t bits_of(const struct field *field, const void *value)
{
    uint64_t bits;

    switch (field->kind) {
    case KIND_INT:
        return (unsigned)*(const int *)value;
    case KIND_BOOL:
        return *(const bool *)value;
    case KIND_STATE:
        return *(const enum state *)value;
    case KIND_INT64:
    case KIND_DOUBLE:
        memcpy(&bits, value, sizeof bits);
        return bits;
    case KIND_TEXT:
        break;
    }
    /* Long to look at; a reason or an address changes together with a number, and a status text
     * alone is not worth a line. */
    return 0;
}

/* The whole fleet is looked at in every turn: the fields are mixed side by side (as splitmix64
 * does), none waits for the one before it. */
static uint64_t mark_of(const struct instance *i)
{
    uint64_t mark = 0, place = 0, bits;

    for (size_t f = 0; f < FIELDS; f++) {
        place += 0x9e3779b97f4a7c15U;
        bits = bits_of(&fields[f], (const char *)i + fields[f].offset) + place;
        bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
        mark += bits ^ bits >> 27;
    }
    return mark;
}

bool record_changed(struct instance *i)
{
    uint64_t mark;
    bool changed;

    if (!i->fleet->leaving)
        i->to_want = i->machine.wanted;
    mark = mark_of(i);
    changed = mark != i->recorded_mark || i->recorded_exits != i->exit_count;

    i->recorded_mark = mark;
    return changed;
}

bool record_is_written(struct instance *i)
{
    if (!i->fleet->recovered || mark_of(i) == i->recorded_mark)
        return true;
    fleet_touch(i->fleet);
    return false;
}

/* --- printing */

static void write_double(struct json_writer *w, const char *name, double value)
{
    OWN(json) cJSON *number = cJSON_CreateNumber(value);

    json_write_item(w, name, number);
}

static void write_field(struct json_writer *w, const struct field *field, const void *value)
{
    switch (field->kind) {
    case KIND_INT:
        json_write_int(w, field->name, *(const int *)value);
        break;
    case KIND_INT64:
        json_write_int(w, field->name, *(const int64_t *)value);
        break;
    case KIND_BOOL:
        json_write_bool(w, field->name, *(const bool *)value);
        break;
    case KIND_DOUBLE:
        write_double(w, field->name, *(const double *)value);
        break;
    case KIND_STATE:
        json_write_text(w, field->name, state_name(*(const enum state *)value));
        break;
    case KIND_TEXT:
        json_write_text(w, field->name, value);
        break;
    }
}

static void write_exit(struct json_writer *w, const struct exit_record *exit)
{
    json_write_open(w, NULL, '{');
    json_write_int(w, "at", exit->at);
    json_write_int(w, "code", exit->status.code);
    json_write_int(w, "signal", exit->status.signal);
    json_write_int(w, "uptime_ms", exit->uptime_ms);
    json_write_text(w, "reason", exit->reason.text);
    json_write_int(w, "out_from", exit->span.out_from);
    json_write_int(w, "out_to", exit->span.out_to);
    json_write_int(w, "err_from", exit->span.err_from);
    json_write_int(w, "err_to", exit->span.err_to);
    json_write_close(w, '}');
}

/* Oldest first. */
static void write_exits(struct json_writer *w, const struct instance *i)
{
    unsigned kept = i->exit_count < EXITS_KEPT ? i->exit_count : EXITS_KEPT;

    json_write_open(w, "exits", '[');
    for (unsigned n = i->exit_count - kept; n < i->exit_count; n++)
        write_exit(w, &i->exits[n % EXITS_KEPT]);
    json_write_close(w, ']');
}

/* When the exits were that restart_window counts. */
static void write_window(struct json_writer *w, const struct restart_history *history)
{
    json_write_open(w, "window", '[');
    for (unsigned n = 0; n < history->exits && n < RESTART_WINDOW_MAX; n++)
        json_write_int(w, NULL, history->exits_at[n]);
    json_write_close(w, ']');
}

/* w is not initialised yet. */
static void begin_line(struct json_writer *w, const struct instance *i)
{
    json_write_init(w, LINE_BYTES_MAX);
    json_write_open(w, NULL, '{');
    json_write_text(w, "name", i->app->name);
    json_write_int(w, "instance", i->run ? i->id : i->number);
    if (i->run)
        json_write_bool(w, "by_hand", true);
}

static cJSON *end_line(struct json_writer *w)
{
    json_write_close(w, '}');
    return json_write_take(w);
}

void record_gone(struct instance *i)
{
    OWN_JSON_WRITER struct json_writer w;

    begin_line(&w, i);
    json_write_bool(&w, "gone", true);
    json_write_bool(&w, "hidden", i->hidden);
    json_write_int(&w, "variant", i->variant);
    journal_add(&i->fleet->journal, end_line(&w));
}

static void write_leaving(struct json_writer *w, const struct instance *i)
{
    OWN(json) cJSON *app = leaving_print(i);

    json_write_item(w, "app", app);
}

cJSON *record_print(struct instance *i, bool everything)
{
    OWN_JSON_WRITER struct json_writer w;

    begin_line(&w, i);
    for (size_t f = 0; f < FIELDS; f++)
        write_field(&w, &fields[f], (const char *)i + fields[f].offset);
    json_write_text(&w, "stats", i->stats);
    if (everything || i->recorded_exits != i->exit_count)
        write_exits(&w, i);
    if (i->app->restart.restart_window_ms)
        write_window(&w, &i->machine.history);
    if (i->retiring && !i->hidden)
        write_leaving(&w, i);
    i->recorded_exits = i->exit_count;
    return end_line(&w);
}

/* --- parsing */

bool record_key(const cJSON *line, struct record_key *ret)
{
    int64_t number;

    ret->name = json_get_text(line, "name");
    if (!ret->name || json_get_id(line, "instance", &number) < 0 || number < 0 ||
        number > INT32_MAX)
        return false;
    ret->number = (int)number;
    ret->by_hand = json_get_bool(line, "by_hand");
    ret->gone = json_get_bool(line, "gone");
    ret->hidden = json_get_bool(line, "hidden");
    ret->variant = json_get_id(line, "variant", &number) == 0 ? (int)number : 0;
    return true;
}

static void take_state(const cJSON *value, enum state *ret)
{
    const char *name = cJSON_GetStringValue(value);

    for (int state = STATE_STOPPED; name && state < STATES; state++)
        if (strcmp(name, state_name((enum state)state)) == 0)
            *ret = (enum state)state;
}

/* Converting what does not fit is undefined. */
static int64_t whole(const cJSON *number)
{
    double value = number->valuedouble;

    return value >= -JSON_WHOLE_MAX && value <= JSON_WHOLE_MAX ? (int64_t)value : 0;
}

static void take_field(const cJSON *line, const struct field *field, struct instance *i)
{
    const cJSON *value = json_get(line, field->name);
    void *place = (char *)i + field->offset;

    if (!value)
        return;
    if (field->kind == KIND_STATE)
        take_state(value, place);
    else if (field->kind == KIND_BOOL && cJSON_IsBool(value))
        *(bool *)place = cJSON_IsTrue(value);
    else if (field->kind == KIND_TEXT && cJSON_IsString(value))
        (void)snprintf(place, field->size, "%s", value->valuestring);
    else if (field->kind == KIND_INT && cJSON_IsNumber(value))
        *(int *)place = value->valueint;
    else if (field->kind == KIND_INT64 && cJSON_IsNumber(value))
        *(int64_t *)place = whole(value);
    else if (field->kind == KIND_DOUBLE && cJSON_IsNumber(value) && isfinite(value->valuedouble))
        *(double *)place = value->valuedouble;
}

static int64_t number(const cJSON *object, const char *name)
{
    int64_t value = 0;

    (void)json_get_id(object, name, &value);
    return value;
}

static void take_exits(const cJSON *array, struct instance *i)
{
    const cJSON *item;

    i->exit_count = 0;
    cJSON_ArrayForEach(item, array)
    {
        struct exit_record *record = instance_next_exit(i);
        const char *reason = json_get_text(item, "reason");

        if (!record)
            return;
        *record = (struct exit_record){
            .at = number(item, "at"),
            .status = { (int)number(item, "code"), (int)number(item, "signal") },
            .uptime_ms = number(item, "uptime_ms"),
            .span = { number(item, "out_from"), number(item, "out_to"), number(item, "err_from"),
                      number(item, "err_to") }
        };
        (void)err_set(&record->reason, 0, "%s", reason ? reason : "");
    }
}

static void take_window(const cJSON *array, struct restart_history *history)
{
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach(item, array)
    {
        if (n < RESTART_WINDOW_MAX && cJSON_IsNumber(item))
            history->exits_at[n++] = whole(item);
    }
}

void record_parse(const cJSON *line, struct instance *i)
{
    const cJSON *exits = json_get(line, "exits");
    const char *stats = json_get_text(line, "stats");

    for (size_t f = 0; f < FIELDS; f++)
        take_field(line, &fields[f], i);
    if (json_get(line, "stats")) {
        free(i->stats);
        i->stats = stats ? strdup(stats) : NULL;
    }
    if (cJSON_IsArray(exits))
        take_exits(exits, i);
    take_window(json_get(line, "window"), &i->machine.history);
    i->machine.wanted = i->to_want;
    if ((unsigned)i->machine.cause >= STOP_CAUSES)
        i->machine.cause = STOP_NONE;
}
