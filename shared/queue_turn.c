/*
 * One transaction of the service: outcomes out, new jobs in.
 *
 * While one is under way the next one's outcomes gather, so batches grow with the load by
 * themselves and an idle queue starts a job without any delay.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db_array.h"
#include "limits.h"
#include "log.h"
#include "own.h"
#include "queue_parts.h"
#include "queue_sql.h"

enum {
    /* 1,024 reasons and results; a result larger than this is no result. */
    OUTCOMES_BYTES_MAX = 64 << 20,
    /* A full look may take a tenth of the time. */
    FULL_SHARE = 10,
    /* The longest pause where what is due is in the hands of somebody else. */
    VAIN_MOST_MS = 63,
    /* What a broadcast enqueues becomes known in so large parts. */
    ADMIT_MOST = 1000,
};

static const struct position beginning = { "-2147483648", "-infinity", "0" };

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

/* Adds a statement of the turn and returns which one it is. */
static size_t add(struct service *service, const struct statement *statement,
                  const char *const *params, size_t n)
{
    db_stream_add(service->stream, statement, params, n);
    return service->turn.count++;
}

#define ADD(service, statement, ...)                                  \
    add((service), (statement), (const char *const[]){ __VA_ARGS__ }, \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* --- outcomes --- */

enum { IDS, ATTEMPTS, STATES, REASONS, RESULTS, USED, WAITS, KEPT, INTERRUPTED, WAKES, ARRAYS };

struct arrays {
    struct buf of[ARRAYS];
    int count;
};

static void arrays_init(struct arrays *arrays)
{
    arrays->count = 0;
    for (int i = 0; i < ARRAYS; i++)
        buf_init(&arrays->of[i], OUTCOMES_BYTES_MAX);
}

static void arrays_done(struct arrays *arrays)
{
    for (int i = 0; i < ARRAYS; i++)
        buf_done(&arrays->of[i]);
}

static struct job_fate fate_of(const struct entry *entry)
{
    const cJSON *delivery = cJSON_GetObjectItemCaseSensitive(entry->payload, "delivery");
    const struct job_facts facts = {
        .attempt = entry->job.attempt,
        .max_attempts = entry->job.max_attempts,
        .at_most_once = cJSON_IsString(delivery) &&
                        strcmp(delivery->valuestring, "at_most_once") == 0,
        .wait_ms = entry->wait_ms,
        .random = (uint32_t)uv_hrtime() * 2654435761U,
    };

    return job_decide(entry->outcome, &facts);
}

/* Once, also when the turn has to be repeated. */
static void count_and_tell(struct service *service, struct entry *entry,
                           const struct job_fate *fate)
{
    struct run_stats *stats = &service->run->stats;

    if (entry->told)
        return;
    entry->told = true;
    if (strcmp(fate->state, "done") == 0) {
        stats->changed++;
        service->done++;
    } else if (strcmp(fate->state, "dead") == 0) {
        stats->failed++;
        log_warn("job is dead", LOG_INT("id", entry->job.id), LOG_TEXT("kind", entry->job.kind),
                 LOG_INT("attempt", entry->job.attempt), LOG_TEXT("reason", entry->reason));
    } else {
        log_debug("job goes back", LOG_INT("id", entry->job.id),
                  LOG_INT("attempt", entry->job.attempt), LOG_INT("wait_ms", fate->wait_ms),
                  LOG_TEXT("reason", entry->reason));
    }
}

static void gather(const struct entry *entry, const struct job_fate *fate, struct arrays *over,
                   struct arrays *back, struct arrays *lanes)
{
    bool again = strcmp(fate->state, "available") == 0;
    struct arrays *to = again ? back : over;

    to->count++;
    array_add_int(&to->of[IDS], entry->job.id);
    array_add_int(&to->of[ATTEMPTS], entry->job.attempt);
    array_add_text(&to->of[REASONS], entry->reason);
    if (again) {
        array_add_int(&to->of[USED], fate->attempt);
        array_add_int(&to->of[WAITS], fate->wait_ms);
        array_add(&to->of[KEPT], fate->kept ? "t" : "f");
        array_add(&to->of[INTERRUPTED], fate->interrupted ? "t" : "f");
    } else {
        array_add(&to->of[STATES], fate->state);
        array_add_text(&to->of[RESULTS], entry->result);
    }
    if (!entry->job.group_key)
        return;
    lanes->count++;
    array_add_int(&lanes->of[IDS], entry->job.id);
    array_add_int(&lanes->of[WAITS], fate->lane_wait_ms);
    if (fate->lane_wake_ms < 0)
        array_add(&lanes->of[WAKES], NULL);
    else
        array_add_int(&lanes->of[WAKES], fate->lane_wake_ms);
}

static void add_gathered(struct service *service, struct arrays *over, struct arrays *back,
                         struct arrays *lanes)
{
    if (over->count)
        (void)ADD(service, &sql[SQL_FINISH], service->owner, array_end(&over->of[IDS]),
                  array_end(&over->of[ATTEMPTS]), array_end(&over->of[STATES]),
                  array_end(&over->of[REASONS]), array_end(&over->of[RESULTS]));
    if (back->count)
        (void)ADD(service, &sql[SQL_PUT_BACK], service->owner, array_end(&back->of[IDS]),
                  array_end(&back->of[ATTEMPTS]), array_end(&back->of[USED]),
                  array_end(&back->of[WAITS]), array_end(&back->of[REASONS]),
                  array_end(&back->of[KEPT]), array_end(&back->of[INTERRUPTED]));
    if (lanes->count)
        (void)ADD(service, &sql[SQL_FREE_LANES], service->owner, array_end(&lanes->of[IDS]),
                  array_end(&lanes->of[WAITS]), array_end(&lanes->of[WAKES]), service->lane_ms_text,
                  service->group_text);
}

/* Moves what has ended into the turn: all of it, or one by one where the server refused something.
 */
static void add_outcomes(struct service *service)
{
    struct arrays over, back, lanes;
    struct entry *entry;
    struct ask *ask;

    arrays_init(&over);
    arrays_init(&back);
    arrays_init(&lanes);
    while ((entry = TAILQ_FIRST(&service->ended))) {
        struct job_fate fate = fate_of(entry);

        TAILQ_REMOVE(&service->ended, entry, next);
        TAILQ_INSERT_TAIL(&service->writing, entry, next);
        count_and_tell(service, entry, &fate);
        gather(entry, &fate, &over, &back, &lanes);
        if (service->careful)
            break;
    }
    add_gathered(service, &over, &back, &lanes);
    TAILQ_FOREACH (entry, &service->writing, next) {
        STAILQ_FOREACH (ask, &entry->also, next)
            (void)add(service, ask->statement, ask->params, (size_t)ask->statement->params);
    }
    arrays_done(&over);
    arrays_done(&back);
    arrays_done(&lanes);
}

/* After a lost connection: first what is known, then what is not. */
static void add_reconciliation(struct service *service)
{
    struct arrays known;
    const struct entry *entry;

    arrays_init(&known);
    TAILQ_FOREACH (entry, &service->running, next)
        array_add_int(&known.of[IDS], entry->job.id);
    TAILQ_FOREACH (entry, &service->ended, next)
        array_add_int(&known.of[IDS], entry->job.id);
    (void)ADD(service, &sql[SQL_GIVE_BACK], service->owner, array_end(&known.of[IDS]));
    arrays_done(&known);
}

/* --- claims --- */

/* Shares the room between jobs without and with a lane by what was found last, so that together
 * they are never more than there is room for and neither is forgotten. Between two full looks only
 * those kinds are asked for that there are any of. */
static void share_room(struct service *service, int room)
{
    struct turn *turn = &service->turn;
    int weight = service->free_seen + service->lane_seen + 2;

    if (!turn->full && !service->lane_seen) {
        turn->free_room = room;
    } else if (!turn->full && !service->free_seen) {
        turn->free_room = 0;
    } else if (room == 1) {
        service->lane_next = !service->lane_next;
        turn->free_room = service->lane_next;
    } else {
        turn->free_room = (int)((int64_t)room * (service->free_seen + 1) / weight);
        if (turn->free_room == 0)
            turn->free_room = 1;
        if (turn->free_room == room)
            turn->free_room--;
    }
    turn->lane_room = room - turn->free_room;
}

static void add_free_claim(struct service *service)
{
    const struct position *from = service->turn.full ? &beginning : &service->from;
    char room[16];

    if (service->turn.free_room == 0)
        return;
    (void)snprintf(room, sizeof room, "%d", service->turn.free_room);
    if (service->turn.full)
        (void)ADD(service, &sql[SQL_PROMOTE], service->queue->name);
    service->turn.claim = ADD(service, &sql[SQL_CLAIM], service->queue->name, service->owner, room,
                              from->rank, from->run_at, from->id);
}

static void add_lane_claim(struct service *service)
{
    char room[16], most[16];

    if (service->turn.lane_room == 0)
        return;
    (void)snprintf(room, sizeof room, "%d", service->turn.lane_room);
    (void)snprintf(most, sizeof most, "%d", ADMIT_MOST);
    service->turn.admit = ADD(service, &sql[SQL_ADMIT], service->queue->name,
                              service->turn.full ? "0" : service->admit_from, most);
    if (service->bot_rate)
        service->turn.lock = ADD(service, &sql[SQL_LOCK_PACED_LANES], service->queue->name,
                                 service->owner, room, service->bot_rate_text, service->lead_text);
    else
        service->turn.lock = ADD(service, &sql[SQL_LOCK_LANES], service->queue->name,
                                 service->owner, room);
    service->turn.lanes = ADD(service, &sql[SQL_CLAIM_LANES], service->queue->name, service->owner);
}

static void add_claims(struct service *service, int room)
{
    struct turn *turn = &service->turn;

    turn->full = service->bot_rate || now_us() >= service->full_next_us;
    share_room(service, room);
    add_free_claim(service);
    add_lane_claim(service);
    if (turn->full)
        turn->wake = ADD(service, &sql[SQL_WAKE], service->queue->name, service->bot_rate_text,
                         service->lead_text);
}

/* --- the answer --- */

static const struct rows *rows_of(const struct db_batch *batch, size_t which)
{
    static const struct rows none;

    return which == SIZE_MAX ? &none : &batch->rows[which];
}

static void look_again(uv_timer_t *timer)
{
    struct service *service = timer->data;

    service->resting = false;
    service->look = true;
}

/* Nothing is left to claim: sleep until something is due, or told. What is due and cannot be had is
 * in the turn of somebody else: the longer that takes, the less often is looked for it. */
static void sleep_until_due(struct service *service, const struct rows *wake)
{
    int64_t ms = QUEUE_POLL_MS;

    if (wake->count && rows_text(wake, 0, 0) && rows_int(wake, 0, 0) < ms)
        ms = rows_int(wake, 0, 0);
    if (ms > 0) {
        service->vain_ms = 0;
    } else {
        ms = service->vain_ms;
        service->vain_ms = ms * 2 + 1 < VAIN_MOST_MS ? ms * 2 + 1 : VAIN_MOST_MS;
    }
    (void)uv_timer_start(&service->wake, look_again, (uint64_t)ms, 0);
}

/* Remembers how far the claim came, for one that is not full. */
static void remember_position(struct service *service, const struct rows *claimed,
                              const struct rows *admitted)
{
    enum { RANK = JOB_PAYLOAD + 1, RUN_AT };
    struct position *from = &service->from;
    int last = claimed->count - 1;

    if (last >= 0) {
        (void)snprintf(from->rank, sizeof from->rank, "%s", rows_text(claimed, last, RANK));
        (void)snprintf(from->run_at, sizeof from->run_at, "%s", rows_text(claimed, last, RUN_AT));
        (void)snprintf(from->id, sizeof from->id, "%s", rows_text(claimed, last, JOB_ID));
    }
    if (admitted->count && rows_text(admitted, 0, 1))
        (void)snprintf(service->admit_from, sizeof service->admit_from, "%s",
                       rows_text(admitted, 0, 1));
}

static void judge_claims(struct service *service, const struct db_batch *batch)
{
    struct turn *turn = &service->turn;
    const struct rows *claimed = rows_of(batch, turn->claim);
    const struct rows *from_lanes = rows_of(batch, turn->lanes);
    const struct rows *admitted = rows_of(batch, turn->admit);
    bool found = claimed->count || from_lanes->count;
    /* With room for one, a full look asked for jobs of one kind and has to ask for the other. */
    bool half = turn->full && !found && (!turn->free_room || !turn->lane_room);
    bool more = (turn->free_room && claimed->count == turn->free_room) ||
                (turn->lane_room && rows_of(batch, turn->lock)->affected == turn->lane_room) ||
                (admitted->count && rows_int(admitted, 0, 0) == ADMIT_MOST) ||
                (half && !service->half_seen);

    remember_position(service, claimed, admitted);
    service->half_seen = half;
    if (turn->free_room)
        service->free_seen = claimed->count;
    if (turn->lane_room)
        service->lane_seen = from_lanes->count;
    if (found)
        service->vain_ms = 0;
    if (turn->full)
        service->full_next_us = now_us() + FULL_SHARE * (now_us() - turn->sent_us);
    if (more || service->look) {
        service->look = true;
    } else if (turn->full) {
        service->full_next_us = 0;
        sleep_until_due(service, rows_of(batch, turn->wake));
    } else {
        /* Only a full look tells that nothing is left. */
        service->full_next_us = 0;
        service->look = true;
    }
}

/* The same again later, or one by one; what the server refuses by itself is dead. */
static void refused(struct service *service, const struct db_batch *batch)
{
    struct entry *entry = TAILQ_FIRST(&service->writing);

    service_complain(service, COMPLAINT_TURN, batch->error);
    if (batch->code == -EAGAIN) {
        service->resting = true;
        (void)uv_timer_start(&service->wake, look_again, (uint64_t)service->rest_ms, 0);
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
    const struct rows *claimed, *from_lanes;
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
    if (!service->turn.free_room && !service->turn.lane_room)
        return;
    judge_claims(service, batch);
    claimed = rows_of(batch, service->turn.claim);
    from_lanes = rows_of(batch, service->turn.lanes);
    for (int i = 0; i < claimed->count; i++)
        job_begin(service, claimed, i, 0);
    for (int i = 0; i < from_lanes->count; i++)
        job_begin(service, from_lanes, i,
                  service->bot_rate ? rows_int(from_lanes, i, JOB_PAYLOAD + 1) : 0);
}

/* --- from outside --- */

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
    service->turn = (struct turn){ .under_way = true,
                                   .sent_us = now_us(),
                                   .claim = SIZE_MAX,
                                   .lanes = SIZE_MAX,
                                   .admit = SIZE_MAX,
                                   .lock = SIZE_MAX,
                                   .wake = SIZE_MAX };
    if (service->reconcile) {
        add_reconciliation(service);
        service->reconcile = false;
        service->turn.reconciling = true;
    }
    add_outcomes(service);
    if (claim) {
        service->look = service->told = false;
        service->has_claimed = true;
        add_claims(service, room);
    }
    db_stream_send(service->stream, turn_done, service);
}
