/*
 * A worker that does what its jobs say: payload {"do": OUTCOME, "ms": how long it takes, "gate": a
 * file without which it does not end, looked for every so many ms, "wait": ms or "until": an
 * instant in ms, after which the job is done}. Each start is a line in the file CONSUMER_LEDGER,
 * written before anything else happens: what the world outside has seen, whatever the database
 * says.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer_sql.h"
#include "instant.h"
#include "json.h"
#include "queue.h"
#include "worker.h"

static uv_loop_t *jobs_loop;
static int ledger = -1;

struct doing {
    uv_timer_t timer;
    struct job *job;
};

static int64_t number(const struct job *job, const char *name)
{
    int64_t value = 0;

    (void)json_get_id(job->payload, name, &value);
    return value;
}

static void counted(struct job *job, const struct rows *rows, const char *error)
{
    cJSON *result = cJSON_CreateObject();

    if (error) {
        job_dead(job, error);
        cJSON_Delete(result);
        return;
    }
    (void)json_put_int(result, "noted", rows_int(rows, 0, 0));
    job_done(job, result);
}

static void done(struct job *job)
{
    job_done(job, NULL);
}

static void end(struct job *job)
{
    const char *what = json_get_text(job->payload, "do");
    int64_t until = number(job, "until");
    int64_t wait = until ? until - instant_now() : number(job, "wait");
    char id[24];

    (void)snprintf(id, sizeof id, "%" PRId64, job->id);
    if (!what || strcmp(what, "done") == 0 || (until && wait <= 0))
        job_done(job, NULL);
    else if (strcmp(what, "retry") == 0)
        job_retry(job, "did not work");
    else if (strcmp(what, "retry once") == 0 && job->attempt == 1)
        job_retry(job, "did not work");
    else if (strcmp(what, "unknown") == 0)
        job_unknown(job, "no answer");
    else if (strcmp(what, "wait") == 0)
        job_wait(job, wait, "told to wait");
    else if (strcmp(what, "hold") == 0)
        job_hold(job, wait, "held");
    else if (strcmp(what, "dead") == 0)
        job_dead(job, json_get_text(job->payload, "why"));
    else if (strcmp(what, "note") == 0) {
        job_also(job, &sql[SQL_NOTE], id, json_get_text(job->payload, "word"));
        job_done(job, NULL);
    } else if (strcmp(what, "ask") == 0)
        job_query_params(job, counted, &sql[SQL_QUESTION], NULL, 0);
    else if (strcmp(what, "take") == 0)
        job_rate_take(job, (int)number(job, "n"), done);
    else if (strcmp(what, "pause") == 0) {
        job_pause_bot(job, wait, "the token is wrong");
        job_wait(job, wait, "the token is wrong");
    } else if (strcmp(what, "until cancelled") == 0 && job->cancelled)
        job_cancel(job, "cancelled while running");
    else
        job_done(job, NULL);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void time_is_up(uv_timer_t *timer)
{
    struct doing *doing = timer->data;
    struct job *job = doing->job;
    const char *what = json_get_text(job->payload, "do");
    const char *gate = json_get_text(job->payload, "gate");

    if (what && strcmp(what, "until cancelled") == 0 && !job->cancelled)
        return;
    if (gate && access(gate, F_OK) != 0)
        return;
    uv_close((uv_handle_t *)timer, closed);
    end(job);
}

static void start(struct job *job)
{
    int64_t ms = number(job, "ms");
    struct doing *doing;
    char line[160];

    if (ledger >= 0) {
        (void)snprintf(line, sizeof line, "%" PRId64 " %d %" PRId64 " %s %s\n", job->id,
                       job->attempt, instant_now(), *job->bot ? job->bot : "-",
                       job->group_key ? job->group_key : "-");
        if (write(ledger, line, strlen(line)) < 0)
            abort();
    }
    if (ms == 0) {
        end(job);
        return;
    }
    doing = calloc(1, sizeof *doing);
    if (!doing)
        abort();
    doing->job = job;
    (void)uv_timer_init(jobs_loop, &doing->timer);
    doing->timer.data = doing;
    (void)uv_timer_start(&doing->timer, time_is_up, (uint64_t)ms, (uint64_t)ms);
}

static void free_doing(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (handle->type == UV_TIMER && !uv_is_closing(handle) && handle->data &&
        ((struct doing *)handle->data)->timer.data == handle->data &&
        (void *)handle == handle->data)
        uv_close(handle, closed);
}

static int open_jobs(struct run *run, uv_loop_t *loop)
{
    const char *path = getenv("CONSUMER_LEDGER");

    (void)run;
    jobs_loop = loop;
    if (path)
        ledger = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return path && ledger < 0 ? -errno : 0;
}

static void close_jobs(void)
{
    uv_walk(jobs_loop, free_doing, NULL);
}

static int run(struct run *run)
{
    const char *paced = getenv("CONSUMER_PACED");
    const struct queue queue = {
        .name = getenv("CONSUMER_QUEUE") ? getenv("CONSUMER_QUEUE") : "work",
        .start = start,
        .open = open_jobs,
        .close = close_jobs,
        .in_flight_setting = "SENDER_CONCURRENCY",
        .bot_rate_setting = paced ? "TELEGRAM_RATE_PER_BOT" : NULL,
        .lane_rate_setting = paced ? "TELEGRAM_RATE_PER_CHAT" : NULL,
        .group_per_minute = paced ? 20 : 0,
    };

    return queue_serve(run, &queue);
}

const struct worker worker = {
    .app = "test",
    .name = "consumer",
    .about = "does what its jobs say",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS("DATABASE_URL", "SENDER_CONCURRENCY", "TELEGRAM_RATE_PER_BOT",
                          "TELEGRAM_RATE_PER_CHAT"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = run,
};
