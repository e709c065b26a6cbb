/* The way of a job to the Bot API and back; what answers mean is a table of verdicts. */
#include "delivery.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bot_pause.h"
#include "instant.h"
#include "json.h"
#include "limits.h"
#include "own.h"
#include "telegram_sql.h"
#include "text.h"

/* How long a bot pauses whose token is refused: somebody has to act, and then wants to see it. */
enum { DEAD_BOT_PAUSE_MS = 60000 };

enum { ID_TEXT_MAX = 24 };

static struct {
    struct bots *bots;
    struct telegram *telegram;
    LIST_HEAD(, delivery) live;
    struct bot_pause pauses[BOTS_MAX];
} all;

static const char *id_text(int64_t id, char text[static ID_TEXT_MAX])
{
    (void)snprintf(text, ID_TEXT_MAX, "%" PRId64, id);
    return text;
}

/* --- life --- */

int delivery_open(struct run *run, uv_loop_t *loop, int in_flight)
{
    struct err why = { "" };
    int r;

    LIST_INIT(&all.live);
    r = bots_load(run, &all.bots);
    if (r < 0)
        return r;
    r = telegram_open(loop, setting_text("TELEGRAM_API_URL"), in_flight, &all.telegram, &why);
    return r < 0 ? run_failed(run, r, why.text) : 0;
}

int delivery_serve(struct run *run, struct queue queue)
{
    queue.bot_rate_setting = "TELEGRAM_RATE_PER_BOT";
    if (!queue.starts_are_free) {
        queue.lane_rate_setting = "TELEGRAM_RATE_PER_CHAT";
        queue.group_per_minute = TELEGRAM_GROUP_PER_MINUTE;
    }
    queue.sql = sql;
    queue.sql_count = SQL_COUNT;
    return queue_serve(run, &queue);
}

static void forget(struct delivery *delivery)
{
    LIST_REMOVE(delivery, link);
    delivery->release(delivery);
}

void delivery_close(void)
{
    telegram_close(TAKE(all.telegram));
    while (!LIST_EMPTY(&all.live))
        forget(LIST_FIRST(&all.live));
    bots_free(TAKE(all.bots));
}

void delivery_begin(struct delivery *delivery, struct job *job,
                    void (*release)(struct delivery *delivery))
{
    delivery->job = job;
    delivery->release = release;
    job->data = delivery;
    LIST_INSERT_HEAD(&all.live, delivery, link);
}

/* --- outcomes --- */

void delivery_done(struct job *job, cJSON *result)
{
    struct delivery *delivery = job->data;

    job_done(job, result);
    forget(delivery);
}

void delivery_dead(struct job *job, const char *reason)
{
    struct delivery *delivery = job->data;

    job_dead(job, reason);
    forget(delivery);
}

void delivery_retry(struct job *job, const char *reason)
{
    struct delivery *delivery = job->data;

    job_retry(job, reason);
    forget(delivery);
}

void delivery_hold(struct job *job, int64_t wait_ms, const char *reason)
{
    struct delivery *delivery = job->data;

    job_hold(job, wait_ms, reason);
    forget(delivery);
}

void delivery_cancel(struct job *job, const char *reason)
{
    struct delivery *delivery = job->data;

    job_cancel(job, reason);
    forget(delivery);
}

void delivery_refuse(struct job *job, int code, const char *reason)
{
    struct delivery *delivery = job->data;

    job_refuse(job, code, reason);
    forget(delivery);
}

/* --- before the call --- */

static void checked(struct job *job, const struct rows *rows, const char *error)
{
    struct delivery *delivery = job->data;
    const char *reason = error ? NULL : rows_text(rows, 0, 1);
    struct err why;

    if (error) {
        delivery_retry(job, error);
        return;
    }
    delivery->chat_id = rows_int(rows, 0, 0);
    if (!reason || delivery->even_gone) {
        delivery->ready(job);
        return;
    }
    (void)err_set(&why, 0, "the chat cannot be reached (%s); see ops.recipient", reason);
    delivery_dead(job, why.text);
}

void delivery_check(struct job *job, int64_t chat_id, delivery_ready *ready)
{
    struct delivery *delivery = job->data;
    char chat[ID_TEXT_MAX];
    struct err why;

    delivery->ready = ready;
    if (bots_token(all.bots, job->bot)) {
        job_query(job, checked, &sql[SQL_CHAT], job->bot, id_text(chat_id, chat));
        return;
    }
    (void)err_set(&why, 0, "there is no bot named %s", job->bot);
    delivery_dead(job, why.text);
}

/* --- the call --- */

int64_t delivery_bot_id(const struct job *job)
{
    const char *token = bots_token(all.bots, job->bot), *colon = strchr(token, ':');
    char number[ID_TEXT_MAX] = "";
    int64_t id = 0;

    if (colon && (size_t)(colon - token) < sizeof number)
        memcpy(number, token, (size_t)(colon - token));
    (void)text_to_int(number, 1, INT64_MAX, &id);
    return id;
}

static int64_t now_ms(void)
{
    return (int64_t)monotonic_now_ms();
}

/* There is one: a job whose bot has no token is dead before its first call. */
static struct bot_pause *pause_of(const struct job *job)
{
    int place = bots_place(job->bot);

