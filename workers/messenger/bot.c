/*
 * bot: turns what people do with our bots into replies.
 *
 * Takes     the queue `updates`: stored updates, in the order of each chat.
 * Does      answers a pressed button at Telegram; everything else it says is enqueued.
 * Records   who wrote, what his reply changes, where a bot was added or thrown out; and the
 *           messages of the reply, once for each update, together with the job's outcome.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bot_sql.h"
#include "delivery.h"
#include "json.h"
#include "own.h"
#include "replies.h"
#include "telegram_payload.h"
#include "update.h"

enum {
    /* Updates that wait for the database or for Telegram at the same time. */
    IN_FLIGHT = 64,
    /* What a person can do within a minute; a bot that answers more is one to be abused. */
    SAID_MAX = 30,
};

struct turn {
    struct delivery delivery; /* first: job->data */
    struct talk talk;
    char update_id[TALK_ID_TEXT];
    cJSON *payload;
    struct update update;
};

static struct {
    const char *set; /* of translations in use */
    const char *now; /* fixed by --now; or NULL */
} all;

static void release(struct delivery *delivery)
{
    struct turn *turn = (struct turn *)delivery;

    talk_done(&turn->talk);
    cJSON_Delete(turn->payload);
    free(turn);
}

static void ignore(struct job *job, const char *why)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_put_text(result, "ignored", why);
    delivery_done(job, result);
}

/* --- the talk's rim --- */

static void asked(struct job *job, const struct rows *rows, const char *error)
{
    struct turn *turn = job->data;

    if (error)
        delivery_retry(job, error);
    else
        talk_asked(&turn->talk, rows);
}

static void rim_ask(struct talk *talk, const struct statement *statement, const char *const *params,
                    size_t n)
{
    job_query_params(talk->owner, asked, statement, params, n);
}

/* Trouble that passes ends the turn, and all of it comes again. */
static void called(struct job *job, struct telegram_answer *answer)
{
    struct turn *turn = job->data;

    switch (answer->verdict) {
    case TELEGRAM_WAIT:
    case TELEGRAM_RETRY:
    case TELEGRAM_MIGRATED:
    case TELEGRAM_BOT_DEAD:
        delivery_end(job, answer);
        return;
    default:
        talk_called(&turn->talk, answer);
    }
}

static void rate_taken(struct job *job)
{
    const struct turn *turn = job->data;

    delivery_call(job, turn->talk.request.method, turn->talk.request.body, true, called);
}

static void chat_known(struct job *job)
{
    job_rate_take(job, 1, rate_taken);
}

static void rim_call(struct talk *talk)
{
    struct turn *turn = ((struct job *)talk->owner)->data;

    turn->delivery.even_gone = true;
    delivery_check(talk->owner, talk->request.chat_id, chat_known);
}

static void rim_end(struct talk *talk)
{
    struct job *job = talk->owner;
    const struct turn *turn = job->data;
    OWN(free)
    char *messages = talk->messages ? cJSON_PrintUnformatted(talk->messages) : strdup("[]");
    cJSON *result = cJSON_CreateObject();

    if (!messages || !json_put_text(result, "app", talk->reply->app) ||
        !json_put_text(result, "reply", talk->reply->name) ||
        !json_put_int(result, "messages", cJSON_GetArraySize(talk->messages))) {
        cJSON_Delete(result);
        delivery_retry(job, "out of memory");
        return;
    }
    job_also(job, &sql[SQL_ANSWER], job->bot, turn->update_id, messages);
    delivery_done(job, result);
}

static void rim_fail(struct talk *talk, const char *why)
{
    delivery_retry(talk->owner, why);
}

static const struct talk_rim rim = {
    .ask = rim_ask, .call = rim_call, .end = rim_end, .fail = rim_fail
};

/* --- which reply --- */

