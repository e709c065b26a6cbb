/* Values of a manifest that have fields of their own, and the one with a grammar, cron's. */
#include <errno.h>
#include <string.h>

#include "manifest_read.h"

#define TABLE_OF(rows_)                                           \
    {                                                             \
        .rows = (rows_), .count = sizeof(rows_) / sizeof *(rows_) \
    }

int read_object(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    (void)reader, (void)field, (void)to;
    return cJSON_IsObject(place->value) ? 0 : -EINVAL;
}

/* Percent, and what is below 1 as a part of 1: nobody means less than a percent by 0.1. */
static int read_percent(struct reader *reader, const struct field *field, const struct place *place,
                        void *to)
{
    double number = place->value->valuedouble;

    if (!cJSON_IsNumber(place->value) || number <= 0 || number >= 1)
        return read_whole(reader, field, place, to);
    *(int *)to = (int)(number * 100 + 0.5);
    return 0;
}

/* clang-format off */
static const struct field backoff_rows[] = {
    { .name = "initial", .read = read_duration, .most = DURATION_MOST,
      .offset = offsetof(struct backoff, initial_ms), .wants = DURATION_WANTS,
      .help = "the first delay; 0: at once, always" },
    { .name = "factor", .read = read_real, .least = 1, .most = 100,
      .offset = offsetof(struct backoff, factor), .wants = "a number from 1 to 100",
      .help = "each delay is so many times the one before" },
    { .name = "max", .read = read_duration, .least = 1, .most = DURATION_MOST,
      .offset = offsetof(struct backoff, max_ms), .wants = DURATION_WANTS,
      .help = "the longest delay" },
    { .name = "reset_after", .read = read_duration, .most = DURATION_MOST,
      .offset = offsetof(struct backoff, reset_after_ms), .wants = DURATION_WANTS,
      .help = "up for so long, the delay starts from the first again" },
    { .name = "jitter", .read = read_percent, .most = 100,
      .offset = offsetof(struct backoff, jitter_percent), .wants = "a whole number of percent from 0 to 100, or a part of 1",
      .help = "so many percent more or less, by chance" },
};
/* clang-format on */

int read_backoff(struct reader *reader, const struct field *field, const struct place *place,
                 void *to)
{
    static const struct field_table table = TABLE_OF(backoff_rows);
    struct backoff backoff = *(struct backoff *)to;
    struct given given;
    int r;

    (void)field;
    if (!cJSON_IsObject(place->value))
        return -EINVAL;
    r = fields_read(reader, &table, place, &backoff, &given);
    if (r != -ENOMEM && backoff.initial_ms > backoff.max_ms)
        r = problems_add(reader->problems, place, "the first delay is longer than the longest");
    if (r == 0)
        *(struct backoff *)to = backoff;
    return r;
}

struct ready_draft {
    texts exec;
    int number;
    const char *text;
};

/* clang-format off */
static const struct field ready_rows[] = {
    { .name = "exec", .read = read_arguments, .offset = offsetof(struct ready_draft, exec),
      .wants = "a command: a list of texts, or one text",
      .help = "a command that exits 0 once the app is ready" },
    { .name = "fd", .read = read_whole, .least = 3, .most = 1023,
      .offset = offsetof(struct ready_draft, number), .wants = "a descriptor from 3 to 1023",
      .help = "a newline on this descriptor" },
    { .name = "tcp", .read = read_whole, .least = 1, .most = 65535,
      .offset = offsetof(struct ready_draft, number), .wants = "a port from 1 to 65535",
      .help = "this port accepts connections" },
    { .name = "unix", .read = read_socket_path,
      .offset = offsetof(struct ready_draft, text), .wants = SOCKET_PATH_WANTS,
      .help = "this socket accepts connections" },
    { .name = "http", .read = read_url,
      .offset = offsetof(struct ready_draft, text), .wants = URL_WANTS,
      .help = "this address answers 2xx" },
    { .name = "log", .read = read_text,
      .offset = offsetof(struct ready_draft, text), .wants = "a text",
      .help = "a line of its output holds this text" },
};
/* clang-format on */

/* By their rows. */
static const enum ready_kind ready_kinds[] = {
    READY_EXEC, READY_FD, READY_TCP, READY_UNIX, READY_HTTP, READY_LOG,
};

_Static_assert(sizeof ready_kinds / sizeof *ready_kinds == sizeof ready_rows / sizeof *ready_rows,
               "a kind for each row");

int read_ready(struct reader *reader, const struct field *field, const struct place *place,
               void *to)
{
    static const struct field_table table = TABLE_OF(ready_rows);
    const char *word = cJSON_GetStringValue(place->value);
    struct ready_draft draft = { .exec = NULL };
    struct app *app = to;
    struct given given;
    int r;

    (void)field;
    if (word && strcmp(word, "notify") == 0) {
        app->ready = READY_NOTIFY;
        return 0;
    }
    if (!cJSON_IsObject(place->value) || cJSON_GetArraySize(place->value) != 1)
        return -EINVAL;
    r = fields_read(reader, &table, place, &draft, &given);
    if (r < 0)
        return r;
    if (draft.exec && !draft.exec[0])
        return problems_add(reader->problems, place, "the command is empty");
    for (size_t i = 0; i < table.count; i++)
        if (given.values[i])
            app->ready = ready_kinds[i];
    if (draft.exec)
        app->ready_exec = draft.exec;
    app->ready_number = draft.number;
    app->ready_text = draft.text;
    return 0;
}