    assert(place >= 0);
    return &all.pauses[place];
}

static void answered(struct telegram_answer *answer, void *tag);

static int send_call(struct delivery *delivery)
{
    OWN(json) cJSON *body = cJSON_Duplicate(delivery->body, 1);
    OWN(free) char *text = NULL;
    char chat[ID_TEXT_MAX];

    /* As text: cJSON prints numbers of more than 15 digits with an exponent. */
    if (!body ||
        (delivery->chat_id && !json_put_text(body, "chat_id", id_text(delivery->chat_id, chat))))
        return -ENOMEM;
    text = cJSON_PrintUnformatted(body);
    if (!text)
        return -ENOMEM;
    return telegram_call(all.telegram, &(struct telegram_request){
                                           .token = bots_token(all.bots, delivery->job->bot),
                                           .method = delivery->method,
                                           .body = text,
                                           .repeatable = delivery->repeatable,
                                           .done = answered,
                                           .tag = delivery,
                                       });
}

/* The chat has a new id: that is kept with the job's outcome, and the same is sent there. */
static bool followed(struct delivery *delivery, const struct telegram_answer *answer)
{
    char from[ID_TEXT_MAX], to[ID_TEXT_MAX];

    if (answer->verdict != TELEGRAM_MIGRATED || delivery->moved)
        return false;
    job_also(delivery->job, &sql[SQL_MOVED], delivery->job->bot, id_text(delivery->chat_id, from),
             id_text(answer->migrate_to, to));
    if (delivery->stays)
        return false;
    delivery->chat_id = answer->migrate_to;
    delivery->moved = true;
    return send_call(delivery) == 0;
}

/* What the answer says of the bot, whatever it says of the job. */
static void heed(struct job *job, const struct telegram_answer *answer)
{
    struct bot_pause *pause = pause_of(job);
    int64_t ms = bot_pause_after(pause, answer, now_ms(), (uint32_t)(uv_hrtime() >> 10));

    if (ms > 0)
        job_pause_bot(job, ms, answer->why.text);
}

static void answered(struct telegram_answer *answer, void *tag)
{
    struct delivery *delivery = tag;

    heed(delivery->job, answer);
    if (!followed(delivery, answer))
        delivery->answered(delivery->job, answer);
}

void delivery_call(struct job *job, const char *method, cJSON *body, bool repeatable,
                   delivery_answered *then)
{
    struct delivery *delivery = job->data;
    int r;

    delivery->method = method;
    delivery->body = body;
    delivery->repeatable = repeatable;
    delivery->answered = then;
    r = send_call(delivery);
    if (r == -EINVAL)
        delivery_dead(job, "the bot's token cannot be one: it has characters that no token has");
    else if (r < 0)
        delivery_retry(job, strerror(-r));
}

/* --- verdicts --- */

static void end_wait(struct job *job, const struct telegram_answer *answer)
{
    struct delivery *delivery = job->data;

    job_wait(job, answer->retry_after_ms, answer->why.text);
    forget(delivery);
}

static void end_retry(struct job *job, const struct telegram_answer *answer)
{
    struct delivery *delivery = job->data;

    if (answer_is_unsent(answer))
        job_wait(job, bot_pause_left(pause_of(job), now_ms()), answer->why.text);
    else if (answer->unknown && !delivery->repeatable)
        job_unknown(job, answer->why.text);
    else
        job_retry(job, answer->why.text);
    forget(delivery);
}

static void end_dead(struct job *job, const struct telegram_answer *answer)
{
    delivery_dead(job, answer->why.text);
}

static void end_gone(struct job *job, const struct telegram_answer *answer)
{
    struct delivery *delivery = job->data;
    char chat[ID_TEXT_MAX];

    if (delivery->chat_id)
        job_also(job, &sql[SQL_GONE], job->bot, id_text(delivery->chat_id, chat), answer->reason);
    delivery_dead(job, answer->why.text);
}

static void end_bot(struct job *job, const struct telegram_answer *answer)
{
    struct delivery *delivery = job->data;
    struct bots_alert alert;

    bots_dead_alert(job->bot, answer->why.text, &alert);
    job_also(job, &sql[SQL_ALERT], alert.name, setting_text("TELEGRAM_ADMIN_CHAT_ID"),
             setting_given("SMTP_URL"), alert.text);
    job_pause_bot(job, DEAD_BOT_PAUSE_MS, answer->why.text);
    job_give_back(job);
    forget(delivery);
}

void delivery_end(struct job *job, const struct telegram_answer *answer)
{
    /* clang-format off */
    static void (*const ends[TELEGRAM_VERDICTS])(struct job *, const struct telegram_answer *) = {
        [TELEGRAM_ALREADY]   = end_dead,
        [TELEGRAM_WAIT]      = end_wait,
        [TELEGRAM_RETRY]     = end_retry,
        [TELEGRAM_SKIP]      = end_dead,
        [TELEGRAM_FORBIDDEN] = end_dead,
        [TELEGRAM_GONE]      = end_gone,
        [TELEGRAM_MIGRATED]  = end_retry, /* twice at a time, or not to be followed */
        [TELEGRAM_BOT_DEAD]  = end_bot,
    };
    /* clang-format on */

    ends[answer->verdict](job, answer);
}
