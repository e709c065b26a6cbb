/* One question to the Bot API with all the waiting, following and keeping that belongs to it. */
#include "telegram_ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "http_retry.h"
#include "instant.h"
#include "json.h"
#include "limits.h"
#include "own.h"
#include "telegram.h"
#include "telegram_sql.h"

enum { NUMBER_MAX = 24 };

static struct bots *bots;
static int vain; /* questions in a row without a usable answer */

/* One question on its way. */
struct asking {
    struct run *run;
    const struct telegram_question *question;
    int64_t chat_id;     /* where the chat is now */
    int64_t patience_ms; /* what is left of it */
    int tries;           /* in passing trouble */
    bool moved;          /* followed once */
};

static const char *number_text(int64_t number, char text[static NUMBER_MAX])
{
    (void)snprintf(text, NUMBER_MAX, "%" PRId64, number);
    return text;
}

/* --- life --- */

int telegram_ask_open(struct run *run)
{
    int r;

    telegram_ask_close();
    r = db_prepare(run->db, sql, SQL_COUNT);
    return r < 0 ? run_db_failed(run, r, "prepare what questions to Telegram need")
                 : bots_load(run, &bots);
}

void telegram_ask_close(void)
{
    bots_free(TAKE(bots));
}

const struct bots *telegram_ask_bots(void)
{
    return bots;
}

/* --- what is kept --- */

static int keep_move(struct asking *asking, int64_t to)
{
    char from[NUMBER_MAX], there[NUMBER_MAX];
    int r = 0;

    if (!asking->run->dry_run)
        r = db_run(asking->run->db, &sql[SQL_MOVED], NULL, asking->question->bot,
                   number_text(asking->chat_id, from), number_text(to, there));
    if (r < 0)
        return run_db_failed(asking->run, r, "keep the new id of a chat");
    asking->chat_id = to;
    asking->moved = true;
    return 0;
}

static int keep_gone(struct asking *asking, const struct telegram_answer *answer)
{
    char chat[NUMBER_MAX];
    int r;

    if (!asking->chat_id || asking->run->dry_run)
        return 0;
    r = db_run(asking->run->db, &sql[SQL_GONE], NULL, asking->question->bot,
               number_text(asking->chat_id, chat), answer->reason);
    return r < 0 ? run_db_failed(asking->run, r, "keep that a chat cannot be reached") : 0;
}

/* Returns -EACCES, or what keeps the alert from being raised. */
static int end_bot(struct asking *asking, const struct telegram_answer *answer)
{
    struct bots_alert alert;
    struct err why;
    int r = 0;

    bots_dead_alert(asking->question->bot, answer->why.text, &alert);
    if (!asking->run->dry_run)
        r = db_run(asking->run->db, &sql[SQL_ALERT], NULL, alert.name,
                   setting_text("TELEGRAM_ADMIN_CHAT_ID"), setting_given("SMTP_URL"), alert.text);
    if (r < 0)
        return run_db_failed(asking->run, r, "raise the alert of a refused token");
    (void)err_set(&why, 0,
                  "Telegram refuses the token of the bot %s (%s); check the token and "
                  "TELEGRAM_API_URL",
                  asking->question->bot, answer->why.text);
    return run_failed(asking->run, -EACCES, why.text);
}

/* --- waiting --- */

/* Returns 1 after the wait, 0 when patience does not reach so far, -EAGAIN once told to stop. */
static int wait_for(struct asking *asking, int64_t wait_ms)
{
    if (wait_ms > asking->patience_ms)
        return 0;
    asking->patience_ms -= wait_ms;
    return worker_pause(wait_ms) ? 1 : -EAGAIN;
}

/* As wait_for; 0 leaves the answer that the rate itself gives in *ret. */
static int wait_for_slot(struct asking *asking, struct telegram_answer *ret)
{
    OWN_ROWS struct rows rows = { 0 };
    char rate[NUMBER_MAX];
    int64_t wait_ms;
    int r;

    if (asking->run->dry_run)
        return 1;
    r = db_run(asking->run->db, &sql[SQL_SLOT], &rows, asking->question->bot,
               number_text(setting_int("TELEGRAM_RATE_PER_BOT"), rate));
    if (r < 0)
        return run_db_failed(asking->run, r, "take a request of the bot's rate");
    wait_ms = rows_int(&rows, 0, 0);
    r = wait_for(asking, wait_ms);
    if (r == 0) {
        *ret = (struct telegram_answer){ .verdict = TELEGRAM_WAIT,
                                         .reason = "rate",
                                         .retry_after_ms = wait_ms };
        (void)err_set(&ret->why, 0, "the bot is paused");
    }
    return r < 0 ? run_failed(asking->run, r, "told to stop before Telegram was asked") : r;
}

/* --- one request --- */

static int print_body(const struct asking *asking, char **ret)
{
    const cJSON *given = asking->question->body;
    OWN(json) cJSON *body = given ? cJSON_Duplicate(given, 1) : cJSON_CreateObject();
    char chat[NUMBER_MAX];

    /* As text: cJSON prints numbers of more than 15 digits with an exponent. */
    if (!body ||
        (asking->chat_id && !json_put_text(body, "chat_id", number_text(asking->chat_id, chat))))
        return -ENOMEM;
    *ret = cJSON_PrintUnformatted(body);
    return *ret ? 0 : -ENOMEM;
}

