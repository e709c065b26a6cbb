/*
 * The table of the Bot API's errors, and the reading of its envelope
 * {"ok", "result" | "error_code", "description", "parameters"}.
 */
#include "telegram_answer.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "json.h"
#include "own.h"

/* A 429 without a number is waited out for this long, and one with 0 is no invitation either. */
enum { WAIT_LEAST_MS = 1000, WAIT_MOST_S = 7 * 24 * 3600 };

/* Descriptions are a sentence; one that a proxy made up is cut. */
enum { DESCRIPTION_MAX = 400 };

/* clang-format off */
const struct telegram_error telegram_errors[] = {
    { 429, "",                                        TELEGRAM_WAIT,      "rate" },
    { 420, "",                                        TELEGRAM_WAIT,      "rate" },

    { 401, "",                                        TELEGRAM_BOT_DEAD,  "token" },
    { 404, "",                                        TELEGRAM_BOT_DEAD,  "token" },
    { 421, "",                                        TELEGRAM_BOT_DEAD,  "token" },

    { 409, "can't use getupdates method",             TELEGRAM_SKIP,      "webhook" },
    { 409, "",                                        TELEGRAM_RETRY,     "conflict" },

    { 403, "bot was blocked by the user",             TELEGRAM_GONE,      "blocked" },
    { 403, "user is deactivated",                     TELEGRAM_GONE,      "deactivated" },
    { 403, "bot can't initiate conversation",         TELEGRAM_GONE,      "never_started" },
    { 403, "can't send messages to the bot",          TELEGRAM_SKIP,      "bot" },
    { 403, "can't send messages to bots",             TELEGRAM_SKIP,      "bot" },
    { 403, "bot was kicked",                          TELEGRAM_GONE,      "kicked" },
    { 403, "bot is not a member",                     TELEGRAM_GONE,      "not_member" },
    { 403, "chat was deleted",                        TELEGRAM_GONE,      "deleted" },
    { 403, "",                                        TELEGRAM_FORBIDDEN, "forbidden" },

    { 400, "upgraded to a supergroup",                TELEGRAM_MIGRATED,  "migrated" },
    { 400, "chat not found",                          TELEGRAM_GONE,      "not_found" },
    { 400, "group chat was deactivated",              TELEGRAM_GONE,      "deleted" },

    { 400, "message to delete not found",             TELEGRAM_ALREADY,   "deleted_before" },
    { 400, "message is not modified",                 TELEGRAM_ALREADY,   "same" },
    { 400, "query is too old",                        TELEGRAM_ALREADY,   "too_old" },
    { 400, "user_not_participant",                    TELEGRAM_ALREADY,   "not_in_chat" },
    { 400, "participant_id_invalid",                  TELEGRAM_ALREADY,   "not_in_chat" },
    { 400, "user_id_invalid",                         TELEGRAM_ALREADY,   "not_in_chat" },
    { 400, "member not found",                        TELEGRAM_ALREADY,   "not_in_chat" },
    { 400, "user not found",                          TELEGRAM_ALREADY,   "not_in_chat" },

    { 400, "invite_hash_expired",                     TELEGRAM_ALREADY,   "no_link" },

    { 400, "message can't be deleted",                TELEGRAM_SKIP,      "undeletable" },
    { 400, "user is an administrator of the chat",    TELEGRAM_SKIP,      "administrator" },
    { 400, "can't remove chat owner",                 TELEGRAM_SKIP,      "administrator" },
    { 400, "message to be replied not found",         TELEGRAM_SKIP,      "no_reply_target" },
    { 400, "message thread not found",                TELEGRAM_SKIP,      "no_thread" },
    { 400, "is too long",                             TELEGRAM_SKIP,      "too_long" },
    { 400, "can't parse entities",                    TELEGRAM_SKIP,      "entities" },

    { 400, "have no rights",                          TELEGRAM_FORBIDDEN, "rights" },
    { 400, "chat_write_forbidden",                    TELEGRAM_FORBIDDEN, "rights" },
    { 400, "have no write access",                    TELEGRAM_FORBIDDEN, "rights" },
    { 400, "not enough rights",                       TELEGRAM_FORBIDDEN, "rights" },
    { 400, "need administrator rights",               TELEGRAM_FORBIDDEN, "rights" },
    { 400, "chat_admin_required",                     TELEGRAM_FORBIDDEN, "rights" },

    /* Name resolution of a tunnel that is just coming up. */
    { 400, "failed to resolve host",                  TELEGRAM_RETRY,     "webhook" },
    { 400, "",                                        TELEGRAM_SKIP,      "refused" },
    { 413, "",                                        TELEGRAM_SKIP,      "too_long" },
    /* 5xx, and what no Bot API says. */
    { 0,   "",                                        TELEGRAM_RETRY,     "server" },
};
/* clang-format on */

