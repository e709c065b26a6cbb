/* workers_stat and describe: the fleet as JSON, the document that `opsctl stat --json` prints. */
#include <string.h>
#include <unistd.h>

#include "instance_files.h"
#include "instant.h"
#include "json.h"
#include "methods.h"
#include "own.h"
#include "procfs.h"

enum { LAST_LINES = 10, CPU_WINDOW_MS = 1000 };

/* CPU over the last second or more; whoever asks more often is told the same again. */
static double cpu_percent(struct instance *i, const struct proc_stat *stat)
{
    int64_t now = (int64_t)monotonic_now_ms();
    int64_t since = i->cpu_seen_at ? i->cpu_seen_at : i->machine.started_ms;
    int64_t tenths;

    if (now - since < CPU_WINDOW_MS)
        return i->cpu_percent;
    tenths = (stat->cpu_ms - i->cpu_seen_ms) * 1000 / (now - since);
    i->cpu_percent = (double)tenths / 10;
    i->cpu_seen_at = now;
    i->cpu_seen_ms = stat->cpu_ms;
    return i->cpu_percent;
}

static void put_process(cJSON *row, struct instance *i)
{
    static const char *const names[] = { "pid", "uptime_ms", "cpu_percent", "memory_bytes" };
    struct proc_stat stat;

    if (!i->pid || procfs_stat(i->pid, &stat) < 0) {
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            (void)json_put_null(row, names[k]);
        return;
    }
    (void)json_put_int(row, "pid", i->pid);
    (void)json_put_int(row, "uptime_ms", (int64_t)monotonic_now_ms() - i->machine.started_ms);
    (void)json_put(row, "cpu_percent", cJSON_CreateNumber(cpu_percent(i, &stat)));
    (void)json_put_int(row, "memory_bytes", stat.memory_bytes);
}

static cJSON *last_run(const struct instance *i)
{
    cJSON *run = cJSON_CreateObject();

    if (!i->last_run.known)
        return run ? (cJSON_Delete(run), cJSON_CreateNull()) : NULL;
    report_instant(run, "tick", i->last_run.tick);
    report_instant(run, "started", i->last_run.started);
    (void)json_put_int(run, "duration_ms", i->last_run.duration_ms);
    report_status(run, true, i->last_run.status);
    return run;
}

cJSON *report_row(struct instance *i)
{
    const struct machine *m = &i->machine;
    cJSON *row = cJSON_CreateObject(), *stats = NULL;

    if (i->stats)
        (void)json_parse(i->stats, strlen(i->stats), &stats, NULL);
    (void)json_put_int(row, "id", i->id);
    (void)json_put_text(row, "name", i->app->name);
    (void)json_put_text(row, "namespace", i->app->space);
    (void)json_put_int(row, "instance", i->number);
    (void)json_put_text(row, "state", state_name(m->state));
    (void)json_put_text(row, "wanted", m->wanted ? "up" : "down");
    (void)json_put_bool(row, "ready", m->ready);
    put_process(row, i);
    (void)json_put_int(row, "restarts", m->restarts);
    (void)json_put_int(row, "unstable_restarts", m->unstable_restarts);
    report_status(row, m->exited, m->last_exit);
    (void)json_put_text(row, "reason", m->reason.text[0] ? m->reason.text : NULL);
    report_instant(row, "next_run", i->app->scheduled && m->wanted ? i->ticks.next : 0);
    (void)json_put(row, "last_run", last_run(i));
    (void)json_put(row, "stats", stats ? stats : cJSON_CreateObject());
    (void)json_put_text(row, "status_text", i->status_text[0] ? i->status_text : NULL);
    (void)json_put_bool(row, "completed", m->state == STATE_STOPPED && m->completed);
    (void)json_put_bool(row, "adopted", i->pid && i->adopted);
    (void)json_put_text(row, "user", i->app->user);
    (void)json_put_bool(row, "watching", i->app->watch);
    return row;
}

static cJSON *daemon_row(const struct fleet *fleet)
{
    cJSON *row = cJSON_CreateObject();
    struct proc_stat stat = { 0 };

    (void)procfs_stat(getpid(), &stat);
    (void)json_put_int(row, "pid", getpid());
    (void)json_put_int(row, "guard_pid", getppid());
    (void)json_put_text(row, "version", OPS_VERSION);
    (void)json_put_int(row, "uptime_ms", (int64_t)monotonic_now_ms() - fleet->started_ms);
    (void)json_put_int(row, "memory_bytes", stat.memory_bytes);
    (void)json_put_text(row, "home", fleet->home->path);
    (void)json_put_text(row, "manifest", fleet->home->manifest);
    return row;
}

