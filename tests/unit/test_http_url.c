/* Which URLs are allowed, how queries are written, when a request is tried again. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "http.h"
#include "http_retry.h"
#include "limits.h"

/* clang-format off */
static const char *const allowed[] = {
    "https://api.yookassa.ru/v3",
    "HTTPS://api.vendista.ru:99/x?y=z",
    "https://127.0.0.1.evil.com/",
    "http://127.0.0.1:8080/v3",
    "http://127.255.255.254/",
    "http://localhost:1/",
    "http://LOCALHOST/",
    "http://[::1]:8080/",
    "http://[0:0:0:0:0:0:0:1]/",
    /* libcurl and the judge agree on what this number is. */
    "http://2130706433/",
};

static const struct refusal {
    const char *url, *why;
} refused[] = {
    { "http://example.com/",               "use https for example.com" },
    { "http://127.0.0.1@evil.com/",        "user or a password" },
    { "http://127.0.0.1:80@evil.com/",     "user or a password" },
    { "https://user:hunter2@example.com/", "user or a password" },
    { "http://@127.0.0.1/",                "user or a password" },
    { "http://127.0.0.1.evil.com/",        "loopback" },
    { "http://localhost.evil.com/",        "loopback" },
    { "http://evil.com#@127.0.0.1/",       "loopback" },
    { "http://evil.com?@127.0.0.1/",       "loopback" },
    { "http://evil.com\\@127.0.0.1/",      "" },
    { "http://128.0.0.1/",                 "loopback" },
    { "http://0.0.0.0/",                   "loopback" },
    { "http://[::]/",                      "loopback" },
    { "http://[::ffff:127.0.0.1]/",        "loopback" },
    { "http://localhost./",                "loopback" },
    { "ftp://127.0.0.1/",                  "not https" },
    { "file:///etc/passwd",                "" },
    { "127.0.0.1:8080/v3",                 "" },
    { "",                                  "" },
    { "https://",                          "" },
    { "https://exa mple.com/",             "" },
    { "https://example.com/\r\nX: y",      "" },
    { "https://example.com:99999/",        "" },
};
/* clang-format on */

static void https_and_http_to_loopback_are_allowed(void **state)
{
    struct err error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (http_check_url(allowed[i], &error) != 0)
            fail_msg("%s: %s", allowed[i], error.text);
}

static void other_urls_are_refused(void **state)
{
    struct err error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (http_check_url(refused[i].url, &error) != -EINVAL)
            fail_msg("%s was allowed", refused[i].url);
        if (!strstr(error.text, refused[i].why))
            fail_msg("%s: want \"%s\", got \"%s\"", refused[i].url, refused[i].why, error.text);
        assert_null(strstr(error.text, "hunter2"));
    }
}

static void a_very_long_url_is_refused(void **state)
{
    char url[HTTP_URL_MAX + 2] = "https://example.com/";
    struct err error;
    size_t start = strlen(url);

    (void)state;
    memset(url + start, 'a', sizeof url - 1 - start);
    assert_int_equal(http_check_url(url, &error), -EINVAL);
    url[HTTP_URL_MAX] = '\0';
    assert_int_equal(http_check_url(url, &error), 0);
}

static void queries_are_percent_encoded(void **state)
{
    /* clang-format off */
    static const struct { const char *before, *name, *value, *want; } rows[] = {
        { "/p",     "a", "b",                    "/p?a=b" },
        { "/p?a=b", "c", "d",                    "/p?a=b&c=d" },
        { "/p",     "created_at.gte", "2024-03-06T10:00:00Z",
          "/p?created_at.gte=2024-03-06T10%3A00%3A00Z" },
        { "/p",     "a&b", "=?#/ +%~",           "/p?a%26b=%3D%3F%23%2F%20%2B%25~" },
        { "/p",     "n", "\xd0\x9f",             "/p?n=%D0%9F" },
        { "/p",     "n", "",                     "/p?n=" },
        { "",       "n", "v",                    "?n=v" },
    };
    /* clang-format on */
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN_BUF struct buf url = { 0 };

        buf_init(&url, 1000);
        assert_int_equal(buf_add_text(&url, rows[i].before), 0);
        assert_int_equal(http_add_query(&url, rows[i].name, rows[i].value), 0);
        assert_string_equal(url.p, rows[i].want);
    }
}

static void a_query_that_does_not_fit_leaves_the_url_alone(void **state)
{
    size_t room;

    (void)state;
    for (room = 0; room < strlen("?name=a%20b"); room++) {
        OWN_BUF struct buf url = { 0 };

        buf_init(&url, strlen("/path") + room);
        assert_int_equal(buf_add_text(&url, "/path"), 0);
        assert_int_equal(http_add_query(&url, "name", "a b"), -EMSGSIZE);
        assert_string_equal(url.p, "/path");
        assert_int_equal(url.len, strlen("/path"));
    }
}

static void only_no_answer_429_and_5xx_are_tried_again(void **state)
{
    static const int again[] = { 0, 429, 500, 502, 503, 504, 599 };
    static const int final[] = { 200, 202, 204, 301, 400, 401, 403, 404, 409, 422 };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof again / sizeof *again; i++)
        assert_false(http_status_is_final(again[i]));
    for (i = 0; i < sizeof final / sizeof *final; i++)
        assert_true(http_status_is_final(final[i]));
}

static void the_delay_doubles_and_is_spread_over_its_upper_half(void **state)
{
    int64_t most = HTTP_RETRY_FIRST_MS, delay;
    int tries;
    uint32_t random;

    (void)state;
    for (tries = 1; tries < HTTP_TRIES_MAX; tries++) {
        assert_int_equal(http_retry_delay(tries, 0, 0), most);
        assert_int_equal(http_retry_delay(tries, 0, (uint32_t)(most / 2)), most - most / 2);
        for (random = 1; random < 1u << 31; random = random * 3 + 1) {
            delay = http_retry_delay(tries, 0, random);
            assert_in_range(delay, most / 2, most);
        }
        most = 2 * most < HTTP_RETRY_MOST_MS ? 2 * most : HTTP_RETRY_MOST_MS;
    }
    assert_int_equal(http_retry_delay(HTTP_TRIES_MAX, 0, 0), -1);
}

static void retry_after_is_obeyed_up_to_its_limit(void **state)
{
    (void)state;
    assert_int_equal(http_retry_delay(1, 7000, 12345), 7000);
    assert_int_equal(http_retry_delay(1, HTTP_RETRY_AFTER_MOST_MS, 0), HTTP_RETRY_AFTER_MOST_MS);
    assert_int_equal(http_retry_delay(1, HTTP_RETRY_AFTER_MOST_MS + 1, 0), -1);
    assert_int_equal(http_retry_delay(1, INT64_MAX, 0), -1);
    assert_int_equal(http_retry_delay(HTTP_TRIES_MAX, 7000, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_and_http_to_loopback_are_allowed),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(a_very_long_url_is_refused),
        cmocka_unit_test(queries_are_percent_encoded),
        cmocka_unit_test(a_query_that_does_not_fit_leaves_the_url_alone),
        cmocka_unit_test(only_no_answer_429_and_5xx_are_tried_again),
        cmocka_unit_test(the_delay_doubles_and_is_spread_over_its_upper_half),
        cmocka_unit_test(retry_after_is_obeyed_up_to_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
