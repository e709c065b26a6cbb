/* workers_stat and describe: the fleet as JSON, the document that `opsctl stat --json` prints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_depends.h"
#include "instance_files.h"
#include "instance_lines.h"
#include "instance_logs.h"
#include "instance_usage.h"
#include "instant.h"
#include "json.h"
#include "json_write.h"
#include "methods.h"
#include "own.h"
#include "procfs.h"

enum { LAST_LINES = 10 };

/* --- a row, as text: there may be thousands of them */

static void write_instant(struct json_writer *w, const char *name, int64_t instant)
{
    char text[INSTANT_TEXT_MAX];

    json_write_text(w, name, instant ? instant_print(instant, text) : NULL);
}

/* Where rows are sparse, nothing counted is nothing said. */
static void write_count(struct json_writer *w, const char *name, int64_t count)
{
    if (count || !w->sparse)
        json_write_int(w, name, count);
}

static void write_process(struct json_writer *w, struct instance *i)
{
    static const char *const names[] = { "pid", "uptime_ms", "cpu_percent", "memory_bytes" };

    int r = i->pid ? instance_usage_measure(i) : -ESRCH;

    if (r == -ESRCH || r == -ENOENT) {
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            json_write_null(w, names[k]);
        return;
    }
    json_write_int(w, "pid", i->pid);
    json_write_int(w, "uptime_ms", (int64_t)monotonic_now_ms() - i->machine.started_ms);
    /* It is there, and we lack what it takes to look: descriptors. */
    if (r < 0) {
        json_write_null(w, "cpu_percent");
        json_write_null(w, "memory_bytes");
        return;
    }
    json_write_tenths(w, "cpu_percent", i->usage.cpu_tenths);
    json_write_int(w, "memory_bytes", i->usage.memory_bytes);
}

static void write_last_run(struct json_writer *w, const struct instance *i)
{
    if (!i->last_run.known) {
        json_write_null(w, "last_run");
        return;
    }
    json_write_open(w, "last_run", '{');
    write_instant(w, "tick", i->last_run.tick);
    write_instant(w, "started", i->last_run.started);
    json_write_int(w, "duration_ms", i->last_run.duration_ms);
    report_write_status(w, true, i->last_run.status);
    json_write_close(w, '}');
}

static void write_stats(struct json_writer *w, const struct instance *i)
{
    OWN(json) cJSON *stats = NULL;

    if (i->stats && json_parse(i->stats, strlen(i->stats), &stats, NULL) == 0) {
        json_write_item(w, "stats", stats);
        return;
    }
    if (w->sparse)
        return;
    json_write_open(w, "stats", '{');
    json_write_close(w, '}');
}

/* The row is open afterwards: describe has more to say. */
static void write_row(struct json_writer *w, struct instance *i)
{
    const struct machine *m = &i->machine;

    json_write_open(w, NULL, '{');
    json_write_int(w, "id", i->id);
    json_write_text(w, "name", i->app->name);
    json_write_text(w, "namespace", i->app->space);
    write_count(w, "instance", i->number);
    json_write_text(w, "state", state_name(m->state));
    json_write_text(w, "wanted", m->wanted ? "up" : "down");
    json_write_bool(w, "ready", m->ready);
    write_process(w, i);
    write_count(w, "restarts", m->restarts);
    write_count(w, "unstable_restarts", m->unstable_restarts);
    report_write_status(w, m->exited, m->last_exit);
    json_write_text(w, "reason", m->reason.text[0] ? m->reason.text : NULL);
    write_instant(w, "next_run", i->app->scheduled && m->wanted ? i->ticks.next : 0);
    write_last_run(w, i);
    write_stats(w, i);
    json_write_text(w, "status_text", i->status_text[0] ? i->status_text : NULL);
    json_write_bool(w, "completed", m->state == STATE_STOPPED && m->completed && m->wanted);
    json_write_bool(w, "adopted", i->pid && i->adopted);
    json_write_text(w, "user", i->app->user);
    json_write_bool(w, "watching", i->app->watch);
}

cJSON *report_row(struct instance *i)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };

    json_write_init(&w, CONNECTION_QUEUE_MAX);
    write_row(&w, i);
    json_write_close(&w, '}');
    return json_write_take(&w);
}

cJSON *report_process(const struct instance *i)
{
    cJSON *row = cJSON_CreateObject();

    (void)json_put_text(row, "name", i->app->name);
    (void)json_put_int(row, "instance", i->number);
    (void)json_put_int(row, "pid", i->pid);
    return row;
}

static void write_daemon(struct json_writer *w, const struct fleet *fleet)
{
    int64_t bytes = 0;

    (void)procfs_memory(getpid(), &bytes);
    json_write_open(w, "daemon", '{');
    json_write_int(w, "pid", getpid());
    json_write_int(w, "guard_pid", getppid());
    json_write_text(w, "version", OPS_VERSION);
    json_write_int(w, "uptime_ms", (int64_t)monotonic_now_ms() - fleet->started_ms);
    json_write_int(w, "memory_bytes", bytes);
    json_write_text(w, "home", fleet->home->path);
    json_write_text(w, "manifest", fleet->home->manifest);
    json_write_close(w, '}');
}

/* Adds what ends a row; NULL: nothing. */
typedef void write_more(struct json_writer *w, struct instance *i);

static int by_id(const void *a, const void *b)
{
    const struct instance *left = *(struct instance *const *)a,
                          *right = *(struct instance *const *)b;

    return left->id - right->id;
}

/* A reload has the new process at the end of the fleet, under the old one's id: people look for it
 * where that stood. NULL when memory ran out. */
static struct instance **in_order(const struct fleet *fleet)
{
    struct instance **list = calloc(fleet->count + 1, sizeof(struct instance *));

