/* The HTTP client against a server that misbehaves in every way that we could think of. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "http.h"
#include "instant.h"
#include "limits.h"
#include "own.h"
#include "rude_server.h"
#include "untrusted_tls.h"

/* Long enough for a busy machine, short enough to wait for; what must be quick is compared with
 * GENEROUS_MS, far below the real time limits. */
enum { SHORT_MS = 200, GENEROUS_MS = 8000 };

enum { URL_MAX = 200 };

static void own_http(struct http **http)
{
    http_close(*http);
}

static struct http *pool(int limit)
{
    struct http *http = NULL;
    struct err error;

    if (http_open(limit, &http, &error) < 0)
        fail_msg("%s", error.text);
    return http;
}

static const char *url_of(const char *path, char url[static URL_MAX])
{
    (void)snprintf(url, URL_MAX, "http://127.0.0.1:%d%s", rude.port, path);
    return url;
}

static struct http_reply ask(struct http *http, const struct http_request *request)
{
    struct http_reply reply;

    if (http_submit(http, request) < 0)
        fail_msg("%s", http_error(http));
    assert_int_equal(http_in_flight(http), 1);
    assert_int_equal(http_collect(http, &reply), 0);
    assert_int_equal(http_in_flight(http), 0);
    assert_non_null(reply.body);
    return reply;
}

static struct http_reply get(struct http *http, const char *path)
{
    char url[URL_MAX];

    return ask(http, &(struct http_request){ .url = url_of(path, url), .repeatable = true });
}

static void an_answer_is_handed_out(void **state)
{
    OWN(http) struct http *http = pool(1);
    OWN_REPLY struct http_reply ok = get(http, "/ok"), empty = get(http, "/empty"),
                                trailer = get(http, "/trailer");

    (void)state;
    assert_int_equal(ok.status, 200);
    assert_string_equal(ok.body, "ok");
    assert_int_equal(ok.body_length, 2);
    assert_int_equal(ok.retry_after_ms, 0);
    assert_true(ok.sent);
    assert_int_equal(empty.status, 204);
    assert_string_equal(empty.body, "");
    assert_int_equal(trailer.status, 200);
    assert_string_equal(trailer.body, "ok");
}

