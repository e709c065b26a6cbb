#ifndef OPS_TELEGRAM_ANSWER_H
#define OPS_TELEGRAM_ANSWER_H
/*
 * What an answer of the Bot API means for the job behind it: pure, decided by one table.
 *
 * Source: the sources of tdlib/telegram-bot-api (Client.cpp, fail_query_with_error) and tdlib/td,
 * which produce the wire errors, and core.telegram.org/bots/api#making-requests. The wording of a
 * description is all that tells most errors apart, so it is matched by lower-case substring, after
 * the code.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum telegram_verdict {
    TELEGRAM_DONE,      /* it happened; result says what */
    TELEGRAM_ALREADY,   /* it is so already (the message is gone): as good as done */
    TELEGRAM_WAIT,      /* too many requests: nothing before retry_after_ms, no attempt used up */
    TELEGRAM_RETRY,     /* passing trouble: later; see telegram_answer.unknown */
    TELEGRAM_SKIP,      /* this request will never work; the chat is all right */
    TELEGRAM_FORBIDDEN, /* the bot lacks a right in the chat: skip, and the group is no longer used
                         */
    TELEGRAM_GONE,      /* chat or person cannot be reached: mark it (ops.recipient), skip */
    TELEGRAM_MIGRATED,  /* the chat's id is migrate_to now: ops.chat_alias, and the same again */
    TELEGRAM_BOT_DEAD,  /* the token or the server's address is wrong: the bot pauses, one alert */
    TELEGRAM_VERDICTS
};

/* One row of the table. code 0 matches every code, text "" every description; the first row that
 * matches counts. */
struct telegram_error {
    int code;
    const char *text; /* lower case */
    enum telegram_verdict verdict;
    const char *reason; /* one word for logs and ops.recipient.reason */
};

extern const struct telegram_error telegram_errors[];
extern const size_t telegram_errors_count;

struct telegram_answer {
    enum telegram_verdict verdict;
    const char *reason;     /* of the row; "" when done */
    int status;             /* of HTTP; 0: no answer */
    bool unknown;           /* not done for sure, but nobody can tell that it did not happen:
                               repeating may do it twice */
    int64_t retry_after_ms; /* of TELEGRAM_WAIT, at least 1000 */
    int64_t migrate_to;     /* of TELEGRAM_MIGRATED */
    cJSON *result;          /* of TELEGRAM_DONE; answer_done deletes it */
    struct err why;         /* one sentence: the description or the transport's error */
};

/* Reads an answer. status 0 means none came (error says why, sent whether the request left this
 * host). A 5xx and a body that is no envelope (a front end's HTML page) do not tell whether
 * Telegram acted, so they are RETRY with unknown set; a 2xx that cannot be read, too. body[length]
 * is '\0'. */
void telegram_answer_read(int status, const char *body, size_t length, int64_t retry_after_ms,
                          struct telegram_answer *ret);
void telegram_answer_none(const char *error, bool sent, struct telegram_answer *ret);

/* The row for a code and a description in any case. Never NULL. */
const struct telegram_error *telegram_error_find(int code, const char *description);

const char *telegram_verdict_name(enum telegram_verdict verdict);

void telegram_answer_done(struct telegram_answer *answer);

#define OWN_TELEGRAM_ANSWER __attribute__((cleanup(telegram_answer_done)))

#endif
