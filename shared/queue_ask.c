/*
 * Statements that a job asks for before its outcome: questions, statements that go with the
 * outcome, and more requests of its bot's rate.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "own.h"
#include "queue_parts.h"
#include "queue_sql.h"

/* One allocation: the pointers, then the texts. */
static const char **copy_params(const char *const *params, size_t n)
{
    size_t size = n * sizeof *params + 1;
    const char **copy;
    char *p;

    for (size_t i = 0; i < n; i++)
        size += params[i] ? strlen(params[i]) + 1 : 0;
    copy = malloc(size);
    if (!copy)
        return NULL;
    p = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        size_t length = params[i] ? strlen(params[i]) + 1 : 0;

        copy[i] = params[i] ? memcpy(p, params[i], length) : NULL;
        p += length;
    }
    return copy;
}

static struct ask *ask_new(struct job *job, const struct statement *statement,
                           const char *const *params, size_t n)
{
    struct ask *ask = calloc(1, sizeof *ask);

    assert(n == (size_t)statement->params);
    if (ask)
        ask->params = copy_params(params, n);
    if (!ask || !ask->params) {
        free(ask);
        return NULL;
    }
    ask->statement = statement;
    ask->entry = (struct entry *)job;
    ask->service = ask->entry->service;
    return ask;
}

static void ask_free(struct ask *ask)
{
    free(ask->params);
    free(ask);
}

void ask_free_all(struct ask_list *list)
{
    struct ask *ask;

    while ((ask = STAILQ_FIRST(list))) {
        STAILQ_REMOVE_HEAD(list, next);
        ask_free(ask);
    }
}

void job_also_params(struct job *job, const struct statement *statement, const char *const *params,
                     size_t n)
{
    struct entry *entry = (struct entry *)job;
    struct ask *ask = ask_new(job, statement, params, n);

    if (ask)
        STAILQ_INSERT_TAIL(&entry->also, ask, next);
    else
        /* What belongs together must not be written by halves. */
        service_fail(entry->service, -ENOMEM, "out of memory");
}

/* --- questions --- */

static void answered(void *tag, const struct db_batch *batch)
{
    struct ask *ask = tag;

    STAILQ_REMOVE(&ask->service->asks, ask, ask, next);
    if (ask->entry)
        ask->then(&ask->entry->job, batch->code < 0 ? NULL : &batch->rows[0],
                  batch->code < 0 ? batch->error : NULL);
    ask_free(ask);
}

void ask_send(struct service *service)
{
    struct ask *ask;

    STAILQ_FOREACH (ask, &service->asks, next) {
        if (ask->sent || !db_stream_is_ready(service->stream))
            continue;
        db_stream_add(service->stream, ask->statement, ask->params, (size_t)ask->statement->params);
        ask->sent = true;
        db_stream_send(service->stream, answered, ask);
    }
}

void ask_drop(struct entry *entry)
{
    struct ask *ask;

    STAILQ_FOREACH (ask, &entry->service->asks, next)
        if (ask->entry == entry)
            ask->entry = NULL;
}

void ask_forget(struct service *service)
{
    struct ask *ask;

    STAILQ_FOREACH (ask, &service->asks, next)
        ask->sent = false;
}

void job_query_params(struct job *job, job_answer *then, const struct statement *statement,
                      const char *const *params, size_t n)
{
    struct entry *entry = (struct entry *)job;
    struct ask *ask = ask_new(job, statement, params, n);

    if (!ask) {
        /* The caller is not done yet with what it does besides asking. */
        service_fail(entry->service, -ENOMEM, "out of memory");
        return;
    }
    ask->then = then;
    STAILQ_INSERT_TAIL(&entry->service->asks, ask, next);
}

/* --- rates --- */

static void time_has_come(uv_timer_t *timer)
{
    struct entry *entry = timer->data;

    if (!entry->abandoned)
        entry->then(&entry->job);
}

void ask_at(struct entry *entry, int64_t wait_ms, void (*then)(struct job *job))
{
    uv_loop_t *loop = &entry->service->loop;

    if (!entry->timer) {
        entry->timer = calloc(1, sizeof *entry->timer);
        if (!entry->timer) {
            service_fail(entry->service, -ENOMEM, "out of memory");
            return;
        }
        (void)uv_timer_init(loop, entry->timer);
        entry->timer->data = entry;
    }
    entry->then = then;
    /* The loop's own time is when its round began: counted from there, it would be too early. */
    uv_update_time(loop);
    (void)uv_timer_start(entry->timer, time_has_come, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void rate_ask(struct job *job);

/* The worker holds the job and what it has done for it, so nothing here may end it. */
static void rate_answered(struct job *job, const struct rows *rows, const char *error)
{
    struct entry *entry = (struct entry *)job;

    if (entry->abandoned)
        return;
    service_complain(entry->service, COMPLAINT_RATE, error);
    if (error) {
        ask_at(entry, QUEUE_REST_MS, rate_ask);
        return;
    }
    ask_at(entry, rows->count ? rows_int(rows, 0, 0) : 0, entry->rate_taken);
}

static void rate_ask(struct job *job)
{
    const struct entry *entry = (struct entry *)job;
    char count[16];

    (void)snprintf(count, sizeof count, "%d", entry->rate_count);
    job_query(job, rate_answered, &sql[SQL_RATE_TAKE], job->bot, count,
              entry->service->ask_rate_text);
}

void job_rate_take(struct job *job, int n, void (*then)(struct job *job))
{
    struct entry *entry = (struct entry *)job;

    assert(n >= 1);
    entry->rate_taken = then;
    entry->rate_count = n;
    if (entry->service->ask_rate)
        rate_ask(job);
    else
        ask_at(entry, 0, then);
}
