/*
 * sender: delivers the queue `messages` for every bot.
 *
 * Takes     send-message and send-photo, in the order of each chat, as fast as Telegram allows; and
 *           send-email.
 * Does      one request to the Bot API for each; a chat that moved is followed.
 * Records   the message's id, or why there is none; who cannot be reached. An alert for the
 *           administrators is also mailed, when there is a mail server.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "json.h"
#include "messenger.h"
#include "sender_sql.h"
#include "telegram_payload.h"

struct sending {
    struct delivery delivery; /* first: job->data */
    struct message message;
};

static uv_loop_t *loop;

static void release(struct delivery *delivery)
{
    struct sending *sending = (struct sending *)delivery;

    message_done(&sending->message);
    free(sending);
}

/* --- alerts --- */

/* An alert that was made for both ways says so. */
static bool is_to_be_mailed(const struct job *job, int64_t chat_id)
{
    char chat[24];

    (void)snprintf(chat, sizeof chat, "%" PRId64, chat_id);
    return *setting_text("SMTP_URL") && *setting_text("ALERT_EMAIL") &&
           strcmp(setting_text("TELEGRAM_ADMIN_CHAT_ID"), chat) == 0 &&
           !json_get_bool(job->payload, "mailed");
}

/* Whatever becomes of the message: that an alert cannot be delivered is when the mail counts. */
static void mail_too(struct job *job, const struct sending *sending)
{
    char id[24];

    if (!is_to_be_mailed(job, sending->message.chat_id))
        return;
    (void)snprintf(id, sizeof id, "%" PRId64, job->id);
    job_also(job, &sql[SQL_MAIL_TOO], id, sending->message.text);
}

/* --- messages --- */

static bool is_final(enum telegram_verdict verdict)
{
    return verdict != TELEGRAM_WAIT && verdict != TELEGRAM_RETRY && verdict != TELEGRAM_MIGRATED &&
           verdict != TELEGRAM_BOT_DEAD;
}

static cJSON *result_of(const struct delivery *delivery, const cJSON *message)
{
    cJSON *result = cJSON_CreateObject();
    int64_t id = 0;

    (void)json_get_id(message, "message_id", &id);
    if (json_put_int(result, "messageId", id) && json_put_int(result, "chatId", delivery->chat_id))
        return result;
    cJSON_Delete(result);
    return NULL;
}

static void answered(struct job *job, struct telegram_answer *answer)
{
    struct sending *sending = job->data;

    if (is_final(answer->verdict))
        mail_too(job, sending);
    if (answer->verdict == TELEGRAM_DONE || answer->verdict == TELEGRAM_ALREADY)
        delivery_done(job, result_of(&sending->delivery, answer->result));
    else
        delivery_end(job, answer);
}

static void ready(struct job *job)
{
    struct sending *sending = job->data;

    delivery_call(job, sending->message.method, sending->message.body, false, answered);
}

static void send_one(struct job *job)
{
    struct sending *sending = calloc(1, sizeof *sending);
    struct err why = { "out of memory" };
    int r = sending ? message_read(job->kind, job->payload, &sending->message, &why) : -ENOMEM;

    if (r < 0) {
        free(sending);
        job_refuse(job, r, why.text);
        return;
    }
    delivery_begin(&sending->delivery, job, release);
    delivery_check(job, sending->message.chat_id, ready);
}

static void start(struct job *job)
{
    if (strcmp(job->kind, "send-email") == 0)
        email_start(job, loop);
    else
        send_one(job);
}

/* --- the service --- */

static int open_sender(struct run *run, uv_loop_t *on)
{
    loop = on;
    return delivery_open(run, on, (int)setting_int("SENDER_CONCURRENCY"));
}

static void close_sender(void)
{
    email_close();
    delivery_close();
}

static int sender(struct run *run)
{
    const struct queue queue = {
        .name = "messages",
        .start = start,
        .open = open_sender,
        .stop = email_stop,
        .close = close_sender,
        .in_flight_setting = "SENDER_CONCURRENCY",
    };

    return delivery_serve(run, queue);
}

const struct worker worker = {
    .app = "messenger",
    .name = "sender",
    .about = "deliver the messages of every bot, in order and at the rate Telegram allows",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS(DELIVERY_NEEDS, EMAIL_NEEDS, "SENDER_CONCURRENCY"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = sender,
};
