/*
 * What a turn writes: the outcomes of all jobs that have ended, in one statement for each kind of
 * ending. An ending's facts become columns of arrays.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db_array.h"
#include "log.h"
#include "queue_parts.h"
#include "queue_sql.h"

/* 1,024 reasons and results; a result larger than this is no result. */
enum { OUTCOMES_BYTES_MAX = 64 << 20 };

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
        (void)TURN_ADD(service, &sql[SQL_FINISH], service->owner, array_end(&over->of[IDS]),
                       array_end(&over->of[ATTEMPTS]), array_end(&over->of[STATES]),
                       array_end(&over->of[REASONS]), array_end(&over->of[RESULTS]));
    if (back->count)
        (void)TURN_ADD(service, &sql[SQL_PUT_BACK], service->owner, array_end(&back->of[IDS]),
                       array_end(&back->of[ATTEMPTS]), array_end(&back->of[USED]),
                       array_end(&back->of[WAITS]), array_end(&back->of[REASONS]),
                       array_end(&back->of[KEPT]), array_end(&back->of[INTERRUPTED]));
    if (lanes->count)
        (void)TURN_ADD(service, &sql[SQL_FREE_LANES], service->owner, array_end(&lanes->of[IDS]),
                       array_end(&lanes->of[WAITS]), array_end(&lanes->of[WAKES]),
                       service->lane_ms_text, service->group_text);
}

void outcomes_add(struct service *service)
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
            (void)turn_add(service, ask->statement, ask->params, (size_t)ask->statement->params);
    }
    arrays_done(&over);
    arrays_done(&back);
    arrays_done(&lanes);
}

void outcomes_reconcile(struct service *service)
{
    struct arrays known;
    const struct entry *entry;

    arrays_init(&known);
    TAILQ_FOREACH (entry, &service->running, next)
        array_add_int(&known.of[IDS], entry->job.id);
    TAILQ_FOREACH (entry, &service->ended, next)
        array_add_int(&known.of[IDS], entry->job.id);
    (void)TURN_ADD(service, &sql[SQL_GIVE_BACK], service->owner, array_end(&known.of[IDS]));
    arrays_done(&known);
}