#define CONDITIONS "ready completed started" /* enum dependency_condition */

struct dependency_draft {
    enum dependency_condition condition;
    bool restart;
};

/* clang-format off */
static const struct field dependency_rows[] = {
    { .name = "condition", .read = read_choice, .words = CONDITIONS, .wants = "one of " CONDITIONS,
      .offset = offsetof(struct dependency_draft, condition),
      .help = "what it waits for" },
    { .name = "restart", .read = read_bool, .wants = "true or false",
      .offset = offsetof(struct dependency_draft, restart),
      .help = "restart this app whenever that one restarts" },
};
/* clang-format on */

static int read_dependency(struct reader *reader, const struct place *place,
                           struct dependency *dependency)
{
    static const struct field_table table = TABLE_OF(dependency_rows);
    struct dependency_draft draft = { .condition = DEPENDENCY_READY };
    const char *name = place->key ? place->key : cJSON_GetStringValue(place->value);
    struct given given;
    int r = 0;

    if (!name)
        return problems_add_wanted(reader->problems, place, "the name of an app");
    if (cJSON_IsObject(place->value))
        r = fields_read(reader, &table, place, &draft, &given);
    else if (place->key)
        r = table.rows[0].read(reader, &table.rows[0], place, &draft.condition);
    if (r == -EINVAL)
        r = problems_add_wanted(reader->problems, place,
                                "one of " CONDITIONS ", or {\"condition\": one of them}");
    if (r < 0)
        return r;
    *dependency = (struct dependency){
        .name = arena_text(reader->arena, name, strlen(name)),
        .condition = draft.condition,
        .restart = draft.restart,
        .line = value_line(place->value),
    };
    return dependency->name ? 0 : -ENOMEM;
}

int read_dependencies(struct reader *reader, const struct field *field, const struct place *place,
                      void *to)
{
    size_t n = (size_t)cJSON_GetArraySize(place->value), count = 0;
    struct dependency *dependencies;
    struct app *app = to;
    const cJSON *child;
    int index = 0, result = 0, r;

    (void)field;
    if (!cJSON_IsArray(place->value) && !cJSON_IsObject(place->value))
        return -EINVAL;
    dependencies = arena_alloc_array(reader->arena, n, sizeof *dependencies);
    if (!dependencies)
        return -ENOMEM;
    for (child = place->value->child; child; child = child->next, index++) {
        struct place at = { .up = place, .key = child->string, .index = index, .value = child };

        r = read_dependency(reader, &at, &dependencies[count]);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result = r;
        else
            count++;
    }
    /* Those that are right are kept in any case: it is still to be seen whether they exist. */
    app->depends_on = dependencies;
    app->depends_count = count;
    return result;
}

#define LIMIT(place_, name_, help_)                                               \
    {                                                                             \
        .name = (name_), .read = read_size, .offset = (place_) * sizeof(int64_t), \
        .wants = LIMIT_WANTS, .help = (help_)                                     \
    }
#define LIMIT_WANTS "a whole number from 0, a size such as 300M, or \"unlimited\""

int read_limits(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    static const struct field rows[] = {
        LIMIT(LIMIT_NOFILE, "nofile", "open descriptors"),
        LIMIT(LIMIT_AS, "as", "bytes of address space"),
        LIMIT(LIMIT_CORE, "core", "bytes of a core file"),
        LIMIT(LIMIT_NPROC, "nproc", "processes of its user"),
        LIMIT(LIMIT_CPU, "cpu", "seconds of processor time"),
    };
    static const struct field_table table = TABLE_OF(rows);
    struct given given;

    (void)field;
    return cJSON_IsObject(place->value) ? fields_read(reader, &table, place, to, &given) : -EINVAL;
}

static int read_cron(struct reader *reader, const struct place *place, struct cron *ret,
                     const char **ret_text)
{
    const char *text = cJSON_GetStringValue(place->value);
    struct cron cron;
    struct err err;

    if (!text)
        return -EINVAL;
    if (cron_parse(text, &cron, &err) < 0)
        return problems_add(reader->problems, place, "%s", err.text);
    text = arena_text(reader->arena, text, strlen(text));
    if (!text)
        return -ENOMEM;
    *ret = cron;
    *ret_text = text;
    return 0;
}

int read_schedule(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    struct app *app = to;
    int r = read_cron(reader, place, &app->schedule, &app->schedule_text);

    (void)field;
    app->scheduled = r == 0;
    return r;
}

int read_cron_restart(struct reader *reader, const struct field *field, const struct place *place,
                      void *to)
{
    struct app *app = to;
    int64_t none;

    (void)field;
    if (whole_number(place->value, 0, 0, &none) == 0)
        return 0;
    return read_cron(reader, place, &app->cron_restart, &app->cron_restart_text);
}
