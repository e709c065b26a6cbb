/* The rim of a talk where asking waits: everything is called from inside of talk_begin. */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "text.h"

/* Names of all replies, many times over. */
enum { WHY_BYTES_MAX = 8192 };

struct calling {
    struct run *run;
    struct talk talk;
    int r;
};

static void fail(struct calling *calling, int r)
{
    if (calling->r == 0)
        calling->r = r;
}

static void rim_fail(struct talk *talk, const char *why)
{
    struct calling *calling = talk->owner;

    fail(calling, run_failed(calling->run, -EIO, why));
}

static void rim_ask(struct talk *talk, const struct statement *statement, const char *const *params,
                    size_t n)
{
    struct calling *calling = talk->owner;
    OWN_ROWS struct rows rows = { 0 };
    int r = db_query(calling->run->db, statement, params, n, &rows);

    if (r < 0)
        fail(calling, run_db_failed(calling->run, r, statement->name));
    else
        talk_asked(talk, &rows);
}

/* What Telegram would say, had it been asked. */
static void pretend(struct talk *talk)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { .verdict = TELEGRAM_DONE, .reason = "" };
    OWN(free) char *body = cJSON_PrintUnformatted(talk->request.body);

    (void)printf("would call %s %s\n", talk->request.method, body ? body : "");
    answer.result = cJSON_CreateObject();
    (void)json_put_text(answer.result, "invite_link", "https://t.me/+not-made-in-a-dry-run");
    talk_called(talk, &answer);
}

static void rim_call(struct talk *talk)
{
    struct calling *calling = talk->owner;
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const struct telegram_question question = {
        .bot = talk->bot,
        .method = talk->request.method,
        .body = talk->request.body,
        .chat_id = talk->request.chat_id,
        .repeatable = true,
    };
    int r;

    if (calling->run->dry_run && strncmp(talk->request.method, "get", strlen("get")) != 0) {
        pretend(talk);
        return;
    }
    r = telegram_ask(calling->run, &question, &answer);
    if (r < 0)
        fail(calling, r);
    else
        talk_called(talk, &answer);
}

static void print(const cJSON *messages)
{
    const cJSON *message;

    cJSON_ArrayForEach(message, messages)
    {
        OWN(free) char *payload = cJSON_PrintUnformatted(json_get(message, "payload"));

        (void)printf("%s %s\n", json_get_text(message, "kind"), payload ? payload : "");
    }
}

static void rim_end(struct talk *talk)
{
    struct calling *calling = talk->owner;
    OWN(free) char *messages = cJSON_PrintUnformatted(talk->messages);
    int r;

    if (!messages) {
        rim_fail(talk, "out of memory");
        return;
    }
    r = db_run(calling->run->db, &messenger_sql[MESSENGER_SQL_SAY], NULL, talk->bot, messages);
    if (r < 0) {
        fail(calling, run_db_failed(calling->run, r, "enqueue the reply"));
        return;
    }
    calling->run->stats.enqueued = cJSON_GetArraySize(talk->messages);
    print(talk->messages);
}

static const struct talk_rim rim = {
    .ask = rim_ask, .call = rim_call, .end = rim_end, .fail = rim_fail
};

static int no_customer(struct run *run, const char *customer)
{
    struct err why;

    (void)err_set(&why, 0, "no customer %.40s: want an id of messenger.customer", customer);
    return run_failed(run, -ENOENT, why.text);
}

int call_reply(struct run *run, const char *customer, const struct reply *reply,
               const struct callback *words)
{
    OWN_ROWS struct rows person = { 0 };
    struct calling calling = { .run = run };
    int64_t id;
    int r;

    if (text_to_int(customer, 1, INT64_MAX, &id) < 0)
        return no_customer(run, customer);
    r = db_run(run->db, &messenger_sql[MESSENGER_SQL_KNOWN_PERSON], &person, customer,
               setting_text("TRANSLATION"));
    if (r < 0)
        return run_db_failed(run, r, "find the customer");
    if (person.count == 0)
        return no_customer(run, customer);
    r = telegram_ask_open(run);
    if (r < 0)
        return r;
    talk_init(&calling.talk, &rim, &calling, reply_bot(reply));
    (void)snprintf(calling.talk.now, sizeof calling.talk.now, "%s", run->now);
    calling.talk.reply = reply;
    callback_copy(words, &calling.talk.words);
    talk_meet(&calling.talk, &person);
    talk_begin(&calling.talk);
    talk_done(&calling.talk);
    return calling.r;
}

int call_unknown(struct run *run, const char *asked)
{
    OWN_BUF struct buf why = { 0 };

    buf_init(&why, WHY_BYTES_MAX);
    if (buf_printf(&why, "no reply %.80s; there are ", asked) < 0 || replies_list(&why) < 0)
        return run_failed(run, -ENOENT, "no such reply");
    return run_failed(run, -ENOENT, why.p);
}