static void the_request_is_what_was_asked_for(void **state)
{
    static const char *const headers[] = { "Idempotence-Key: 7", "X-Other: a b", NULL };
    OWN(http) struct http *http = pool(1);
    char url[URL_MAX];
    OWN_REPLY struct http_reply reply = ask(
        http, &(struct http_request){ .method = "POST",
                                      .url = url_of("/ok?a=b%20c", url),
                                      .user = "shop",
                                      .password = "s:cret",
                                      .headers = headers,
                                      .body = "{\"a\":1}" });

    (void)state;
    assert_int_equal(reply.status, 200);
    assert_ptr_equal(strstr(rude.last, "POST /ok?a=b%20c HTTP/1.1\r\n"), rude.last);
    assert_non_null(strstr(rude.last, "\r\nAuthorization: Basic c2hvcDpzOmNyZXQ=\r\n"));
    assert_non_null(strstr(rude.last, "\r\nUser-Agent: opsd-workers/"));
    assert_non_null(strstr(rude.last, "\r\nIdempotence-Key: 7\r\n"));
    assert_non_null(strstr(rude.last, "\r\nX-Other: a b\r\n"));
    assert_non_null(strstr(rude.last, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(rude.last, "\r\n\r\n{\"a\":1}"));
}

static void a_request_leaves_nothing_to_the_next(void **state)
{
    OWN(http) struct http *http = pool(1);
    char url[URL_MAX];
    struct http_reply put = ask(http, &(struct http_request){ .method = "PUT",
                                                              .url = url_of("/ok", url),
                                                              .user = "u",
                                                              .password = "p",
                                                              .body = "x" });

    (void)state;
    assert_ptr_equal(strstr(rude.last, "PUT /ok"), rude.last);
    reply_done(&put);
    put = get(http, "/ok");
    reply_done(&put);
    assert_ptr_equal(strstr(rude.last, "GET /ok"), rude.last);
    assert_null(strstr(rude.last, "Authorization"));
    assert_null(strstr(rude.last, "Content-Type"));
    put = ask(http, &(struct http_request){ .method = "POST", .url = url_of("/ok", url) });
    reply_done(&put);
    assert_non_null(strstr(rude.last, "Content-Length: 0\r\n"));
    put = ask(http, &(struct http_request){ .method = "HEAD", .url = url_of("/empty", url) });
    reply_done(&put);
    assert_ptr_equal(strstr(rude.last, "HEAD /empty"), rude.last);
}

static void what_is_no_answer_has_status_0_and_a_reason(void **state)
{
    /* clang-format off */
    static const struct { const char *path, *why; } rows[] = {
        { "/stall", "timed out" },      { "/half-headers", "timed out" },
        { "/stall-body", "timed out" }, { "/cut-headers", "" },
        { "/cut-after-103", "" },
        { "/cut-body", "" },            { "/cut-chunks", "" },
        { "/drop", "" },                { "/not-http", "" },
        { "/announced-huge", "larger than" },
    };
    /* clang-format on */
    char url[URL_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(http) struct http *http = pool(1);
        OWN_REPLY struct http_reply reply = ask(
            http,
            &(struct http_request){ .url = url_of(rows[i].path, url), .timeout_ms = SHORT_MS });

        if (reply.status != 0 || !reply.sent || reply.body_length != 0 || reply.body[0] ||
            !reply.error.text[0] || !strstr(reply.error.text, rows[i].why))
            fail_msg("%s: status %d, sent %d, \"%s\", %s", rows[i].path, reply.status, reply.sent,
                     reply.body, reply.error.text);
        if (strstr(reply.error.text, rows[i].path))
            fail_msg("%s: the error text tells the path", rows[i].path);
    }
}

static void an_endless_body_ends_at_the_limit(void **state)
{
    OWN(http) struct http *http = pool(1);
    OWN_REPLY struct http_reply reply = get(http, "/endless");

    (void)state;
    assert_int_equal(reply.status, 0);
    assert_non_null(strstr(reply.error.text, "larger than"));
    assert_string_equal(reply.body, "");
}

static void a_refused_connection_was_not_sent(void **state)
{
    OWN(http) struct http *http = pool(1);
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    OWN(close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[URL_MAX];

    (void)state;
    /* Bound but not listening: nobody else gets the port, and it refuses. */
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    OWN_REPLY struct http_reply reply = ask(http, &(struct http_request){ .url = url });
    assert_int_equal(reply.status, 0);
    assert_false(reply.sent);
    assert_string_not_equal(reply.error.text, "");
}

/* The server speaks plain text where a handshake is due. */
static void broken_tls_is_not_sent(void **state)
{
    OWN(http) struct http *http = pool(1);
    char url[URL_MAX];
    int before = rude_seen("/ok");

    (void)state;
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/ok", rude.port);
    OWN_REPLY struct http_reply reply = ask(
        http, &(struct http_request){ .url = url, .timeout_ms = SHORT_MS });
    assert_int_equal(reply.status, 0);
    assert_false(reply.sent);
    assert_int_equal(rude_seen("/ok"), before);
}

static void an_untrusted_certificate_is_refused(void **state)
{
    OWN(http) struct http *http = pool(1);
    struct untrusted_tls server = untrusted_tls_start();
    char url[URL_MAX];

    (void)state;
    assert_int_not_equal(server.port, 0);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    OWN_REPLY struct http_reply reply = ask(
        http, &(struct http_request){ .url = url, .timeout_ms = GENEROUS_MS });
    untrusted_tls_stop(&server);
    assert_int_equal(reply.status, 0);
    assert_false(reply.sent);
    assert_non_null(strstr(reply.error.text, "certificate"));
}

static void a_redirect_is_an_answer(void **state)
{
    OWN(http) struct http *http = pool(1);
    int before = rude_seen("/ok");
    OWN_REPLY struct http_reply reply = get(http, "/redirect");

    (void)state;
    assert_int_equal(reply.status, 302);
    assert_int_equal(rude_seen("/ok"), before);
}

static void retry_after_has_two_forms(void **state)
{
    OWN(http) struct http *http = pool(1);
    OWN_REPLY struct http_reply seconds = get(http, "/429-seconds"), date = get(http, "/429-date"),
                                past = get(http, "/429-past"),
                                nonsense = get(http, "/429-nonsense"),
                                huge = get(http, "/429-huge");
    const int64_t then = INT64_C(4096250880000); /* 2099-10-21T07:28:00Z */

    (void)state;
    assert_int_equal(seconds.status, 429);
    assert_int_equal(seconds.retry_after_ms, 7000);
    assert_true(llabs(date.retry_after_ms - (then - instant_now())) < GENEROUS_MS);
    assert_int_equal(past.retry_after_ms, 0);
    assert_int_equal(nonsense.retry_after_ms, 0);
    assert_true(huge.retry_after_ms > HTTP_RETRY_AFTER_MOST_MS);
}

static void a_bad_request_is_refused_before_it_starts(void **state)
{
    static const char *const forged[] = { "X: y\r\nHost: evil", NULL };
    static const char *const nameless[] = { "no colon", NULL };
    /* clang-format off */
    static const struct http_request rows[] = {
        { .url = "http://example.com/" },
        { .url = "http://127.0.0.1@example.com/" },
        { .url = "file:///etc/passwd" },
        { .url = "http://127.0.0.1:1/", .headers = forged },
        { .url = "http://127.0.0.1:1/", .headers = nameless },
        { .url = "http://127.0.0.1:1/", .method = "get" },
        { .url = "http://127.0.0.1:1/", .method = "GET / HTTP/1.1\r\nX: y" },
        { .url = "http://127.0.0.1:1/", .method = "" },
    };
    /* clang-format on */
    OWN(http) struct http *http = pool(1);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(http_submit(http, &rows[i]), -EINVAL);
        assert_string_not_equal(http_error(http), "");
        assert_int_equal(http_in_flight(http), 0);
    }
}

/* http is for this host: a proxy would see the credentials. */
static void plain_http_goes_past_a_proxy(void **state)
{
    OWN(http) struct http *http = pool(1);

    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    OWN_REPLY struct http_reply reply = get(http, "/ok");
    (void)unsetenv("http_proxy");
    assert_int_equal(reply.status, 200);
}

static void the_pool_has_a_limit(void **state)
{
    OWN(http) struct http *http = pool(2);
    struct http *unused = NULL;
    struct http_reply reply = { .tag = http };
    struct err error;
    char url[URL_MAX];
    struct http_request request = { .url = url_of("/ok", url) };

    (void)state;
    assert_int_equal(http_collect(http, &reply), -ENOENT);
    assert_ptr_equal(reply.tag, http);
    assert_int_equal(http_submit(http, &request), 0);
    assert_int_equal(http_submit(http, &request), 0);
    assert_int_equal(http_submit(http, &request), -EBUSY);
    assert_int_equal(http_call(http, &request, &reply), -EBUSY);
    assert_int_equal(http_open(0, &unused, &error), -EINVAL);
    assert_int_equal(http_open(HTTP_IN_FLIGHT_MAX + 1, &unused, &error), -EINVAL);
    assert_null(unused);
}

/* One that stalls holds up nobody, every tag comes back once, connections are kept. */
static void many_are_in_flight_at_a_time(void **state)
{
    enum { MANY = 64, ROUNDS = 4 };
    OWN(http) struct http *http = pool(MANY);
    uint64_t start = monotonic_now_ms();
    bool back[MANY] = { false };
    char url[URL_MAX], stall_url[URL_MAX];
    int i, round, before = rude.connections;

    (void)state;
    assert_int_equal(
        http_submit(http, &(struct http_request){ .url = url_of("/stall", stall_url) }), 0);
    for (round = 0; round < ROUNDS; round++) {
        memset(back, 0, sizeof back);
        for (i = 1; i < MANY; i++)
            assert_int_equal(http_submit(http, &(struct http_request){ .url = url_of("/ok", url),
                                                                       .repeatable = true,
                                                                       .tag = &back[i] }),
                             0);
        for (i = 1; i < MANY; i++) {
            struct http_reply reply;

            assert_int_equal(http_collect(http, &reply), 0);
            assert_int_equal(reply.status, 200);
            assert_false(*(bool *)reply.tag);
            *(bool *)reply.tag = true;
            reply_done(&reply);
        }
    }
    assert_int_equal(http_in_flight(http), 1);
    assert_true(monotonic_now_ms() - start < GENEROUS_MS);
    assert_true(rude.connections - before <= MANY);
}

/* libcurl alone would send it again when a kept connection closes. */
static void what_is_not_repeatable_leaves_once(void **state)
{
    OWN(http) struct http *http = pool(1);
    char url[URL_MAX];
    struct http_request request = { .method = "POST",
                                    .url = url_of("/second-dropped", url),
                                    .body = "{}" };
    OWN_REPLY struct http_reply first = ask(http, &request), second = ask(http, &request);

    (void)state;
    assert_int_equal(first.status, 200);
    assert_int_equal(second.status, 0);
    assert_true(second.sent);
    assert_non_null(strstr(second.error.text, "closed before an answer"));
    assert_int_equal(rude_seen("/second-dropped"), 2);
}

static struct http_reply call(struct http *http, const char *path, bool repeatable)
{
    struct http_reply reply;
    char url[URL_MAX];

    assert_int_equal(http_call(http,
                               &(struct http_request){ .url = url_of(path, url),
                                                       .repeatable = repeatable,
                                                       .timeout_ms = SHORT_MS },
                               &reply),
                     0);
    return reply;
}

static void a_call_is_tried_again_when_that_can_help(void **state)
{
    OWN(http) struct http *http = pool(1);
    uint64_t start = monotonic_now_ms();
    OWN_REPLY struct http_reply limited = call(http, "/429-once", true);
    uint64_t took = monotonic_now_ms() - start;
    OWN_REPLY struct http_reply failed = call(http, "/500-once", true);
    OWN_REPLY struct http_reply wrong = call(http, "/400", true);

    (void)state;
    assert_int_equal(limited.status, 200);
    assert_in_range(took, 1000, GENEROUS_MS);
    assert_int_equal(failed.status, 200);
    assert_int_equal(rude_seen("/500-once"), 2);
    assert_int_equal(wrong.status, 400);
    assert_int_equal(rude_seen("/400"), 1);
}

static void a_call_is_not_tried_again_when_that_can_harm(void **state)
{
    OWN(http) struct http *http = pool(1);
    int before = rude_seen("/500");
    OWN_REPLY struct http_reply reply = call(http, "/500", false);

    (void)state;
    assert_int_equal(reply.status, 500);
    assert_int_equal(rude_seen("/500"), before + 1);
}

static void a_long_retry_after_is_left_to_the_caller(void **state)
{
    OWN(http) struct http *http = pool(1);
    int before = rude_seen("/429-date");
    OWN_REPLY struct http_reply reply = call(http, "/429-date", true);

    (void)state;
    assert_int_equal(reply.status, 429);
    assert_int_equal(rude_seen("/429-date"), before + 1);
}

static void a_stopped_worker_tries_no_more(void **state)
{
    OWN(http) struct http *http = pool(1);
    int stop[2], before = rude_seen("/500");

    (void)state;
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    http_set_stop_fd(http, stop[0]);
    assert_int_equal(write(stop[1], "", 1), 1);
    OWN_REPLY struct http_reply reply = call(http, "/500", true);
    assert_int_equal(reply.status, 500);
    assert_int_equal(rude_seen("/500"), before + 1);
    (void)close(stop[0]);
    (void)close(stop[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_handed_out),
        cmocka_unit_test(the_request_is_what_was_asked_for),
        cmocka_unit_test(a_request_leaves_nothing_to_the_next),
        cmocka_unit_test(what_is_no_answer_has_status_0_and_a_reason),
        cmocka_unit_test(an_endless_body_ends_at_the_limit),
        cmocka_unit_test(a_refused_connection_was_not_sent),
        cmocka_unit_test(broken_tls_is_not_sent),
        cmocka_unit_test(an_untrusted_certificate_is_refused),
        cmocka_unit_test(a_redirect_is_an_answer),
        cmocka_unit_test(retry_after_has_two_forms),
        cmocka_unit_test(a_bad_request_is_refused_before_it_starts),
        cmocka_unit_test(plain_http_goes_past_a_proxy),
        cmocka_unit_test(the_pool_has_a_limit),
        cmocka_unit_test(many_are_in_flight_at_a_time),
        cmocka_unit_test(what_is_not_repeatable_leaves_once),
        cmocka_unit_test(a_call_is_tried_again_when_that_can_help),
        cmocka_unit_test(a_call_is_not_tried_again_when_that_can_harm),
        cmocka_unit_test(a_long_retry_after_is_left_to_the_caller),
        cmocka_unit_test(a_stopped_worker_tries_no_more),
    };

    return cmocka_run_group_tests(tests, rude_start, rude_stop);
}
