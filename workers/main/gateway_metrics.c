/*
 * GET /metrics: the fleet, the queues, the runs and the gateway itself, as Prometheus reads them.
 *
 * Always 200: what cannot be asked now is missing, and ops_opsd_up or ops_database_up says so.
 * Source: Prometheus, "Exposition formats", text format 0.0.4 (one HELP and TYPE a family, all its
 * samples together; backslash, quote and newline escaped in the values of labels).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "gateway_sql.h"
#include "own.h"

static const char CONTENT_TYPE[] = "text/plain; version=0.0.4; charset=utf-8";

/* A member of each element as a sample, with other members as labels. */
struct family {
    const char *name, *type, *help;
    const char *member;
    double factor;
    const char *labels[4]; /* members; ends with NULL */
};

/* clang-format off */
#define WORKER_LABELS { "name", "namespace", "instance" }

static const struct family worker_families[] = {
    { "ops_worker_ready",          "gauge",   "Whether the worker said that it is ready.", "ready", 1, WORKER_LABELS },
    { "ops_worker_restarts_total", "counter", "Restarts, those by hand too.", "restarts", 1, WORKER_LABELS },
    { "ops_worker_unstable_restarts", "gauge", "Exits in a row that came too soon.", "unstable_restarts", 1, WORKER_LABELS },
    { "ops_worker_uptime_seconds", "gauge",   "For how long the process has been running.", "uptime_ms", 0.001, WORKER_LABELS },
    { "ops_worker_memory_bytes",   "gauge",   "Memory of the worker and all that it started.", "memory_bytes", 1, WORKER_LABELS },
    { "ops_worker_cpu_ratio",      "gauge",   "Processors in use; 1 is one of them.", "cpu_percent", 0.01, WORKER_LABELS },
    { "ops_worker_exit_code",      "gauge",   "With what the last process ended.", "exit_code", 1, WORKER_LABELS },
};

static const struct family daemon_families[] = {
    { "ops_opsd_uptime_seconds", "gauge", "For how long the supervisor has been running.", "uptime_ms", 0.001, { NULL } },
    { "ops_opsd_memory_bytes",   "gauge", "Memory of the supervisor.", "memory_bytes", 1, { NULL } },
};

static const struct family queue_families[] = {
    { "ops_queue_depth",             "gauge", "Jobs that could run now.", "depth", 1, { "queue" } },
    { "ops_queue_depth_estimated",   "gauge", "Whether the depth is an estimate, being too large to be counted.", "depth_estimated", 1, { "queue" } },
    { "ops_queue_delayed",           "gauge", "Jobs whose time has not come.", "delayed", 1, { "queue" } },
    { "ops_queue_running",           "gauge", "Jobs that are being done.", "running", 1, { "queue" } },
    { "ops_queue_dead",              "gauge", "Jobs that failed for good and are kept.", "dead", 1, { "queue" } },
    { "ops_queue_failures_last_hour", "gauge", "Jobs that failed for good within an hour.", "failures", 1, { "queue" } },
    { "ops_queue_jobs_per_second",   "gauge", "Jobs done, over the last minute.", "rate", 1, { "queue" } },
    { "ops_queue_oldest_seconds",    "gauge", "For how long the oldest job could have run.", "oldest_ms", 0.001, { "queue" } },
};