const size_t telegram_errors_count = sizeof telegram_errors / sizeof *telegram_errors;

static const char *const verdict_names[TELEGRAM_VERDICTS] = {
    [TELEGRAM_DONE] = "done",         [TELEGRAM_ALREADY] = "already",
    [TELEGRAM_WAIT] = "wait",         [TELEGRAM_RETRY] = "retry",
    [TELEGRAM_SKIP] = "skip",         [TELEGRAM_FORBIDDEN] = "forbidden",
    [TELEGRAM_GONE] = "gone",         [TELEGRAM_MIGRATED] = "migrated",
    [TELEGRAM_BOT_DEAD] = "bot_dead",
};

const char *telegram_verdict_name(enum telegram_verdict verdict)
{
    return verdict_names[verdict];
}

const struct telegram_error *telegram_error_find(int code, const char *description)
{
    const struct telegram_error *row = telegram_errors;

    while ((row->code && row->code != code) || !strcasestr(description, row->text))
        row++;
    /* The last row matches everything. */
    assert(row < telegram_errors + telegram_errors_count);
    return row;
}

/* --- the envelope --- */

static void say(struct telegram_answer *answer, const char *text)
{
    (void)err_set(&answer->why, 0, "%.*s", DESCRIPTION_MAX, text);
    for (char *p = answer->why.text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
}

/* Whether Telegram acted cannot be told, unless the request was turned away. */
static void unreadable(int status, struct telegram_answer *ret)
{
    ret->verdict = TELEGRAM_RETRY;
    ret->reason = "server";
    ret->unknown = status < 300 || status >= 500;
    (void)err_set(&ret->why, 0, "HTTP %d without an answer of the Bot API", status);
}

static void read_parameters(const cJSON *envelope, int64_t header_ms, struct telegram_answer *ret)
{
    const cJSON *parameters = json_get(envelope, "parameters");
    int64_t seconds = 0;

    (void)json_get_id(parameters, "migrate_to_chat_id", &ret->migrate_to);
    (void)json_get_id(parameters, "retry_after", &seconds);
    if (seconds > 0 && seconds <= WAIT_MOST_S)
        header_ms = seconds * 1000;
    ret->retry_after_ms = header_ms > WAIT_LEAST_MS ? header_ms : WAIT_LEAST_MS;
}

static void read_failure(int status, const cJSON *envelope, int64_t header_ms,
                         struct telegram_answer *ret)
{
    const char *description = json_get_text(envelope, "description");
    const struct telegram_error *row;
    int64_t code = status;

    (void)json_get_id(envelope, "error_code", &code);
    row = telegram_error_find((int)code, description ? description : "");
    ret->verdict = row->verdict;
    ret->reason = row->reason;
    ret->unknown = code >= 500;
    say(ret, description ? description : "no description");
    if (row->verdict == TELEGRAM_WAIT || row->verdict == TELEGRAM_MIGRATED)
        read_parameters(envelope, header_ms, ret);
    /* An upgrade to nowhere cannot be followed. */
    if (row->verdict == TELEGRAM_MIGRATED && ret->migrate_to == 0)
        ret->verdict = TELEGRAM_GONE;
}

/* What is no envelope comes from a proxy or a front end, and says nothing about the chat: only the
 * codes that need no words are taken by their meaning. */
static void read_foreign(int status, int64_t header_ms, struct telegram_answer *ret)
{
    static const int plain[] = { 429, 401, 404, 413 };

    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (status == plain[i]) {
            read_failure(status, NULL, header_ms, ret);
            return;
        }
    unreadable(status, ret);
}

void telegram_answer_read(int status, const char *body, size_t length, int64_t retry_after_ms,
                          struct telegram_answer *ret)
{
    OWN(json) cJSON *envelope = NULL;
    const cJSON *ok;

    *ret = (struct telegram_answer){ .status = status, .reason = "" };
    if (json_parse(body, length, &envelope, NULL) < 0) {
        read_foreign(status, retry_after_ms, ret);
        return;
    }
    ok = json_get(envelope, "ok");
    if (cJSON_IsFalse(ok))
        read_failure(status, envelope, retry_after_ms, ret);
    else if (!cJSON_IsTrue(ok) || status >= 300)
        unreadable(status, ret);
    else
        ret->result = cJSON_DetachItemFromObjectCaseSensitive(envelope, "result");
}

void telegram_answer_none(const char *error, bool sent, struct telegram_answer *ret)
{
    *ret = (struct telegram_answer){ .verdict = TELEGRAM_RETRY,
                                     .reason = "network",
                                     .unknown = sent };
    say(ret, error);
}

void telegram_answer_done(struct telegram_answer *answer)
{
    cJSON_Delete(answer->result);
    answer->result = NULL;
}
