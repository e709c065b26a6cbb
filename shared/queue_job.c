/*
 * A job from its row to its outcome.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "own.h"
#include "queue_parts.h"

/* --- from the row --- */

/* One allocation for what the public fields point to. */
static int copy_texts(struct entry *entry, const struct rows *rows, int row)
{
    const char *kind = rows_text(rows, row, JOB_KIND);
    const char *bot = rows_text(rows, row, JOB_BOT);
    const char *group = rows_text(rows, row, JOB_GROUP);
    size_t kind_size = strlen(kind) + 1, bot_size = strlen(bot) + 1;
    size_t group_size = group ? strlen(group) + 1 : 0;
    char *p = malloc(kind_size + bot_size + group_size);

    if (!p)
        return -ENOMEM;
    entry->texts = p;
    entry->job.kind = memcpy(p, kind, kind_size);
    entry->job.bot = memcpy(p + kind_size, bot, bot_size);
    if (group)
        entry->job.group_key = memcpy(p + kind_size + bot_size, group, group_size);
    return 0;
}

static int entry_new(struct service *service, const struct rows *rows, int row, struct entry **ret)
{
    struct entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return -ENOMEM;
    if (copy_texts(entry, rows, row) < 0) {
        free(entry);
        return -ENOMEM;
    }
    entry->service = service;
    entry->job.id = rows_int(rows, row, JOB_ID);
    entry->job.attempt = (int)rows_int(rows, row, JOB_ATTEMPT);
    entry->job.max_attempts = (int)rows_int(rows, row, JOB_MAX_ATTEMPTS);
    STAILQ_INIT(&entry->also);
    TAILQ_INSERT_TAIL(&service->running, entry, next);
    service->running_count++;
    *ret = entry;
    return 0;
}

/* What the queue itself decides before the worker hears of the job. Returns true when that was all.
 */
static bool settled_before_start(struct job *job)
{
    const char *not_after = json_get_text(job->payload, "not_after");
    int64_t instant;

    if (!not_after)
        return false;
    if (instant_parse(not_after, &instant) < 0) {
        job_dead(job, "not_after: want an instant like 2026-11-21T10:00:00Z");
        return true;
    }
    if (instant_now() <= instant)
        return false;
    job_cancel(job, "not_after has passed");
    return true;
}

static void its_turn(struct job *job)
{
    struct service *service = ((struct entry *)job)->service;

    if (service->stopping)
        job_give_back(job);
    else
        service->queue->start(job);
}

void job_begin(struct service *service, const struct rows *rows, int row, int64_t wait_ms)
{
    const char *payload = rows_text(rows, row, JOB_PAYLOAD);
    struct entry *entry;
    struct err why = { "out of memory" };
    int r;

    service->run->stats.selected++;
    if (entry_new(service, rows, row, &entry) < 0) {
        /* It is running by its row and unknown to us: as after a lost connection. */
        service->reconcile = true;
        return;
    }
    r = json_parse(payload, strlen(payload), &entry->payload, &why);
    if (r < 0) {
        job_refuse(&entry->job, r, why.text);
        return;
    }
    entry->job.payload = entry->payload;
    if (settled_before_start(&entry->job))
        return;
    if (wait_ms <= 0)
        its_turn(&entry->job);
    else
        ask_at(entry, wait_ms, its_turn);
}

/* --- to the outcome --- */

/* A worker may hold a job that was taken from it when the service ended: it is told nothing. */
static void end(struct job *job, enum job_outcome outcome, int64_t wait_ms, const char *reason)
{
    struct entry *entry = (struct entry *)job;
    struct service *service = entry->service;

    if (entry->abandoned)
        return;
    TAILQ_REMOVE(&service->running, entry, next);
    TAILQ_INSERT_TAIL(&service->ended, entry, next);
    service->running_count--;
    ask_drop(entry);
    entry->outcome = outcome;
    entry->wait_ms = wait_ms;
    entry->reason = reason ? strdup(reason) : NULL;
}

void job_done(struct job *job, cJSON *result)
{
    OWN(json) cJSON *owned = result;
    struct entry *entry = (struct entry *)job;

    if (result && !entry->abandoned)
        entry->result = cJSON_PrintUnformatted(result);
    end(job, JOB_DONE, 0, NULL);
}

void job_retry(struct job *job, const char *reason)
{
    end(job, JOB_RETRY, 0, reason);
}

void job_unknown(struct job *job, const char *reason)
{
    end(job, JOB_UNKNOWN, 0, reason);
}

void job_wait(struct job *job, int64_t wait_ms, const char *reason)
{
    end(job, JOB_WAIT, wait_ms, reason);
}

void job_hold(struct job *job, int64_t wait_ms, const char *reason)
{
    end(job, JOB_HOLD, wait_ms, reason);
}

void job_give_back(struct job *job)
{
    end(job, JOB_GIVE_BACK, 0, NULL);
}

void job_dead(struct job *job, const char *reason)
{
    end(job, JOB_DEAD, 0, reason);
}

void job_refuse(struct job *job, int code, const char *reason)
{
    if (code == -ENOMEM)
        job_retry(job, reason);
    else
        job_dead(job, reason);
}

void job_cancel(struct job *job, const char *reason)
{
    end(job, JOB_CANCELLED, 0, reason);
}

void job_interrupt_all(struct service *service)
{
    struct entry *entry;

    while ((entry = TAILQ_FIRST(&service->running))) {
        end(&entry->job, JOB_INTERRUPTED, 0,
            "interrupted: the worker was told to stop; whether it worked is not known");
        entry->abandoned = true;
    }
}

/* --- the end --- */

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void job_free(struct entry *entry)
{
    ask_free_all(&entry->also);
    if (entry->timer)
        uv_close((uv_handle_t *)entry->timer, timer_closed);
    cJSON_Delete(entry->payload);
    free(entry->texts);
    free(entry->reason);
    free(entry->result);
    free(entry);
}

void job_written(struct entry *entry)
{
    struct service *service = entry->service;

    TAILQ_REMOVE(&service->writing, entry, next);
    if (entry->abandoned)
        TAILQ_INSERT_TAIL(&service->abandoned, entry, next);
    else
        job_free(entry);
}