    for (size_t i = 0; list && i < fleet->count; i++)
        list[i] = fleet->instances[i];
    if (list)
        qsort(list, fleet->count, sizeof(struct instance *), by_id);
    return list;
}

/* The rows that name selects. Returns how many there are. */
static size_t write_rows(struct json_writer *w, const struct fleet *fleet, const char *name,
                         write_more *more)
{
    OWN(free) struct instance **list = in_order(fleet);
    size_t rows = 0;

    json_write_open(w, "workers", '[');
    for (size_t i = 0; i < fleet->count; i++) {
        struct instance *instance = list ? list[i] : fleet->instances[i];

        if (!fleet_selects(name, instance))
            continue;
        write_row(w, instance);
        if (more)
            more(w, instance);
        json_write_close(w, '}');
        rows++;
    }
    json_write_close(w, ']');
    return rows;
}

static void answer(struct connection *connection, const struct wire_request *request,
                   struct json_writer *w)
{
    json_write_close(w, '}');
    connection_result(connection, request->id, json_write_take(w));
}

void method_workers_stat(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *name = json_get_text(request->params, "name");
    OWN_JSON_WRITER struct json_writer w = { 0 };

    json_write_init(&w, CONNECTION_QUEUE_MAX);
    w.sparse = json_get_bool(request->params, "sparse");
    json_write_open(&w, NULL, '{');
    json_write_int(&w, "version", 1);
    write_daemon(&w, fleet);
    if (!write_rows(&w, fleet, name ? name : "all", NULL) && name)
        fail_no_worker(connection, request, name);
    else
        answer(connection, request, &w);
}

/* --- describe */

static void write_texts(struct json_writer *w, const char *name, texts list)
{
    json_write_open(w, name, '[');
    for (; list && *list; list++)
        json_write_text(w, NULL, *list);
    json_write_close(w, ']');
}

static void write_dependencies(struct json_writer *w, const struct instance *i)
{
    static const char *const words[] = { [DEPENDENCY_READY] = "ready",
                                         [DEPENDENCY_COMPLETED] = "completed",
                                         [DEPENDENCY_STARTED] = "started" };

    json_write_open(w, "depends_on", '[');
    for (size_t d = 0; d < i->app->depends_count; d++) {
        json_write_open(w, NULL, '{');
        json_write_text(w, "name", i->app->depends_on[d].name);
        json_write_text(w, "condition", words[i->app->depends_on[d].condition]);
        json_write_bool(w, "met", fleet_dependency_met(i, d));
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

static void write_exit(struct json_writer *w, const struct instance *i,
                       const struct exit_record *record)
{
    OWN(json) cJSON *lines = cJSON_CreateArray();

    instance_add_exit_lines(i, record, LAST_LINES, lines);
    json_write_open(w, NULL, '{');
    write_instant(w, "at", record->at);
    report_write_status(w, true, record->status);
    json_write_int(w, "uptime_ms", record->uptime_ms);
    json_write_text(w, "reason", record->reason.text);
    json_write_item(w, "lines", lines);
    json_write_close(w, '}');
}

static void write_exits(struct json_writer *w, const struct instance *i)
{
    unsigned kept = i->exit_count < EXITS_KEPT ? i->exit_count : EXITS_KEPT;

    json_write_open(w, "exits", '[');
    for (unsigned k = 1; k <= kept; k++)
        write_exit(w, i, &i->exits[(i->exit_count - k) % EXITS_KEPT]);
    json_write_close(w, ']');
}

static void write_log_path(struct json_writer *w, const char *name, const struct instance *i,
                           enum instance_log which)
{
    OWN(free) char *path = instance_log_path(i, which);

    json_write_text(w, name, path);
}

/* What all that it started uses, where its control group counts it. */
static void write_group(struct json_writer *w, struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);
    const struct cgroups *cgroups = &i->fleet->cgroups;
    OWN(free) char *path = file && i->pid ? cgroup_path(cgroups, file) : NULL;
    struct cgroup_usage usage = { -1, -1 };

    if (path)
        cgroup_usage(cgroups, file, &usage);
    json_write_text(w, "cgroup", path);
    report_write_number(w, "tree_cpu_ms", usage.cpu_ms >= 0, usage.cpu_ms);
    report_write_number(w, "tree_memory_bytes", usage.memory_bytes >= 0, usage.memory_bytes);
}

static void write_description(struct json_writer *w, struct instance *i)
{
    const struct app *app = i->app;
    int64_t in = i->machine.deadline_ms - (int64_t)monotonic_now_ms();

    json_write_text(w, "script", app->script);
    write_texts(w, "args", app->args);
    json_write_text(w, "cwd", app->cwd);
    json_write_text(w, "interpreter", app->interpreter);
    json_write_text(w, "schedule", app->scheduled ? app->schedule_text : NULL);
    json_write_text(w, "timezone", app->timezone);
    write_dependencies(w, i);
    write_log_path(w, "out_file", i, INSTANCE_LOG_OUT);
    write_log_path(w, "error_file", i, INSTANCE_LOG_ERR);
    report_write_number(w, "next_try_in_ms", i->machine.state == STATE_BACKOFF, in > 0 ? in : 0);
    write_instant(w, "started", i->pid ? i->started_at : 0);
    write_group(w, i);
    write_exits(w, i);
}

void method_describe(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *name = json_get_text(request->params, "name");
    OWN_JSON_WRITER struct json_writer w = { 0 };

    if (!name) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "name: want a worker's name",
                        NULL);
        return;
    }
    json_write_init(&w, CONNECTION_QUEUE_MAX);
    json_write_open(&w, NULL, '{');
    if (!write_rows(&w, fleet, name, write_description))
        fail_no_worker(connection, request, name);
    else
        answer(connection, request, &w);
}