static void say_too_much(struct talk *talk)
{
    talk_say(talk,
             strcmp(talk->bot, "tgadmin") == 0
                 ? _("Foi muita coisa em um minuto. Espere um pouco, por favor.")
                 : _("That was a lot within a minute. Please wait one."),
             NULL);
    talk_end(talk);
}

static const struct reply reply_too_much = { .app = "messenger",
                                             .name = "too_much",
                                             .run = say_too_much };

static const struct reply reply_stale = { .app = "messenger", .name = "stale", .run = talk_stale };

static const struct reply *reply_to_message(struct turn *turn)
{
    char command[COMMAND_BYTES_MAX + 1];
    const char *bot = turn->talk.bot, *rest = "";
    const struct reply *reply = NULL;

    if (update_command(turn->update.text, command, &rest))
        reply = reply_by_command(bot, command);
    if (!reply)
        return reply_to_words(bot);
    /* Deep links are one word (A-Z, a-z, 0-9, _, -; 64 at most); anything else is none. */
    if (callback_divide(rest, ' ', &turn->talk.words) < 0 || turn->talk.words.argc > 1)
        turn->talk.words.argc = 0;
    return reply;
}

static const struct reply *reply_to_button(struct turn *turn)
{
    const struct reply *reply = NULL;

    if (callback_read(turn->update.data, &turn->talk.words) == 0)
        reply = reply_by_name(turn->talk.words.app, turn->talk.words.reply);
    return reply && strcmp(reply_bot(reply), turn->talk.bot) == 0 ? reply : &reply_stale;
}

/* --- a person --- */

static void button_answered(struct job *job, struct telegram_answer *answer)
{
    struct turn *turn = job->data;

    /* Whether it was in time changes nothing of what is said. */
    (void)answer;
    if (turn->update.in_group)
        ignore(job, "a button in a group");
    else
        talk_begin(&turn->talk);
}

static void answer_button(struct job *job)
{
    struct turn *turn = job->data;

    delivery_call(job, "answerCallbackQuery", turn->talk.request.body, true, button_answered);
}

static void greeted(struct job *job, const struct rows *rows, const char *error)
{
    struct turn *turn = job->data;
    int64_t said;

    if (error) {
        delivery_retry(job, error);
        return;
    }
    said = rows_int(rows, 0, PERSON_SAID);
    if (said > SAID_MAX + 1) {
        ignore(job, "flood");
        return;
    }
    talk_meet(&turn->talk, rows);
    if (said > SAID_MAX)
        turn->talk.reply = &reply_too_much;
    if (turn->update.kind != UPDATE_CALLBACK) {
        talk_begin(&turn->talk);
        return;
    }
    turn->talk.request.body = cJSON_CreateObject();
    if (json_put_text(turn->talk.request.body, "callback_query_id", turn->update.callback_id))
        job_rate_take(job, 1, answer_button);
    else
        delivery_retry(job, "out of memory");
}

static void greet(struct job *job)
{
    struct turn *turn = job->data;
    const struct update *update = &turn->update;
    char person[TALK_ID_TEXT];

    (void)snprintf(person, sizeof person, "%" PRId64, update->from_id);
    if (!reply_to_words(job->bot)) {
        job_also(job, &sql[SQL_HEARD], job->bot, person);
        ignore(job, "this bot has no replies");
        return;
    }
    turn->talk.reply = update->kind == UPDATE_MESSAGE ? reply_to_message(turn)
                                                      : reply_to_button(turn);
    job_query(job, greeted, &messenger_sql[MESSENGER_SQL_PERSON], person, update->username,
              update->first_name, update->language, job->bot, all.set);
}

/* --- a chat --- */

