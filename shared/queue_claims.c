/*
 * What a turn asks for, and what its answer means for the next one: how the room is shared between
 * jobs with and without a lane, from where on is looked, and how long nothing is to be looked for.
 */
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "queue_parts.h"
#include "queue_sql.h"

enum {
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
        (void)TURN_ADD(service, &sql[SQL_PROMOTE], service->queue->name);
    service->turn.claim = TURN_ADD(service, &sql[SQL_CLAIM], service->queue->name, service->owner,
                                   room, from->rank, from->run_at, from->id);
}

static void add_lane_claim(struct service *service)
{
    char room[16], most[16];

    if (service->turn.lane_room == 0)
        return;
    (void)snprintf(room, sizeof room, "%d", service->turn.lane_room);
    (void)snprintf(most, sizeof most, "%d", ADMIT_MOST);
    service->turn.admit = TURN_ADD(service, &sql[SQL_ADMIT], service->queue->name,
                                   service->turn.full ? "0" : service->admit_from, most);
    if (service->bot_rate)
        service->turn.lock = TURN_ADD(service, &sql[SQL_LOCK_PACED_LANES], service->queue->name,
                                      service->owner, room, service->bot_rate_text,
                                      service->lead_text);
    else
        service->turn.lock = TURN_ADD(service, &sql[SQL_LOCK_LANES], service->queue->name,
                                      service->owner, room);
    service->turn.lanes = TURN_ADD(service, &sql[SQL_CLAIM_LANES], service->queue->name,
                                   service->owner);
}

void claims_add(struct service *service, int room)
{
    struct turn *turn = &service->turn;

    turn->sent_us = now_us();
    turn->full = service->bot_rate || turn->sent_us >= service->full_next_us;
    share_room(service, room);
    add_free_claim(service);
    add_lane_claim(service);
    if (turn->full)
        turn->wake = TURN_ADD(service, &sql[SQL_WAKE], service->queue->name, service->bot_rate_text,
                              service->lead_text);
}

/* --- the answer --- */

static const struct rows *rows_of(const struct db_batch *batch, size_t which)
{
    static const struct rows none;

    return which ? &batch->rows[which - 1] : &none;
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
    turn_look_in(service, ms);
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

/* Decides when and how to look again. */
static void judge(struct service *service, const struct db_batch *batch)
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

void claims_begin(struct service *service, const struct db_batch *batch)
{
    const struct turn *turn = &service->turn;
    const struct rows *claimed = rows_of(batch, turn->claim);
    const struct rows *from_lanes = rows_of(batch, turn->lanes);

    if (!turn->free_room && !turn->lane_room)
        return;
    judge(service, batch);
    for (int i = 0; i < claimed->count; i++)
        job_begin(service, claimed, i, 0);
    for (int i = 0; i < from_lanes->count; i++)
        job_begin(service, from_lanes, i,
                  service->bot_rate ? rows_int(from_lanes, i, JOB_PAYLOAD + 1) : 0);
}
