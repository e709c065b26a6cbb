/* The wire: requests as they come from anybody, and the lines that go back. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "wire.h"

enum { DEEP = 64 };

/* clang-format off */
static const struct {
    const char *line;
    int want;         /* 0 or the wire_error */
    const char *id;   /* as JSON; NULL: none */
    const char *method, *params;
} rows[] = {
    /* requests */
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", 0, "1", "ping", "{}" },
    { "{\"method\":\"stop\",\"params\":{\"names\":[\"a\"]},\"id\":\"x\",\"jsonrpc\":\"2.0\"}", 0, "\"x\"", "stop", "{\"names\":[\"a\"]}" },
    { "  {\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\",\"more\":1} \t", 0, "null", "ping", "{}" },
    { "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}", 0, NULL, "ping", "{}" },
    { "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"\"}", 0, "1.5", "", "{}" },
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"0123456789012345678901234567890\"}", 0, "1", "0123456789012345678901234567890", "{}" },
    /* no JSON */
    { "", WIRE_PARSE, NULL, NULL, NULL },
    { "ping", WIRE_PARSE, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", WIRE_PARSE, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}", WIRE_PARSE, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", WIRE_PARSE, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", WIRE_PARSE, NULL, NULL, NULL },
    /* no request */
    { "1", WIRE_INVALID, NULL, NULL, NULL },
    { "null", WIRE_INVALID, NULL, NULL, NULL },
    { "[]", WIRE_INVALID, NULL, NULL, NULL },
    { "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", WIRE_INVALID, NULL, NULL, NULL },
    { "{}", WIRE_INVALID, NULL, NULL, NULL },
    { "{\"id\":1,\"method\":\"ping\"}", WIRE_INVALID, "1", NULL, NULL },
    { "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", WIRE_INVALID, "1", NULL, NULL },
    { "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", WIRE_INVALID, "1", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", WIRE_INVALID, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}", WIRE_INVALID, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", WIRE_INVALID, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"ping\"}", WIRE_INVALID, NULL, NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7}", WIRE_INVALID, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"Method\":\"ping\"}", WIRE_INVALID, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":3}", WIRE_INVALID, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":3}", WIRE_INVALID, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":null}", WIRE_INVALID, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":[1]}", WIRE_BAD_PARAMS, "7", NULL, NULL },
    { "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"01234567890123456789012345678901\"}", WIRE_NO_METHOD, "7", NULL, NULL },
};
/* clang-format on */

static void assert_json(const cJSON *json, const char *want)
{
    OWN(free) char *text = NULL;

    if (!want) {
        assert_null(json);
        return;
    }
    text = cJSON_PrintUnformatted(json);
    assert_non_null(text);
    assert_string_equal(text, want);
}

/* The line lies in memory that ends with it, so that the sanitizer sees a read past its end. */
static int parse_exactly(const char *line, size_t n, struct wire_request *ret, const char **ret_why)
{
    OWN(free) char *copy = malloc(n ? n : 1);

    assert_non_null(copy);
    memcpy(copy, line, n);
    return wire_parse(copy, n, ret, ret_why);
}

static void reads_requests_and_refuses_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wire_request request;
        const char *why = NULL;
        int r = parse_exactly(rows[i].line, strlen(rows[i].line), &request, &why);

        if (r != rows[i].want)
            fail_msg("%s: want %d, got %d (%s)", rows[i].line, rows[i].want, r, why);
        assert_json(request.id, rows[i].id);
        if (r == 0) {
            assert_string_equal(request.method, rows[i].method);
            assert_json(request.params, rows[i].params);
        } else {
            assert_non_null(why);
        }
        wire_request_done(&request);
    }
}

static void refuses_a_zero_byte_and_too_much_depth(void **state)
{
    static const char zero[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\0";
    char deep[2 * DEEP];
    struct wire_request request;
    const char *why = NULL;

    (void)state;
    assert_int_equal(parse_exactly(zero, sizeof zero - 1, &request, &why), WIRE_PARSE);
    wire_request_done(&request);
    memset(deep, '[', DEEP);
    memset(deep + DEEP, ']', DEEP);
    assert_int_equal(parse_exactly(deep, sizeof deep, &request, &why), WIRE_PARSE);
    assert_non_null(strstr(why, "deep"));
    wire_request_done(&request);
}

static void the_id_outlives_the_line(void **state)
{
    char line[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"abc\",\"method\":\"ping\",\"params\":{\"a\":\"b\"}}";
    struct wire_request request;
    const char *why;

    (void)state;
    assert_int_equal(wire_parse(line, strlen(line), &request, &why), 0);
    memset(line, 'x', sizeof line);
    assert_string_equal(request.id->valuestring, "abc");
    assert_string_equal(json_get_text(request.params, "a"), "b");
    wire_request_done(&request);
    wire_request_done(&request); /* an empty one is fine */
}

static cJSON *object(const char *name, const char *text)
{
    cJSON *made = cJSON_CreateObject();

    assert_non_null(made);
    assert_true(json_put_text(made, name, text));
    return made;
}

static void assert_line(char *line, const char *want)
{
    assert_non_null(line);
    assert_string_equal(line, want);
    free(line);
}

static void writes_one_line_each(void **state)
{
    OWN(json) cJSON *id = cJSON_CreateString("x\n");

    (void)state;
    assert_line(wire_result(id, object("a", "one\ntwo")),
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\\n\",\"result\":{\"a\":\"one\\ntwo\"}}\n");
    assert_line(wire_result(NULL, cJSON_CreateTrue()),
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":true}\n");
    assert_line(wire_failure(id, WIRE_NO_WORKER, "no worker", NULL),
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\\n\",\"error\":{\"code\":-32004,"
                "\"message\":\"no worker\"}}\n");
    assert_line(wire_failure(NULL, WIRE_FAILED, "no", object("a", "b")),
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"no\","
                "\"data\":{\"a\":\"b\"}}}\n");
    assert_line(wire_notification("log", object("line", "x")),
                "{\"jsonrpc\":\"2.0\",\"method\":\"log\",\"params\":{\"line\":\"x\"}}\n");
}

static void what_could_not_be_built_is_no_line(void **state)
{
    (void)state;
    assert_null(wire_result(NULL, NULL));
    assert_null(wire_notification("log", NULL));
}

/* --- memory runs out at every allocation in turn; the sanitizer's leak check does the rest */

static long allocations_left;

static void *scarce(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void survives_every_failing_allocation(void **state)
{
    static const char line[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"stop\",\"params\":{\"names\":[\"a\"]}}";
    cJSON_Hooks hooks = { .malloc_fn = scarce, .free_fn = free };
    long n = 0;
    char *answer;

    (void)state;
    do {
        struct wire_request request;
        const char *why = NULL;
        cJSON *data = object("a", "b");

        cJSON_InitHooks(&hooks);
        allocations_left = n++;
        answer = NULL;
        if (wire_parse(line, sizeof line - 1, &request, &why) == 0)
            answer = wire_failure(request.id, WIRE_FAILED, "no", data);
        else
            cJSON_Delete(data);
        wire_request_done(&request);
        cJSON_InitHooks(NULL);
        free(answer);
    } while (!answer && n < 1000);
    assert_in_range(n, 10, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_requests_and_refuses_the_rest),
        cmocka_unit_test(refuses_a_zero_byte_and_too_much_depth),
        cmocka_unit_test(the_id_outlives_the_line),
        cmocka_unit_test(writes_one_line_each),
        cmocka_unit_test(what_could_not_be_built_is_no_line),
        cmocka_unit_test(survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
