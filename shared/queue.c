/*
 * Life of a service: its loop, its connection, its heartbeat, and its orderly end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "instant.h"
#include "limits.h"
#include "log.h"
#include "own.h"
#include "queue_parts.h"
#include "queue_sql.h"
#include "settings.h"

void service_fail(struct service *service, int code, const char *why)
{
    if (service->code == 0)
        service->code = run_failed(service->run, code, why);
    uv_stop(&service->loop);
}

void service_complain(struct service *service, enum complaint about, const char *error)
{
    static const char *const what[] = {
        [COMPLAINT_TURN] = "the queue's transaction failed",
        [COMPLAINT_BEAT] = "the heartbeat failed",
        [COMPLAINT_PRUNE] = "cannot clear away finished jobs",
        [COMPLAINT_RATE] = "a bot's rate cannot be asked for",
    };
    struct err *last = &service->complaints[about];

    if (error && strcmp(error, last->text) != 0)
        log_warn(what[about], LOG_TEXT("error", error));
    else if (!error && *last->text)
        log_info("works again", LOG_TEXT("after", what[about]));
    (void)err_set(last, 0, "%s", error ? error : "");
}

/* --- heartbeat --- */

static void heard(void *tag, const struct db_batch *batch)
{
    struct service *service = tag;
    const struct rows *cancelled = &batch->rows[0], *dead = &batch->rows[1];
    struct entry *entry;

    service_complain(service, COMPLAINT_BEAT, batch->code < 0 ? batch->error : NULL);
    if (batch->code < 0)
        return;
    for (int i = 0; i < cancelled->count; i++)
        TAILQ_FOREACH (entry, &service->running, next)
            if (entry->job.id == rows_int(cancelled, i, 0))
                entry->job.cancelled = true;
    for (int i = 0; i < dead->count; i++) {
        log_warn("a serving process died; its jobs go back",
                 LOG_TEXT("owner", rows_text(dead, i, 0)), LOG_INT("jobs", rows_int(dead, i, 3)));
        service->look = true;
    }
}

static void pruned(void *tag, const struct db_batch *batch)
{
    service_complain(tag, COMPLAINT_PRUNE, batch->code < 0 ? batch->error : NULL);
}

static void beat(uv_timer_t *timer)
{
    struct service *service = timer->data;
    char silence[16], interruptions[16], done[24], kept[16];

    run_progress(service->run);
    if (!db_stream_is_ready(service->stream))
        return;
    (void)snprintf(silence, sizeof silence, "%d", QUEUE_SILENCE_S);
    (void)snprintf(interruptions, sizeof interruptions, "%d", QUEUE_INTERRUPTIONS_MAX);
    (void)snprintf(done, sizeof done, "%" PRId64, service->done);
    (void)snprintf(kept, sizeof kept, "%d", QUEUE_BEATS_KEPT);
    DB_STREAM_ADD(service->stream, &sql[SQL_BEAT], service->owner, service->queue->name,
                  service->host, service->pid, done, kept);
    DB_STREAM_ADD(service->stream, &sql[SQL_TAKE_BACK], silence, interruptions);
    db_stream_send(service->stream, heard, service);
    if (monotonic_now_ms() - service->pruned_ms < QUEUE_PRUNE_MS)
        return;
    service->pruned_ms = monotonic_now_ms();
    db_stream_add(service->stream, &sql[SQL_PRUNE], NULL, 0);
    db_stream_send(service->stream, pruned, service);
}

/* --- connection --- */

static void nothing(void *tag, const struct db_batch *batch)
{
    (void)tag;
    (void)batch;
}

static void connected(void *tag)
{
    struct service *service = tag;

    log_info("serving", LOG_TEXT("queue", service->queue->name), LOG_TEXT("owner", service->owner),
             LOG_INT("in_flight", service->in_flight_max));
    db_stream_add(service->stream, &sql[SQL_PLANNER], NULL, 0);
    DB_STREAM_ADD(service->stream, &sql[SQL_REGISTER], service->owner, service->queue->name,
                  service->host, service->pid);
    db_stream_send(service->stream, nothing, service);
    service->reconcile = service->has_claimed;
    service->look = true;
    service->full_next_us = 0;
    service->resting = false;
    service->rest_ms = QUEUE_REST_MS;
    /* Whoever died while nobody listened is noticed now. */
    (void)uv_timer_start(&service->beat, beat, 0, QUEUE_BEAT_MS);
}

