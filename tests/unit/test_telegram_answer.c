/* Every row of the Bot API's error table, as the wire has it, and the envelopes around them. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "own.h"
#include "telegram_answer.h"

struct row {
    int code;
    const char *description;
    enum telegram_verdict want;
    const char *reason;
};

/* clang-format off */
static const struct row rows[] = {
    { 429, "Too Many Requests: retry after 5", TELEGRAM_WAIT, "rate" },
    { 420, "FLOOD_WAIT_5", TELEGRAM_WAIT, "rate" },
    { 401, "Unauthorized", TELEGRAM_BOT_DEAD, "token" },
    { 401, "Unauthorized: invalid token specified", TELEGRAM_BOT_DEAD, "token" },
    { 404, "Not Found", TELEGRAM_BOT_DEAD, "token" },
    { 404, "Not Found: method not found", TELEGRAM_BOT_DEAD, "token" },
    { 421, "Misdirected Request: unallowed token specified", TELEGRAM_BOT_DEAD, "token" },
    { 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to "
           "delete the webhook first", TELEGRAM_SKIP, "webhook" },
    { 409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance "
           "is running", TELEGRAM_RETRY, "conflict" },
    { 409, "Conflict: terminated by setWebhook request", TELEGRAM_RETRY, "conflict" },
    { 403, "Forbidden: bot was blocked by the user", TELEGRAM_GONE, "blocked" },
    { 403, "Forbidden: user is deactivated", TELEGRAM_GONE, "deactivated" },
    { 403, "Forbidden: bot can't initiate conversation with a user", TELEGRAM_GONE, "never_started" },
    { 403, "Forbidden: the bot can't send messages to the bot", TELEGRAM_SKIP, "bot" },
    { 403, "Forbidden: bot can't send messages to bots", TELEGRAM_SKIP, "bot" },
    { 403, "Forbidden: bot was kicked from the group chat", TELEGRAM_GONE, "kicked" },
    { 403, "Forbidden: bot was kicked from the supergroup chat", TELEGRAM_GONE, "kicked" },
    { 403, "Forbidden: bot was kicked from the channel chat", TELEGRAM_GONE, "kicked" },
    { 403, "Forbidden: bot is not a member of the group chat", TELEGRAM_GONE, "not_member" },
    { 403, "Forbidden: bot is not a member of the supergroup chat", TELEGRAM_GONE, "not_member" },
    { 403, "Forbidden: bot is not a member of the channel chat", TELEGRAM_GONE, "not_member" },
    { 403, "Forbidden: the group chat was deleted", TELEGRAM_GONE, "deleted" },
    { 403, "Forbidden: something new", TELEGRAM_FORBIDDEN, "forbidden" },
    { 400, "Bad Request: chat not found", TELEGRAM_GONE, "not_found" },
    { 400, "Bad Request: private chat not found", TELEGRAM_GONE, "not_found" },
    { 400, "Bad Request: group chat was deactivated", TELEGRAM_GONE, "deleted" },
    { 400, "Bad Request: chat_id is empty", TELEGRAM_SKIP, "refused" },
    { 400, "Bad Request: message to delete not found", TELEGRAM_ALREADY, "deleted_before" },
    { 400, "Bad Request: message is not modified: specified new message content and reply markup "
           "are exactly the same", TELEGRAM_ALREADY, "same" },
    { 400, "Bad Request: query is too old and response timeout expired or query ID is invalid",
           TELEGRAM_ALREADY, "too_old" },
    { 400, "Bad Request: USER_NOT_PARTICIPANT", TELEGRAM_ALREADY, "not_in_chat" },
    { 400, "Bad Request: PARTICIPANT_ID_INVALID", TELEGRAM_ALREADY, "not_in_chat" },
    { 400, "Bad Request: USER_ID_INVALID", TELEGRAM_ALREADY, "not_in_chat" },
    { 400, "Bad Request: INVITE_HASH_EXPIRED", TELEGRAM_ALREADY, "no_link" },
    { 400, "Bad Request: member not found", TELEGRAM_ALREADY, "not_in_chat" },
    { 400, "Bad Request: user not found", TELEGRAM_ALREADY, "not_in_chat" },
    { 400, "Bad Request: message can't be deleted", TELEGRAM_SKIP, "undeletable" },
    { 400, "Bad Request: message can't be deleted for everyone", TELEGRAM_SKIP, "undeletable" },
    { 400, "Bad Request: message identifier is not specified", TELEGRAM_SKIP, "refused" },
    { 400, "Bad Request: too many message identifiers specified", TELEGRAM_SKIP, "refused" },
    { 400, "Bad Request: user is an administrator of the chat", TELEGRAM_SKIP, "administrator" },
    { 400, "Bad Request: can't remove chat owner", TELEGRAM_SKIP, "administrator" },
    { 400, "Bad Request: can't ban members in private chats", TELEGRAM_SKIP, "refused" },
    { 400, "Bad Request: message to be replied not found", TELEGRAM_SKIP, "no_reply_target" },
    { 400, "Bad Request: message thread not found", TELEGRAM_SKIP, "no_thread" },
    { 400, "Bad Request: message is too long", TELEGRAM_SKIP, "too_long" },
    { 400, "Bad Request: message caption is too long", TELEGRAM_SKIP, "too_long" },
    { 400, "Bad Request: can't parse entities: Unsupported start tag \"x\"", TELEGRAM_SKIP,
           "entities" },
    { 400, "Bad Request: have no rights to send a message", TELEGRAM_FORBIDDEN, "rights" },
    { 400, "Bad Request: CHAT_WRITE_FORBIDDEN", TELEGRAM_FORBIDDEN, "rights" },
    { 400, "Bad Request: have no write access to the chat", TELEGRAM_FORBIDDEN, "rights" },
    { 400, "Bad Request: not enough rights to send text messages to the chat", TELEGRAM_FORBIDDEN,
           "rights" },
    { 400, "Bad Request: need administrator rights in the channel chat", TELEGRAM_FORBIDDEN,
           "rights" },
    { 400, "Bad Request: CHAT_ADMIN_REQUIRED", TELEGRAM_FORBIDDEN, "rights" },
    { 400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known",
           TELEGRAM_RETRY, "webhook" },
    { 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", TELEGRAM_SKIP,
           "refused" },
    { 400, "Bad Request: text must be non-empty", TELEGRAM_SKIP, "refused" },
    { 413, "Request Entity Too Large", TELEGRAM_SKIP, "too_long" },
    { 500, "Internal Server Error: restart", TELEGRAM_RETRY, "server" },
};
/* clang-format on */