static void note_group(struct job *job, const struct update *update, const char *chat)
{
    OWN(free) char *rights = NULL;

    if (strcmp(job->bot, "shop") == 0) {
        job_also(job, &sql[SQL_SHOP_SEEN], chat, update->chat_title, update->chat_type,
                 update_is_administrator(update) ? "true" : "false");
    } else if (strcmp(job->bot, "tgadmin") == 0 && update_is_present(update)) {
        rights = cJSON_PrintUnformatted(update->member);
        job_also(job, &sql[SQL_GROUP_SEEN], chat, update->chat_title, update->chat_type,
                 update_may_post(update) ? "true" : "false", rights ? rights : "{}");
    } else if (strcmp(job->bot, "tgadmin") == 0) {
        job_also(job, &sql[SQL_GROUP_GONE], chat, update->status);
    }
}

static void note_member(struct job *job)
{
    struct turn *turn = job->data;
    const struct update *update = &turn->update;
    cJSON *result = cJSON_CreateObject();
    char chat[TALK_ID_TEXT];

    (void)snprintf(chat, sizeof chat, "%" PRId64, update->chat_id);
    if (strcmp(update->chat_type, "private") != 0)
        note_group(job, update, chat);
    else if (update_is_present(update))
        job_also(job, &sql[SQL_HEARD], job->bot, chat);
    else
        job_also(job, &sql[SQL_LEFT], job->bot, chat);
    (void)json_put_text(result, "status", update->status);
    delivery_done(job, result);
}

/* --- an update --- */

static void take(struct job *job)
{
    const struct turn *turn = job->data;

    switch (turn->update.kind) {
    case UPDATE_IGNORED:
        ignore(job, turn->update.why_ignored);
        break;
    case UPDATE_MEMBER:
        note_member(job);
        break;
    case UPDATE_MESSAGE:
    case UPDATE_CALLBACK:
        greet(job);
        break;
    }
}

static void read_update(struct job *job, const struct rows *rows, const char *error)
{
    struct turn *turn = job->data;
    const char *text;
    struct err why;
    int r;

    if (error) {
        delivery_retry(job, error);
    } else if (rows->count == 0) {
        delivery_dead(job, "the update is not stored (any more)");
    } else if (rows_bool(rows, 0, 1)) {
        ignore(job, "answered before");
    } else {
        text = rows_text(rows, 0, 0);
        r = json_parse(text, strlen(text), &turn->payload, &why);
        if (r == 0)
            r = update_read(turn->payload, &turn->update, &why);
        if (r < 0)
            delivery_refuse(job, r, why.text);
        else
            take(job);
    }
}

static void start(struct job *job)
{
    struct turn *turn;
    struct err why;
    int64_t id;

    if (payload_need_id(job->payload, "updateId", &id, &why) < 0) {
        job_dead(job, why.text);
        return;
    }
    turn = calloc(1, sizeof *turn);
    if (!turn) {
        job_retry(job, "out of memory");
        return;
    }
    talk_init(&turn->talk, &rim, job, job->bot);
    if (all.now)
        (void)snprintf(turn->talk.now, sizeof turn->talk.now, "%s", all.now);
    else
        (void)instant_print(instant_now(), turn->talk.now);
    (void)snprintf(turn->update_id, sizeof turn->update_id, "%" PRId64, id);
    delivery_begin(&turn->delivery, job, release);
    job_query(job, read_update, &sql[SQL_UPDATE], job->bot, turn->update_id);
}

/* --- the service --- */

static int open_bot(struct run *run, uv_loop_t *loop)
{
    all.set = setting_text("TRANSLATION");
    all.now = run->now_given ? run->now : NULL;
    return delivery_open(run, loop, IN_FLIGHT);
}

static int bot(struct run *run)
{
    const struct queue queue = {
        .name = "updates",
        .start = start,
        .open = open_bot,
        .close = delivery_close,
        .in_flight = IN_FLIGHT,
        .starts_are_free = true,
    };

    return delivery_serve(run, queue);
}

const struct worker worker = {
    .app = "messenger",
    .name = "bot",
    .about = "reply to what people write to the bots and press there",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS(DELIVERY_NEEDS, "TRANSLATION"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = messenger_sql,
    .app_sql_count = MESSENGER_SQL_COUNT,
    .run = bot,
};