static void disconnected(void *tag, const char *why)
{
    struct service *service = tag;

    log_warn("the connection to the database is lost; jobs in flight go on",
             LOG_TEXT("error", why));
    turn_forget(service);
    ask_forget(service);
    if (service->leaving)
        uv_stop(&service->loop);
}

static void notified(void *tag, const char *payload)
{
    turn_hear(tag, payload);
}

/* --- the end --- */

static void left(void *tag, const struct db_batch *batch)
{
    struct service *service = tag;

    (void)batch;
    uv_stop(&service->loop);
}

static void leave_when_done(struct service *service)
{
    if (service->leaving || !TAILQ_EMPTY(&service->running) || !TAILQ_EMPTY(&service->ended) ||
        !TAILQ_EMPTY(&service->writing) || !db_stream_is_ready(service->stream))
        return;
    service->leaving = true;
    DB_STREAM_ADD(service->stream, &sql[SQL_LEAVE], service->owner);
    DB_STREAM_ADD(service->stream, &sql[SQL_TELL], service->queue->name);
    db_stream_send(service->stream, left, service);
}

/* Without a database nobody can be told: the others take the jobs back after a while. */
static void too_late(uv_timer_t *timer)
{
    struct service *service = timer->data;

    log_warn("left without saying so: no answer from the database");
    uv_stop(&service->loop);
}

static void stop_limit(uv_timer_t *timer)
{
    struct service *service = timer->data;

    job_interrupt_all(service);
    (void)uv_timer_start(timer, too_late, QUEUE_LEAVE_MS, 0);
}

static void told_to_stop(uv_poll_t *poll, int status, int events)
{
    struct service *service = poll->data;

    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    service->stopping = true;
    log_info("stopping", LOG_INT("in_flight", service->running_count));
    (void)uv_timer_start(&service->stop_limit, stop_limit, QUEUE_STOP_MS, 0);
    if (service->queue->stop)
        service->queue->stop();
}

/* --- the loop --- */

static void step(uv_prepare_t *prepare)
{
    struct service *service = prepare->data;

    turn_take(service);
    ask_send(service);
    if (service->stopping)
        leave_when_done(service);
}

