/*
 * One transaction of the service: outcomes out, new jobs in.
 *
 * While one is under way the next one's outcomes gather, so batches grow with the load by
 * themselves and an idle queue starts a job without any delay.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "own.h"
#include "queue_parts.h"
#include "queue_sql.h"

size_t turn_add(struct service *service, const struct statement *statement,
                const char *const *params, size_t n)
{
    db_stream_add(service->stream, statement, params, n);
    return ++service->turn.count;
}

/* The same again later, or one by one; what the server refuses by itself is dead. */
static void refused(struct service *service, const struct db_batch *batch)
{
    struct entry *entry = TAILQ_FIRST(&service->writing);

    service_complain(service, COMPLAINT_TURN, batch->error);
    if (batch->code == -EAGAIN) {
        service->resting = true;
        turn_look_in(service, service->rest_ms);
        service->rest_ms = service->rest_ms * 2 < QUEUE_REST_MOST_MS ? service->rest_ms * 2
                                                                     : QUEUE_REST_MOST_MS;
    } else if (!entry || entry->hopeless) {
        service_fail(service, batch->code, batch->error);
    } else if (service->careful) {
        entry->hopeless = true;
        entry->outcome = JOB_DEAD;
        free(entry->reason);
        entry->reason = strdup(batch->error);
        free(TAKE(entry->result));
        ask_free_all(&entry->also);
        entry->told = false;
    }
    service->careful = batch->code != -EAGAIN;
    service->reconcile |= service->turn.reconciling;
    /* The claim was rolled back as well. */
    service->look = true;
    turn_forget(service);
}

static void turn_done(void *tag, const struct db_batch *batch)
{
    struct service *service = tag;
    struct entry *entry;

    service->turn.under_way = false;
    if (batch->code < 0) {
        refused(service, batch);
        return;
    }
    service_complain(service, COMPLAINT_TURN, NULL);
    service->rest_ms = QUEUE_REST_MS;
    while ((entry = TAILQ_FIRST(&service->writing)))
        job_written(entry);
    if (service->careful && TAILQ_EMPTY(&service->ended))
        service->careful = false;
    claims_begin(service, batch);
}

/* --- from outside --- */

static void look(uv_timer_t *timer)
{
    struct service *service = timer->data;

    service->resting = false;
    service->look = true;
}

void turn_look_in(struct service *service, int64_t ms)
{
    (void)uv_timer_start(&service->wake, look, (uint64_t)ms, 0);
}

void turn_forget(struct service *service)
{
    struct entry *entry;

    service->turn.under_way = false;
    while ((entry = TAILQ_LAST(&service->writing, entry_list))) {
        TAILQ_REMOVE(&service->writing, entry, next);
        TAILQ_INSERT_HEAD(&service->ended, entry, next);
    }
}

static int room_of(const struct service *service)
{
    return service->in_flight_max - service->running_count;
}

static void told(void *tag, const struct db_batch *batch)
{
    (void)tag;
    (void)batch;
}

void turn_tell(uv_timer_t *timer)
{
    struct service *service = timer->data;

    if (!service->look || room_of(service) > 0 || !db_stream_is_ready(service->stream))
        return;
    service->told = true;
    DB_STREAM_ADD(service->stream, &sql[SQL_TELL], service->queue->name);
    db_stream_send(service->stream, told, service);
}

void turn_hear(struct service *service, const char *payload)
{
    const char *name = service->queue->name;

    service->look |= strcmp(payload, name) == 0 ||
                     (*payload == '+' && strcmp(payload + 1, name) == 0 && room_of(service) > 0);
}

void turn_take(struct service *service)
{
    int room = room_of(service);
    bool write = !TAILQ_EMPTY(&service->ended);
    bool claim = room > 0 && !service->stopping && !service->careful && (service->look || write);

    if (service->look && room <= 0 && !service->told &&
        !uv_is_active((uv_handle_t *)&service->tell))
        (void)uv_timer_start(&service->tell, turn_tell, QUEUE_TELL_MS, 0);
    if (service->turn.under_way || service->resting || service->leaving ||
        !db_stream_is_ready(service->stream) || (!write && !claim && !service->reconcile))
        return;
    service->turn = (struct turn){ .under_way = true };
    if (service->reconcile) {
        outcomes_reconcile(service);
        service->reconcile = false;
        service->turn.reconciling = true;
    }
    outcomes_add(service);
    if (claim) {
        service->look = service->told = false;
        service->has_claimed = true;
        claims_add(service, room);
    }
    db_stream_send(service->stream, turn_done, service);
}