static struct telegram_answer read_answer(int status, const char *body)
{
    struct telegram_answer answer;

    telegram_answer_read(status, body, strlen(body), 0, &answer);
    return answer;
}

static void each_error_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(json) cJSON *envelope = cJSON_CreateObject();
        OWN(free) char *body = NULL;
        struct telegram_answer answer;

        cJSON_AddFalseToObject(envelope, "ok");
        cJSON_AddNumberToObject(envelope, "error_code", rows[i].code);
        cJSON_AddStringToObject(envelope, "description", rows[i].description);
        body = cJSON_PrintUnformatted(envelope);
        answer = read_answer(rows[i].code, body);
        if (answer.verdict != rows[i].want || strcmp(answer.reason, rows[i].reason) != 0)
            fail_msg("%d %s: %s (%s)", rows[i].code, rows[i].description,
                     telegram_verdict_name(answer.verdict), answer.reason);
        assert_string_equal(answer.why.text, rows[i].description);
        assert_true(answer.unknown == (rows[i].code >= 500));
    }
}

/* A row that no error reaches would be dead, or hidden by one above it. */
static void each_row_is_reached(void **state)
{
    bool reached[100] = { false };

    (void)state;
    assert_true(telegram_errors_count <= sizeof reached / sizeof *reached);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        reached[telegram_error_find(rows[i].code, rows[i].description) - telegram_errors] = true;
    reached[telegram_error_find(400, "group chat was upgraded to a supergroup chat") -
            telegram_errors] = true;
    for (size_t i = 0; i < telegram_errors_count; i++)
        if (!reached[i])
            fail_msg("no test for %d %s", telegram_errors[i].code, telegram_errors[i].text);
}

