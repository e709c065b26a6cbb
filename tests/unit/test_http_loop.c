/* Requests on a libuv loop, against a server that misbehaves; and the Bot API's client on top. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http_loop.h"
#include "rude_server.h"
#include "telegram.h"

enum { URL_MAX = 200, SHORT_MS = 200 };

struct seen {
    int answers;
    int status[64];
    bool sent;
    struct http_loop *again; /* asked once more from the callback */
};

static const char *url_of(const char *path, char url[static URL_MAX])
{
    (void)snprintf(url, URL_MAX, "http://127.0.0.1:%d%s", rude.port, path);
    return url;
}

static void done(struct http_reply *reply, void *tag);

static int ask(struct http_loop *http, const char *path, struct seen *seen)
{
    char url[URL_MAX];

    return http_loop_submit(http,
                            &(struct http_request){ .url = url_of(path, url),
                                                    .timeout_ms = SHORT_MS * 10,
                                                    .tag = seen },
                            done);
}

static void done(struct http_reply *reply, void *tag)
{
    struct seen *seen = tag;
    struct http_loop *again = seen->again;

    seen->status[seen->answers++] = reply->status;
    seen->sent = reply->sent;
    seen->again = NULL;
    if (again)
        assert_int_equal(ask(again, "/ok", seen), 0);
}

static struct http_loop *open_on(uv_loop_t *loop, int limit)
{
    struct http_loop *http = NULL;
    struct err why;

    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(http_loop_open(loop, limit, &http, &why), 0);
    return http;
}

/* Everything that was opened is gone when the loop can be closed. */
static void close_on(uv_loop_t *loop, struct http_loop *http)
{
    http_loop_close(http);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void run_until(uv_loop_t *loop, const struct seen *seen, int answers)
{
    while (seen->answers < answers)
        (void)uv_run(loop, UV_RUN_ONCE);
}

static void many_at_once_are_all_answered(void **state)
{
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 32);

    (void)state;
    for (int i = 0; i < 32; i++)
        assert_int_equal(ask(http, i % 2 ? "/ok" : "/400", &seen), 0);
    assert_int_equal(ask(http, "/ok", &seen), -EBUSY);
    assert_int_equal(http_loop_in_flight(http), 32);
    run_until(&loop, &seen, 32);
    assert_int_equal(http_loop_in_flight(http), 0);
    close_on(&loop, http);
}

static void a_callback_may_ask_again(void **state)
{
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 1);

    (void)state;
    seen.again = http;
    assert_int_equal(ask(http, "/400", &seen), 0);
    run_until(&loop, &seen, 2);
    assert_int_equal(seen.status[0], 400);
    assert_int_equal(seen.status[1], 200);
    close_on(&loop, http);
}

static void no_answer_is_an_answer_with_status_0(void **state)
{
    static const char *const paths[] = { "/drop", "/cut-body", "/cut-headers", "/stall" };
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 4);

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(ask(http, paths[i], &seen), 0);
        run_until(&loop, &seen, (int)i + 1);
        assert_int_equal(seen.status[i], 0);
        assert_true(seen.sent);
    }
    close_on(&loop, http);
}

/* What it said and its end come at once: nobody looks before both are there. */
static void ask_and_be_reset(uv_loop_t *loop, struct http_loop *http, const char *path,
                             struct seen *seen)
{
    int answers = seen->answers + 1, resets = rude_resets(), asked = rude_seen(path);

    assert_int_equal(ask(http, path, seen), 0);
    while (rude_seen(path) == asked)
        (void)uv_run(loop, UV_RUN_NOWAIT);
    while (rude_resets() == resets)
        (void)usleep(1000);
    run_until(loop, seen, answers);
}

static void an_answer_before_a_reset_is_an_answer(void **state)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {
        { "/reset", 200 },
        { "/reset-large", 200 },
        { "/reset-body", 0 },
        { "/reset-at-once", 0 },
    };
    struct seen seen = { 0 };
    uint64_t start_ns = uv_hrtime();

    (void)state;
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        uv_loop_t loop;
        struct http_loop *http = open_on(&loop, 1);

        ask_and_be_reset(&loop, http, rows[i].path, &seen);
        assert_int_equal(seen.status[i], rows[i].status);
        assert_true(seen.sent);
        close_on(&loop, http);
    }
    /* Nobody had to wait for the limit of time. */
    assert_true(uv_hrtime() - start_ns < SHORT_MS * 10 * UINT64_C(1000000));
}

/* libcurl does not look whether a kept connection was reset meanwhile, and has no words for it. */
static void what_a_dead_connection_did_not_take_was_not_sent(void **state)
{
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 1);

    (void)state;
    ask_and_be_reset(&loop, http, "/reset", &seen);
    assert_int_equal(ask(http, "/ok", &seen), 0);
    run_until(&loop, &seen, 2);
    assert_true(seen.status[1] == 200 || !seen.sent);
    close_on(&loop, http);
}

static void closing_gives_up_what_is_in_flight(void **state)
{
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 4);

    (void)state;
    assert_int_equal(ask(http, "/stall", &seen), 0);
    for (int i = 0; i < 5; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    close_on(&loop, http);
    assert_int_equal(seen.answers, 0);
}

static void what_is_wrong_is_said_at_once(void **state)
{
    struct seen seen = { 0 };
    uv_loop_t loop;
    struct http_loop *http = open_on(&loop, 1);
    struct err why;

    (void)state;
    assert_int_equal(
        http_loop_submit(http, &(struct http_request){ .url = "http://example.com/" }, done),
        -EINVAL);
    assert_int_equal(http_loop_in_flight(http), 0);
    assert_int_equal(ask(http, "/ok", &seen), 0);
    run_until(&loop, &seen, 1);
    close_on(&loop, http);
    assert_int_equal(http_loop_open(&loop, 0, &http, &why), -EINVAL);
}

/* --- the Bot API --- */

static void answered(struct telegram_answer *answer, void *tag)
{
    struct telegram_answer *seen = tag;

    *seen = *answer;
    answer->result = NULL;
}

static void the_bot_api_answers(void **state)
{
    struct telegram_answer answer = { .verdict = TELEGRAM_VERDICTS };
    struct telegram_request request = {
        .token = "1:a", .method = "getMe", .done = answered, .tag = &answer
    };
    struct telegram *telegram = NULL;
    char url[URL_MAX];
    struct err why;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(telegram_open(&loop, "http://example.com", 1, &telegram, &why), -EINVAL);
    assert_int_equal(telegram_open(&loop, url_of("/", url), 1, &telegram, &why), 0);
    assert_int_equal(telegram_call(telegram, &request), 0);
    assert_int_equal(telegram_call(telegram, &request), -EBUSY);
    while (answer.verdict == TELEGRAM_VERDICTS)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(answer.verdict, TELEGRAM_DONE);
    assert_int_equal(answer.result->valuedouble, 7);
    telegram_answer_done(&answer);
    request.token = "1:a/../x";
    assert_int_equal(telegram_call(telegram, &request), -EINVAL);
    telegram_close(telegram);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_are_all_answered),
        cmocka_unit_test(a_callback_may_ask_again),
        cmocka_unit_test(no_answer_is_an_answer_with_status_0),
        cmocka_unit_test(an_answer_before_a_reset_is_an_answer),
        cmocka_unit_test(what_a_dead_connection_did_not_take_was_not_sent),
        cmocka_unit_test(closing_gives_up_what_is_in_flight),
        cmocka_unit_test(what_is_wrong_is_said_at_once),
        cmocka_unit_test(the_bot_api_answers),
    };

    return cmocka_run_group_tests(tests, rude_start, rude_stop);
}
