/*
 * send-message, send-photo: a post to a group, unless its cooldown or its daily maximum holds it
 * back. What was posted, or why it was not, is in tgadmin.post_history; what is delivered for a
 * purchase, in tgadmin.sent_messages.
 */
#include <errno.h>
#include <stdlib.h>

#include "bot_tasks_sql.h"
#include "json.h"
#include "tasks.h"

struct post {
    struct delivery delivery; /* first: job->data */
    struct message message;
    int64_t campaign; /* 0: none */
    int64_t purchase; /* 0: none */
    bool bypass, completes;
};

static void release(struct delivery *delivery)
{
    struct post *post = (struct post *)delivery;

    message_done(&post->message);
    free(post);
}

static const char *campaign_text(const struct post *post, char text[static TASK_ID_TEXT])
{
    return post->campaign ? task_id_text(post->campaign, text) : NULL;
}

static void record_delivery(struct job *job, int64_t message_id)
{
    const struct post *post = job->data;
    char purchase[TASK_ID_TEXT], chat[TASK_ID_TEXT], message[TASK_ID_TEXT];

    job_also(job, &sql[SQL_DELIVERED], task_id_text(post->purchase, purchase),
             task_id_text(post->delivery.chat_id, chat), task_id_text(message_id, message),
             post->completes ? "t" : "f");
}

static void record_post(struct job *job, const struct telegram_answer *answer)
{
    struct post *post = job->data;
    char chat[TASK_ID_TEXT], id[TASK_ID_TEXT], campaign[TASK_ID_TEXT], message[TASK_ID_TEXT];
    cJSON *result = cJSON_CreateObject();
    int64_t message_id = 0;

    (void)json_get_id(answer->result, "message_id", &message_id);
    job_also(job, &sql[SQL_POSTED], task_id_text(post->delivery.chat_id, chat),
             task_id_text(job->id, id), campaign_text(post, campaign),
             task_id_text(message_id, message), post->message.text, setting_text("TGADMIN_TZ"));
    if (post->purchase)
        record_delivery(job, message_id);
    (void)(json_put_int(result, "messageId", message_id) &&
           json_put_int(result, "chatId", post->delivery.chat_id));
    delivery_done(job, result);
}

static void answered(struct job *job, struct telegram_answer *answer)
{
    struct post *post = job->data;
    char chat[TASK_ID_TEXT], id[TASK_ID_TEXT], campaign[TASK_ID_TEXT];

    if (answer->verdict == TELEGRAM_DONE || answer->verdict == TELEGRAM_ALREADY) {
        record_post(job, answer);
        return;
    }
    if (answer->verdict == TELEGRAM_SKIP || answer->verdict == TELEGRAM_FORBIDDEN ||
        answer->verdict == TELEGRAM_GONE)
        job_also(job, &sql[SQL_POST_FAILED], task_id_text(post->delivery.chat_id, chat),
                 task_id_text(job->id, id), campaign_text(post, campaign), post->message.text,
                 answer->why.text);
    task_end(job, answer);
}

static void call(struct job *job)
{
    struct post *post = job->data;

    delivery_call(job, post->message.method, post->message.body, false, answered);
}

static void allowed(struct job *job, const struct rows *rows, const char *error)
{
    enum { COL_ACTIVE, COL_COOLDOWN_MS, COL_MAXIMUM_MS };

    if (error)
        delivery_retry(job, error);
    else if (rows->count == 0)
        call(job);
    else if (!rows_bool(rows, 0, COL_ACTIVE))
        delivery_dead(job, "the group is not active");
    else if (rows_int(rows, 0, COL_MAXIMUM_MS) > 0)
        delivery_hold(job, rows_int(rows, 0, COL_MAXIMUM_MS), "the group has its posts of today");
    else if (rows_int(rows, 0, COL_COOLDOWN_MS) > 0)
        delivery_hold(job, rows_int(rows, 0, COL_COOLDOWN_MS), "the group is cooling down");
    else
        call(job);
}

static void ready(struct job *job)
{
    struct post *post = job->data;
    char chat[TASK_ID_TEXT];

    if (post->bypass)
        call(job);
    else
        job_query(job, allowed, &sql[SQL_MAY_POST], task_id_text(post->delivery.chat_id, chat),
                  setting_text("TGADMIN_TZ"));
}

void task_send(struct job *job)
{
    struct post *post = calloc(1, sizeof *post);
    struct err why = { "out of memory" };
    int r = post ? message_read(job->kind, job->payload, &post->message, &why) : -ENOMEM;

    if (r < 0) {
        free(post);
        job_refuse(job, r, why.text);
        return;
    }
    post->campaign = task_id(job, "campaignId");
    post->purchase = task_id(job, "purchaseId");
    (void)payload_bool(job->payload, "completes", &post->completes, NULL);
    (void)payload_bool(job->payload, "bypassRateLimit", &post->bypass, NULL);
    delivery_begin(&post->delivery, job, release);
    delivery_check(job, post->message.chat_id, ready);
}