static void a_success_has_its_result(void **state)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = read_answer(
        200, "{\"ok\":true,\"result\":{\"message_id\":7}}");

    (void)state;
    assert_int_equal(answer.verdict, TELEGRAM_DONE);
    assert_false(answer.unknown);
    assert_int_equal(cJSON_GetObjectItem(answer.result, "message_id")->valuedouble, 7);
}

static void a_wait_is_as_long_as_was_asked_for(void **state)
{
    struct telegram_answer answer = read_answer(
        429, "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after "
             "3600\",\"parameters\":{\"retry_after\":3600}}");

    (void)state;
    assert_int_equal(answer.retry_after_ms, 3600 * 1000);
    /* Only the header, of a front end that speaks no JSON; and nothing at all. */
    telegram_answer_read(429, "<html>", 6, 7000, &answer);
    assert_int_equal(answer.verdict, TELEGRAM_WAIT);
    assert_int_equal(answer.retry_after_ms, 7000);
    telegram_answer_read(429, "", 0, 0, &answer);
    assert_int_equal(answer.retry_after_ms, 1000);
}

static void a_migration_says_where_to(void **state)
{
    struct telegram_answer answer = read_answer(
        400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was "
             "upgraded to a supergroup chat\","
             "\"parameters\":{\"migrate_to_chat_id\":-1001234567890123}}");

    (void)state;
    assert_int_equal(answer.verdict, TELEGRAM_MIGRATED);
    assert_true(answer.migrate_to == -1001234567890123);
    answer = read_answer(400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: "
                              "group chat was upgraded to a supergroup chat\"}");
    assert_int_equal(answer.verdict, TELEGRAM_GONE);
}

static void what_is_no_envelope_says_nothing_about_the_chat(void **state)
{
    /* clang-format off */
    static const struct {
        int status;
        const char *body;
        enum telegram_verdict want;
        bool unknown;
    } foreign[] = {
        { 502, "<html>502 Bad Gateway</html>",  TELEGRAM_RETRY,    true },
        { 504, "",                              TELEGRAM_RETRY,    true },
        { 200, "<html>log in to the hotel</html>", TELEGRAM_RETRY, true },
        { 200, "{\"ok\":tru",                   TELEGRAM_RETRY,    true },
        { 200, "{}",                            TELEGRAM_RETRY,    true },
        { 200, "[]",                            TELEGRAM_RETRY,    true },
        { 403, "<html>proxy</html>",            TELEGRAM_RETRY,    false },
        { 400, "",                              TELEGRAM_RETRY,    false },
        { 301, "",                              TELEGRAM_RETRY,    false },
        { 404, "<html>nginx</html>",            TELEGRAM_BOT_DEAD, false },
        { 413, "<html>nginx</html>",            TELEGRAM_SKIP,     false },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct telegram_answer answer = read_answer(foreign[i].status, foreign[i].body);

        if (answer.verdict != foreign[i].want || answer.unknown != foreign[i].unknown)
            fail_msg("%d %s: %s", foreign[i].status, foreign[i].body,
                     telegram_verdict_name(answer.verdict));
        assert_true(answer.why.text[0]);
    }
}

static void no_answer_is_unknown_only_when_it_was_sent(void **state)
{
    struct telegram_answer answer;

    (void)state;
    telegram_answer_none("Connection refused", false, &answer);
    assert_int_equal(answer.verdict, TELEGRAM_RETRY);
    assert_false(answer.unknown);
    telegram_answer_none("timed out\r\nx", true, &answer);
    assert_true(answer.unknown);
    assert_string_equal(answer.why.text, "timed out  x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_verdict),
        cmocka_unit_test(each_row_is_reached),
        cmocka_unit_test(a_success_has_its_result),
        cmocka_unit_test(a_wait_is_as_long_as_was_asked_for),
        cmocka_unit_test(a_migration_says_where_to),
        cmocka_unit_test(what_is_no_envelope_says_nothing_about_the_chat),
        cmocka_unit_test(no_answer_is_unknown_only_when_it_was_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