static int open_handles(struct service *service)
{
    int r = uv_loop_init(&service->loop);

    if (r < 0)
        return r;
    (void)uv_timer_init(&service->loop, &service->wake);
    (void)uv_timer_init(&service->loop, &service->beat);
    (void)uv_timer_init(&service->loop, &service->tell);
    (void)uv_timer_init(&service->loop, &service->stop_limit);
    (void)uv_prepare_init(&service->loop, &service->step);
    r = uv_poll_init(&service->loop, &service->stop, worker_stop_fd());
    if (r < 0)
        return r;
    service->wake.data = service->beat.data = service->tell.data = service;
    service->stop_limit.data = service;
    service->step.data = service->stop.data = service;
    turn_look_in(service, QUEUE_POLL_MS);
    (void)uv_prepare_start(&service->step, step);
    return uv_poll_start(&service->stop, UV_READABLE, told_to_stop);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void free_list(struct entry_list *list)
{
    struct entry *entry;

    while ((entry = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, entry, next);
        job_free(entry);
    }
}

static void close_all(struct service *service)
{
    db_stream_close(TAKE(service->stream));
    ask_free_all(&service->asks);
    free_list(&service->running);
    free_list(&service->ended);
    free_list(&service->writing);
    free_list(&service->abandoned);
    uv_walk(&service->loop, close_handle, NULL);
    (void)uv_run(&service->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&service->loop);
}

/* --- the beginning --- */

static void name_owner(struct service *service)
{
    unsigned char random[8] = { 0 };
    uint64_t number;

    if (gethostname(service->host, sizeof service->host - 1) < 0)
        service->host[0] = '\0';
    /* Fails only before the kernel has gathered any randomness at all. */
    (void)!getrandom(random, sizeof random, 0);
    memcpy(&number, random, sizeof number);
    (void)snprintf(service->pid, sizeof service->pid, "%d", (int)getpid());
    (void)snprintf(service->owner, sizeof service->owner, "%s/%s/%016" PRIx64, service->host,
                   service->pid, number);
}

static void read_limits(struct service *service)
{
    const struct queue *queue = service->queue;
    int64_t lane_rate = queue->lane_rate_setting ? setting_int(queue->lane_rate_setting) : 0;

    service->in_flight_max = queue->in_flight_setting ? (int)setting_int(queue->in_flight_setting)
                                                      : queue->in_flight;
    if (service->in_flight_max < 1 || service->in_flight_max > QUEUE_IN_FLIGHT_MAX)
        service->in_flight_max = service->in_flight_max < 1 ? 1 : QUEUE_IN_FLIGHT_MAX;
    service->ask_rate = queue->bot_rate_setting ? (int)setting_int(queue->bot_rate_setting) : 0;
    service->bot_rate = queue->starts_are_free ? 0 : service->ask_rate;
    (void)snprintf(service->bot_rate_text, sizeof service->bot_rate_text, "%d", service->bot_rate);
    (void)snprintf(service->lead_text, sizeof service->lead_text, "%d", QUEUE_LEAD_MS);
    (void)snprintf(service->ask_rate_text, sizeof service->ask_rate_text, "%d", service->ask_rate);
    (void)snprintf(service->lane_ms_text, sizeof service->lane_ms_text, "%d",
                   lane_rate ? (int)(1000 / lane_rate) : 0);
    (void)snprintf(service->group_text, sizeof service->group_text, "%d", queue->group_per_minute);
}

static int connect_service(struct service *service)
{
    const struct db_stream_options options = {
        .conninfo = setting_text("DATABASE_URL"),
        .name = service->name,
        .channel = "ops_job",
        .prepare = { { sql, SQL_COUNT },
                     { worker.sql, worker.sql_count },
                     { worker.app_sql, worker.app_sql_count },
                     { service->queue->sql, service->queue->sql_count } },
        .ready = connected,
        .lost = disconnected,
        .notified = notified,
        .tag = service,
    };

    (void)snprintf(service->name, sizeof service->name, "%s/%s", worker.app, worker.name);
    return db_stream_open(&service->loop, &options, &service->stream);
}

/* What a dry run can say of a queue without taking anything from it. */
static int tell_waiting(struct run *run, const struct queue *queue)
{
    OWN_ROWS struct rows rows = { 0 };
    int r = db_run(run->db, &sql[SQL_WAITING], &rows, queue->name);

    if (r < 0)
        return run_db_failed(run, r, "cannot read the queue");
    log_info("dry run: nothing is taken from the queue", LOG_TEXT("queue", queue->name),
             LOG_INT("waiting", rows_int(&rows, 0, 0)));
    return 0;
}

static int serve(struct service *service)
{
    const struct queue *queue = service->queue;
    int r = open_handles(service);

    if (r == 0 && queue->open)
        r = queue->open(service->run, &service->loop);
    /* From here on the service's own connection is the only one. */
    db_close(TAKE(service->run->db));
    if (r == 0)
        r = connect_service(service);
    if (r < 0)
        return run_failed(service->run, r, strerror(-r));
    (void)uv_run(&service->loop, UV_RUN_DEFAULT);
    return service->code;
}

int queue_serve(struct run *run, const struct queue *queue)
{
    struct service service = {
        .queue = queue,
        .run = run,
        .from = { "-2147483648", "-infinity", "0" },
        .admit_from = "0",
    };
    int r;

    /* A schema that does not fit shows itself now. */
    r = db_prepare(run->db, sql, SQL_COUNT);
    if (r < 0)
        return run_db_failed(run, r, "cannot prepare the queue's statements");
    if (run->dry_run)
        return tell_waiting(run, queue);
    TAILQ_INIT(&service.running);
    TAILQ_INIT(&service.ended);
    TAILQ_INIT(&service.writing);
    TAILQ_INIT(&service.abandoned);
    STAILQ_INIT(&service.asks);
    name_owner(&service);
    read_limits(&service);
    r = serve(&service);
    if (queue->close)
        queue->close();
    close_all(&service);
    return r;
}

/* --- bots --- */

static void paused(void *tag, const struct db_batch *batch)
{
    (void)tag;
    if (batch->code < 0)
        log_warn("cannot pause a bot", LOG_TEXT("error", batch->error));
}

void job_pause_bot(struct job *job, int64_t wait_ms, const char *reason)
{
    struct service *service = ((struct entry *)job)->service;
    char ms[24];

    (void)snprintf(ms, sizeof ms, "%" PRId64, wait_ms);
    log_warn("a bot pauses", LOG_TEXT("bot", job->bot), LOG_INT("ms", wait_ms),
             LOG_TEXT("reason", reason));
    if (!db_stream_is_ready(service->stream))
        return;
    DB_STREAM_ADD(service->stream, &sql[SQL_PAUSE_BOT], job->bot, ms);
    db_stream_send(service->stream, paused, service);
}