void method_workers_stat(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *name = json_get_text(request->params, "name");
    cJSON *document = cJSON_CreateObject(), *workers = cJSON_CreateArray();

    for (size_t i = 0; i < fleet->count; i++)
        if (fleet_selects(name ? name : "all", fleet->instances[i]))
            (void)cJSON_AddItemToArray(workers, report_row(fleet->instances[i]));
    if (name && !cJSON_GetArraySize(workers)) {
        cJSON_Delete(workers);
        cJSON_Delete(document);
        fail_no_worker(connection, request, name);
        return;
    }
    (void)json_put_int(document, "version", 1);
    (void)json_put(document, "daemon", daemon_row(fleet));
    (void)json_put(document, "workers", workers);
    connection_result(connection, request->id, document);
}

/* --- describe */

static cJSON *texts_array(texts list)
{
    cJSON *array = cJSON_CreateArray();

    for (; list && *list; list++)
        (void)cJSON_AddItemToArray(array, cJSON_CreateString(*list));
    return array;
}

static cJSON *dependencies(const struct instance *i)
{
    static const char *const words[] = { [DEPENDENCY_READY] = "ready",
                                         [DEPENDENCY_COMPLETED] = "completed",
                                         [DEPENDENCY_STARTED] = "started" };
    cJSON *array = cJSON_CreateArray(), *one;

    for (size_t d = 0; d < i->app->depends_count; d++) {
        one = cJSON_CreateObject();
        (void)json_put_text(one, "name", i->app->depends_on[d].name);
        (void)json_put_text(one, "condition", words[i->app->depends_on[d].condition]);
        (void)json_put_bool(one, "met", fleet_dependency_met(i, d));
        (void)cJSON_AddItemToArray(array, one);
    }
    return array;
}

static cJSON *exits(const struct instance *i)
{
    cJSON *array = cJSON_CreateArray(), *one, *lines;
    unsigned kept = i->exit_count < EXITS_KEPT ? i->exit_count : EXITS_KEPT;

    for (unsigned k = 1; k <= kept; k++) {
        const struct exit_record *record = &i->exits[(i->exit_count - k) % EXITS_KEPT];

        one = cJSON_CreateObject();
        lines = cJSON_CreateArray();
        instance_add_lines(i, &record->span, LAST_LINES, lines);
        report_instant(one, "at", record->at);
        report_status(one, true, record->status);
        (void)json_put_int(one, "uptime_ms", record->uptime_ms);
        (void)json_put_text(one, "reason", record->reason.text);
        (void)json_put(one, "lines", lines);
        (void)cJSON_AddItemToArray(array, one);
    }
    return array;
}

static void put_log_path(cJSON *row, const char *name, const struct instance *i, bool err)
{
    OWN(free) char *path = instance_log_path(i, err);

    (void)json_put_text(row, name, path);
}

/* What all that it started uses, where its control group counts it. */
static void put_group(cJSON *row, struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);
    const struct cgroups *cgroups = &i->fleet->cgroups;
    OWN(free) char *path = file && i->pid ? cgroup_path(cgroups, file) : NULL;
    struct cgroup_usage usage = { -1, -1 };

    if (path)
        cgroup_usage(cgroups, file, &usage);
    (void)json_put_text(row, "cgroup", path);
    if (usage.cpu_ms < 0)
        (void)json_put_null(row, "tree_cpu_ms");
    else
        (void)json_put_int(row, "tree_cpu_ms", usage.cpu_ms);
    if (usage.memory_bytes < 0)
        (void)json_put_null(row, "tree_memory_bytes");
    else
        (void)json_put_int(row, "tree_memory_bytes", usage.memory_bytes);
}

static cJSON *describe(struct instance *i)
{
    const struct app *app = i->app;
    cJSON *row = report_row(i);
    int64_t in = i->machine.deadline_ms - (int64_t)monotonic_now_ms();

    (void)json_put_text(row, "script", app->script);
    (void)json_put(row, "args", texts_array(app->args));
    (void)json_put_text(row, "cwd", app->cwd);
    (void)json_put_text(row, "interpreter", app->interpreter);
    (void)json_put_text(row, "schedule", app->scheduled ? app->schedule_text : NULL);
    (void)json_put_text(row, "timezone", app->timezone);
    (void)json_put(row, "depends_on", dependencies(i));
    put_log_path(row, "out_file", i, false);
    put_log_path(row, "error_file", i, true);
    if (i->machine.state == STATE_BACKOFF)
        (void)json_put_int(row, "next_try_in_ms", in > 0 ? in : 0);
    else
        (void)json_put_null(row, "next_try_in_ms");
    report_instant(row, "started", i->pid ? i->started_at : 0);
    put_group(row, i);
    (void)json_put(row, "exits", exits(i));
    return row;
}

void method_describe(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *name = json_get_text(request->params, "name");
    cJSON *result, *workers;

    if (!name) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "name: want a worker's name",
                        NULL);
        return;
    }
    workers = cJSON_CreateArray();
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet_selects(name, fleet->instances[i]))
            (void)cJSON_AddItemToArray(workers, describe(fleet->instances[i]));
    if (!cJSON_GetArraySize(workers)) {
        cJSON_Delete(workers);
        fail_no_worker(connection, request, name);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put(result, "workers", workers);
    connection_result(connection, request->id, result);
}