static const struct family run_families[] = {
    { "ops_run_exit_code",          "gauge", "How the last run ended.", "exit_code", 1, { "app", "worker" } },
    { "ops_run_duration_seconds",   "gauge", "How long the last run took.", "seconds", 1, { "app", "worker" } },
    { "ops_run_finished_timestamp_seconds", "gauge", "When the last run ended.", "finished", 1, { "app", "worker" } },
    { "ops_run_good_timestamp_seconds", "gauge", "When the last run ended that was good.", "good", 1, { "app", "worker" } },
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* --- text --- */

static void add_head(struct buf *to, const char *name, const char *type, const char *help)
{
    (void)buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_escaped(struct buf *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            (void)buf_add_text(to, "\\n");
        else if (*text == '\\' || *text == '"')
            (void)buf_printf(to, "\\%c", *text);
        else
            (void)buf_add(to, text, 1);
    }
}

static void add_label(struct buf *to, const char *name, const cJSON *value, bool first)
{
    (void)buf_printf(to, "%s%s=\"", first ? "{" : ",", name);
    if (cJSON_IsString(value))
        add_escaped(to, value->valuestring);
    else if (cJSON_IsNumber(value))
        (void)buf_printf(to, "%.0f", value->valuedouble);
    (void)buf_add_text(to, "\"");
}

static void add_number(struct buf *to, double number)
{
    if (number == floor(number) && fabs(number) < 1e15)
        (void)buf_printf(to, " %.0f\n", number);
    else
        (void)buf_printf(to, " %.17g\n", number);
}

static void add_sample(struct buf *to, const struct family *family, const cJSON *element)
{
    const cJSON *value = json_get(element, family->member);

    /* What is null or missing has no value. */
    if (!cJSON_IsNumber(value) && !cJSON_IsBool(value))
        return;
    (void)buf_add_text(to, family->name);
    for (size_t i = 0; family->labels[i]; i++)
        add_label(to, family->labels[i], json_get(element, family->labels[i]), i == 0);
    if (family->labels[0])
        (void)buf_add_text(to, "}");
    add_number(to, cJSON_IsBool(value) ? cJSON_IsTrue(value) : value->valuedouble * family->factor);
}

static void add_families(struct buf *to, const struct family *families, size_t n,
                         const cJSON *elements)
{
    const cJSON *element;

    for (size_t i = 0; i < n; i++) {
        add_head(to, families[i].name, families[i].type, families[i].help);
        cJSON_ArrayForEach(element, elements) add_sample(to, &families[i], element);
    }
}

/* --- families of their own shape --- */

static void add_one(struct buf *to, const char *name, const char *type, const char *help,
                    double value)
{
    add_head(to, name, type, help);
    (void)buf_add_text(to, name);
    add_number(to, value);
}

/* One sample a worker whose value is 1 and whose state is a label: an instance that is missing
 * shows as one state or another, never as silence. */
static void add_states(struct buf *to, const cJSON *workers)
{
    static const char name[] = "ops_worker_state";
    static const char *const labels[] = { "name", "namespace", "instance", "state", "wanted" };
    const cJSON *row;

    add_head(to, name, "gauge", "In which state the worker is; always 1.");
    cJSON_ArrayForEach(row, workers)
    {
        (void)buf_add_text(to, name);
        for (size_t i = 0; i < COUNT(labels); i++)
            add_label(to, labels[i], json_get(row, labels[i]), i == 0);
        (void)buf_add_text(to, "} 1\n");
    }
}

/* What workers count themselves (X_STATS). */
static void add_stats(struct buf *to, const cJSON *workers)
{
    static const char name[] = "ops_worker_stat";
    static const char *const labels[] = { "name", "namespace", "instance" };
    const cJSON *row, *stat;

    add_head(to, name, "gauge", "What the worker counted, since its process was started.");
    cJSON_ArrayForEach(row, workers) cJSON_ArrayForEach(stat, json_get(row, "stats"))
    {
        if (!cJSON_IsNumber(stat))
            continue;
        (void)buf_add_text(to, name);
        for (size_t i = 0; i < COUNT(labels); i++)
            add_label(to, labels[i], json_get(row, labels[i]), i == 0);
        (void)buf_add_text(to, ",stat=\"");
        add_escaped(to, stat->string);
        (void)buf_add_text(to, "\"}");
        add_number(to, stat->valuedouble);
    }
}

static void add_gateway(struct buf *to)
{
    const struct updates_counts *counts = updates_counts();
    const struct {
        const char *outcome;
        uint64_t count;
    } outcomes[] = {
        { "stored", counts->stored },   { "duplicate", counts->duplicates },
        { "dropped", counts->dropped }, { "refused", counts->refused },
        { "failed", counts->failed },
    };

    add_head(to, "ops_gateway_updates_total", "counter",
             "Updates of Telegram, by what came of them.");
    for (size_t i = 0; i < COUNT(outcomes); i++)
        (void)buf_printf(to, "ops_gateway_updates_total{outcome=\"%s\"} %llu\n",
                         outcomes[i].outcome, (unsigned long long)outcomes[i].count);
    add_head(to, "ops_gateway_answers_total", "counter", "Answers by the class of their status.");
    for (int i = 2; i <= 5; i++)
        (void)buf_printf(to, "ops_gateway_answers_total{class=\"%dxx\"} %llu\n", i,
                         (unsigned long long)face_answers()[i]);
    add_head(to, "ops_gateway_store_seconds", "summary", "How long PostgreSQL took for a batch.");
    (void)buf_printf(to,
                     "ops_gateway_store_seconds_sum %.6f\nops_gateway_store_seconds_count %llu\n",
                     (double)counts->batch_us / 1e6, (unsigned long long)counts->batches);
    add_one(to, "ops_gateway_connections", "gauge", "Connections that are open.", peers_count());
}

/* --- the scrape: opsd, then the database --- */

static void add_fleet(struct buf *to, const cJSON *fleet)
{
    const cJSON *workers = json_get(fleet, "workers");
    cJSON *supervisor = json_get(fleet, "daemon") ? cJSON_CreateArray() : NULL;

    (void)cJSON_AddItemReferenceToArray(supervisor, (cJSON *)json_get(fleet, "daemon"));
    add_families(to, daemon_families, COUNT(daemon_families), supervisor);
    cJSON_Delete(supervisor);
    add_states(to, workers);
    add_families(to, worker_families, COUNT(worker_families), workers);
    add_stats(to, workers);
}

static void tell(struct exchange *x, const struct rows *rows)
{
    OWN(json) cJSON *json = NULL;
    const char *text = rows ? rows_text(rows, 0, 0) : NULL;

    if (text)
        (void)json_parse(text, strlen(text), &json, NULL);
    add_one(&x->draft, "ops_database_up", "gauge", "Whether the database answers.", json != NULL);
    if (json) {
        add_families(&x->draft, queue_families, COUNT(queue_families), json_get(json, "queues"));
        add_families(&x->draft, run_families, COUNT(run_families), json_get(json, "runs"));
    }
    add_gateway(&x->draft);
    exchange_answer(x, MHD_HTTP_OK, CONTENT_TYPE, &x->draft);
}

static void ask_database(struct exchange *x, const struct fleet_answer *answer)
{
    buf_init(&x->draft, ANSWER_BYTES_MAX);
    add_one(&x->draft, "ops_opsd_up", "gauge", "Whether opsd answers.", answer->code == 0);
    if (answer->code == 0)
        add_fleet(&x->draft, answer->result);
    ask(x, &sql[SQL_METRICS], NULL, 0, tell);
}

void metrics(struct exchange *x)
{
    fleet_ask(x, "workers_stat", cJSON_CreateObject(), STORE_MS, ask_database);
}