static int send_once(const struct asking *asking, struct telegram_answer *ret)
{
    const struct telegram_question *question = asking->question;
    OWN_REPLY struct http_reply reply = { 0 };
    OWN_BUF struct buf url = { 0 };
    OWN(free) char *body = NULL;
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = telegram_url(setting_text("TELEGRAM_API_URL"), bots_token(bots, question->bot),
                     question->method, &url);
    if (r == 0)
        r = print_body(asking, &body);
    if (r < 0)
        return run_failed(asking->run, r,
                          r == -ENOMEM ? "out of memory" : "the bot's token cannot be one");
    r = http_submit(asking->run->http, &(struct http_request){
                                           .method = "POST",
                                           .url = url.p,
                                           .body = body,
                                           .timeout_ms = question->timeout_ms ? question->timeout_ms
                                                                              : TELEGRAM_TIMEOUT_MS,
                                           .body_max = TELEGRAM_BODY_MAX,
                                           .repeatable = question->repeatable,
                                       });
    if (r == 0)
        r = http_collect(asking->run->http, &reply);
    if (r < 0)
        return run_failed(asking->run, r, http_error(asking->run->http));
    if (reply.status)
        telegram_answer_read(reply.status, reply.body, reply.body_length, reply.retry_after_ms,
                             ret);
    else
        telegram_answer_none(reply.error.text, reply.sent, ret);
    return 0;
}

/* Asked about somebody in a group, "user is deactivated" is said of him: he is there no more, and
 * the group is as well as before. */
static void blame_person(const struct asking *asking, struct telegram_answer *answer)
{
    if (asking->chat_id < 0 && answer->verdict == TELEGRAM_GONE &&
        strcmp(answer->reason, "deactivated") == 0)
        answer->verdict = TELEGRAM_ALREADY;
}

/* Whether the same is to be asked again, after what has to happen before: 1, 0, or a negative errno
 * that ends the question. */
static int ask_again(struct asking *asking, const struct telegram_answer *answer)
{
    uint32_t random = 0;
    int64_t wait_ms;
    int r;

    if (answer->verdict == TELEGRAM_MIGRATED && asking->chat_id && !asking->moved) {
        r = keep_move(asking, answer->migrate_to);
        return r < 0 ? r : 1;
    }
    if (answer->verdict == TELEGRAM_WAIT)
        wait_ms = answer->retry_after_ms;
    else if (answer->verdict == TELEGRAM_RETRY &&
             (asking->question->repeatable || !answer->unknown)) {
        /* Without randomness the delay is only less spread. */
        (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
        wait_ms = http_retry_delay(++asking->tries, 0, random);
    } else {
        wait_ms = -1;
    }
    /* Told to stop, the answer that is there is the answer. */
    return wait_ms >= 0 && wait_for(asking, wait_ms) == 1;
}

static int ask(struct asking *asking, struct telegram_answer *ret)
{
    int r;

    for (;;) {
        r = wait_for_slot(asking, ret);
        if (r <= 0)
            return r;
        r = send_once(asking, ret);
        if (r < 0)
            return r;
        r = ask_again(asking, ret);
        if (r <= 0)
            return r;
        telegram_answer_done(ret);
    }
}

/* --- the question --- */

static int find_chat(struct asking *asking)
{
    OWN_ROWS struct rows rows = { 0 };
    char chat[NUMBER_MAX];
    int r;

    if (!asking->question->chat_id)
        return 0;
    r = db_run(asking->run->db, &sql[SQL_CHAT], &rows, asking->question->bot,
               number_text(asking->question->chat_id, chat));
    if (r < 0)
        return run_db_failed(asking->run, r, "find out where a chat is now");
    asking->chat_id = rows_int(&rows, 0, 0);
    return 0;
}

static void count_vain(enum telegram_verdict verdict)
{
    vain = verdict == TELEGRAM_RETRY || verdict == TELEGRAM_WAIT ? vain + 1 : 0;
}

bool telegram_ask_in_vain(void)
{
    return vain >= TELEGRAM_VAIN_MAX;
}

int telegram_ask(struct run *run, const struct telegram_question *question,
                 struct telegram_answer *ret)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    struct asking asking = {
        .run = run,
        .question = question,
        .patience_ms = question->patience_ms ? question->patience_ms : TELEGRAM_PATIENCE_MS,
    };
    int r;

    if (!bots_token(bots, question->bot))
        return run_failed(run, -EINVAL, "there is no bot of this name");
    r = find_chat(&asking);
    if (r == 0)
        r = ask(&asking, &answer);
    blame_person(&asking, &answer);
    if (r == 0)
        count_vain(answer.verdict);
    if (r == 0 && answer.verdict == TELEGRAM_BOT_DEAD)
        r = end_bot(&asking, &answer);
    if (r == 0 && answer.verdict == TELEGRAM_GONE)
        r = keep_gone(&asking, &answer);
    if (r < 0)
        return r;
    *ret = answer;
    answer.result = NULL;
    return 0;
}
