/*
 * What a bot finds out of a chat: sync-groups, sync-single-group, get-chat-info, check-permissions.
 *
 * The Bot API has no list of a bot's groups: sync-groups goes through those that we know, as jobs
 * of their own, so that each has its own retries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bot_tasks_sql.h"
#include "json.h"
#include "own.h"
#include "tasks.h"

struct look {
    struct delivery delivery; /* first: job->data */
    cJSON *body;              /* of the call under way */
    cJSON *chat, *member;     /* what came back */
};

static void release(struct delivery *delivery)
{
    struct look *look = (struct look *)delivery;

    cJSON_Delete(look->body);
    cJSON_Delete(look->chat);
    cJSON_Delete(look->member);
    free(look);
}

/* One request; with_bot asks about the bot itself, whose id is the token's first part. */
static void ask(struct job *job, const char *method, bool with_bot, delivery_answered *answered)
{
    struct look *look = job->data;

    cJSON_Delete(look->body);
    look->body = cJSON_CreateObject();
    if (!look->body || (with_bot && !json_put_int(look->body, "user_id", delivery_bot_id(job)))) {
        delivery_retry(job, "out of memory");
        return;
    }
    delivery_call(job, method, look->body, true, answered);
}

/* Administrators post, and in a group so does every member that is not restricted. */
static bool may_post(const cJSON *member)
{
    const char *status = json_get_text(member, "status");
    const cJSON *right = json_get(member, "can_post_messages");

    if (!status)
        return false;
    if (strcmp(status, "administrator") == 0)
        return !cJSON_IsFalse(right);
    return strcmp(status, "creator") == 0 || strcmp(status, "member") == 0;
}

static bool is_administrator(const cJSON *member)
{
    const char *status = json_get_text(member, "status");

    return status && (strcmp(status, "administrator") == 0 || strcmp(status, "creator") == 0);
}

/* --- sync-single-group --- */

static void record_sync(struct job *job, struct look *look, int64_t members)
{
    const char *title = json_get_text(look->chat, "title"),
               *type = json_get_text(look->chat, "type");
    OWN(free) char *rights = cJSON_PrintUnformatted(look->member);
    char chat[TASK_ID_TEXT], count[TASK_ID_TEXT];
    cJSON *result = cJSON_CreateObject();

    job_also(job, &sql[SQL_SYNCED], task_id_text(look->delivery.chat_id, chat), title ? title : "",
             type && strcmp(type, "group") != 0 ? type : "public", task_id_text(members, count),
             rights ? rights : "{}", may_post(look->member) ? "true" : "false", job->bot);
    (void)(json_put_bool(result, "success", true) && json_put_text(result, "name", title) &&
           json_put_int(result, "memberCount", members) &&
           json_put_bool(result, "canPost", may_post(look->member)));
    delivery_done(job, result);
}

static void counted(struct job *job, struct telegram_answer *answer)
{
    struct look *look = job->data;

    if (answer->verdict != TELEGRAM_DONE)
        task_end(job, answer);
    else if (!cJSON_IsNumber(answer->result))
        delivery_retry(job, "Telegram's answer holds no number of members");
    else
        record_sync(job, look, (int64_t)answer->result->valuedouble);
}

static void count(struct job *job)
{
    ask(job, "getChatMemberCount", false, counted);
}

static void member_found(struct job *job, struct telegram_answer *answer)
{
    struct look *look = job->data;

    if (answer->verdict != TELEGRAM_DONE) {
        task_end(job, answer);
        return;
    }
    look->member = TAKE(answer->result);
    if (is_administrator(look->member))
        job_rate_take(job, 1, count);
    else
        delivery_dead(job, "the bot is no administrator of the chat; its row is as it was");
}

static void find_member(struct job *job)
{
    ask(job, "getChatMember", true, member_found);
}

static void chat_found(struct job *job, struct telegram_answer *answer)
{
    struct look *look = job->data;

    if (answer->verdict != TELEGRAM_DONE) {
        task_end(job, answer);
        return;
    }
    look->chat = TAKE(answer->result);
    job_rate_take(job, 1, find_member);
}

static void find_chat(struct job *job)
{
    ask(job, "getChat", false, chat_found);
}

/* --- get-chat-info, check-permissions --- */

static void info_found(struct job *job, struct telegram_answer *answer)
{
    if (answer->verdict == TELEGRAM_DONE)
        delivery_done(job, TAKE(answer->result));
    else
        task_end(job, answer);
}

static void ask_info(struct job *job)
{
    ask(job, "getChat", false, info_found);
}

static void rights_found(struct job *job, struct telegram_answer *answer)
{
    struct look *look = job->data;
    OWN(free) char *rights = NULL;
    cJSON *result = cJSON_CreateObject();
    char chat[TASK_ID_TEXT];

    if (answer->verdict != TELEGRAM_DONE) {
        cJSON_Delete(result);
        task_end(job, answer);
        return;
    }
    rights = cJSON_PrintUnformatted(answer->result);
    job_also(job, &sql[SQL_RIGHTS], task_id_text(look->delivery.chat_id, chat),
             rights ? rights : "{}", may_post(answer->result) ? "true" : "false");
    (void)(json_put_text(result, "status", json_get_text(answer->result, "status")) &&
           json_put_bool(result, "isAdmin", is_administrator(answer->result)) &&
           json_put_bool(result, "canPost", may_post(answer->result)) &&
           json_put_bool(result, "canDelete",
                         json_get_bool(answer->result, "can_delete_messages")) &&
           json_put(result, "member", TAKE(answer->result)));
    delivery_done(job, result);
}

static void ask_rights(struct job *job)
{
    ask(job, "getChatMember", true, rights_found);
}

/* --- beginnings --- */

static void begin(struct job *job, const char *field, delivery_ready *ready)
{
    struct look *look = calloc(1, sizeof *look);

    if (!look) {
        job_retry(job, "out of memory");
        return;
    }
    delivery_begin(&look->delivery, job, release);
    /* A chat that could not be reached may be there again: that is what is asked. */
    look->delivery.even_gone = true;
    delivery_check(job, task_id(job, field), ready);
}

void task_sync(struct job *job)
{
    begin(job, "telegramId", find_chat);
}

void task_chat_info(struct job *job)
{
    begin(job, "chatId", ask_info);
}

void task_permissions(struct job *job)
{
    begin(job, "chatId", ask_rights);
}

static void all_ordered(struct job *job, const struct rows *rows, const char *error)
{
    cJSON *result;

    if (error) {
        job_retry(job, error);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put_int(result, "groups", rows_int(rows, 0, 0));
    job_done(job, result);
}

void task_sync_all(struct job *job)
{
    job_query(job, all_ordered, &sql[SQL_SYNC_ALL], job->bot);
}
