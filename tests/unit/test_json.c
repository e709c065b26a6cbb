/* Strict JSON: what is refused, how numbers and ids are read, that builders make valid documents.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "text.h"

/* clang-format off */
static const char *const good[] = {
    "{}", "[]", " {\"a\":1} \n", "null", "\"text\"", "-1.5e3", "{\"a\":{\"b\":1},\"b\":{\"b\":2}}",
    "{\"\":1}", "{\"\\u0061\":1,\"A\":2}", "\"\xd0\xbf\"", "\"\\ud83d\\ude00\"", "[\"[[{{\",\"\\\"[\"]",
};

static const struct { const char *text; int want; const char *why; } bad[] = {
    { "", -EINVAL, "not valid JSON" },
    { " ", -EINVAL, "not valid JSON" },
    { "{} {}", -EINVAL, "not valid JSON" },
    { "{}x", -EINVAL, "not valid JSON" },
    { "{\"a\":}", -EINVAL, "not valid JSON" },
    { "{\"a\":1,}", -EINVAL, "not valid JSON" },
    { "[1", -EINVAL, "not valid JSON" },
    { "\"\\ud83d\"", -EINVAL, "not valid JSON" },
    { "'a'", -EINVAL, "not valid JSON" },
    { "\"\xff\"", -EINVAL, "not UTF-8" },
    { "\"\xed\xa0\x80\"", -EINVAL, "not UTF-8" },
    { "{\"a\":1,\"a\":1}", -EINVAL, "\"a\" is given twice" },
    { "[[{\"b\":0,\"a\":1,\"b\":2}]]", -EINVAL, "\"b\" is given twice" },
    { "{\"a\":1,\"\\u0061\":2}", -EINVAL, "\"a\" is given twice" },
};

static const struct { const char *text; int want; int64_t value; } ids[] = {
    { "{\"id\":0}", 0, 0 },
    { "{\"id\":-7}", 0, -7 },
    { "{\"id\":9007199254740992}", 0, 9007199254740992 },
    { "{\"id\":9007199254740994}", -EINVAL, 0 },
    { "{\"id\":1.5}", -EINVAL, 0 },
    { "{\"id\":1e3}", 0, 1000 },
    { "{\"id\":1e999}", -EINVAL, 0 },
    { "{\"id\":\"9223372036854775807\"}", 0, INT64_MAX },
    { "{\"id\":\"9223372036854775808\"}", -EINVAL, 0 },
    { "{\"id\":\"7 \"}", -EINVAL, 0 },
    { "{\"id\":\"\"}", -EINVAL, 0 },
    { "{\"id\":true}", -ENOENT, 0 },
    { "{\"id\":null}", -ENOENT, 0 },
    { "{\"ID\":1}", -ENOENT, 0 },
    { "[1]", -ENOENT, 0 },
};
/* clang-format on */

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;

    assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static void one_document_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OWN(json) cJSON *json = NULL;
        struct err why = { "" };

        if (json_parse(good[i], strlen(good[i]), &json, &why) != 0)
            fail_msg("%s: %s", good[i], why.text);
        assert_non_null(json);
    }
}

static void anything_else_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cJSON *json = NULL;
        struct err why = { "" };

        if (json_parse(bad[i].text, strlen(bad[i].text), &json, &why) != bad[i].want ||
            !strstr(why.text, bad[i].why) || json)
            fail_msg("%s: %s", bad[i].text, why.text);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    cJSON *json = NULL;

    (void)state;
    assert_int_equal(json_parse("{}\0{}", 5, &json, NULL), -EINVAL);
    assert_int_equal(json_parse("\0", 1, &json, NULL), -EINVAL);
    assert_null(json);
}

static void nul_is_taken_out_of_strings_and_nothing_else_is(void **state)
{
    static const struct {
        const char *given, *wanted;
    } rows[] = {
        { "{\"a\\u0000\": \"\\u0000b\\u0000\\u0000\"}", "{\"a\": \"b\"}" },
        { "\"\\\\u0000 \\\"\\u0000 \\u00001 \\u0001\"", "\"\\\\u0000 \\\" 1 \\u0001\"" },
        { "[]", "[]" },
        { "", "" },
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)snprintf(text, sizeof text, "%s", rows[i].given);
        assert_int_equal(json_strip_nul(text, strlen(text)), strlen(rows[i].wanted));
        assert_string_equal(text, rows[i].wanted);
    }
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++)
        for (int object = 0; object < 2; object++) {
            const char *open = object ? "{\"a\":" : "[", *close = object ? "}" : "]";
            OWN_BUF struct buf text = { 0 };
            OWN(json) cJSON *json = NULL;

            buf_init(&text, 1000);
            for (int i = 0; i < depth; i++)
                (void)buf_add_text(&text, open);
            (void)buf_add_text(&text, "0");
            for (int i = 0; i < depth; i++)
                (void)buf_add_text(&text, close);
            assert_int_equal(json_parse(text.p, text.len, &json, NULL),
                             depth > JSON_DEPTH_MAX ? -EMSGSIZE : 0);
        }
}

static void many_keys_take_no_quadratic_time(void **state)
{
    OWN_BUF struct buf text = { 0 };
    OWN(json) cJSON *json = NULL;

    (void)state;
    buf_init(&text, 16 << 20);
    (void)buf_add_text(&text, "{");
    for (int i = 0; i < 100000; i++)
        (void)buf_printf(&text, "%s\"k%d\":0", i ? "," : "", i);
    (void)buf_add_text(&text, "}");
    assert_int_equal(json_parse(text.p, text.len, &json, NULL), 0);
}

static void ids_keep_all_their_digits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        OWN(json) cJSON *json = parse(ids[i].text);
        int64_t value = 77;
        int r = json_get_id(json, "id", &value);

        if (r != ids[i].want || value != (r == 0 ? ids[i].value : 77))
            fail_msg("%s: %d, %lld", ids[i].text, r, (long long)value);
    }
}

static void members_are_found_by_exact_name_and_type(void **state)
{
    OWN(json)
    cJSON *json = parse(
        "{\"t\":\"x\",\"n\":1,\"b\":true,\"amount\":{\"value\":\"12.50\",\"n\":1}}");

    (void)state;
    assert_string_equal(json_get_text(json, "t"), "x");
    assert_null(json_get_text(json, "T"));
    assert_null(json_get_text(json, "n"));
    assert_null(json_get_text(json, "missing"));
    assert_null(json_get(NULL, "t"));
    assert_true(json_get_bool(json, "b"));
    assert_false(json_get_bool(json, "n"));
    assert_string_equal(json_path_text(json, "amount.value"), "12.50");
    assert_string_equal(json_path_text(json, "t"), "x");
    assert_null(json_path_text(json, "amount.n"));
    assert_null(json_path_text(json, "amount.value.more"));
    assert_null(json_path_text(json, "missing.value"));
}

static void what_is_built_is_valid_whatever_goes_in(void **state)
{
    static const char cut[] = "\xd0\xbf\xd1";
    OWN(json) cJSON *object = cJSON_CreateObject();
    OWN(json) cJSON *read = NULL;
    OWN(free) char *text = NULL;

    (void)state;
    assert_true(json_put_text(object, "text", "\xd0\xbf"));
    assert_true(json_put_text(object, "cut", cut));
    assert_true(json_put_text(object, "null", NULL));
    assert_true(json_put_int(object, "int", 9007199254740992));
    assert_true(json_put_bool(object, "bool", true));
    assert_false(json_put(object, "none", NULL));
    assert_false(json_put_text(NULL, "lost", "text"));
    text = cJSON_PrintUnformatted(object);
    assert_int_equal(json_parse(text, strlen(text), &read, NULL), 0);
    assert_string_equal(json_get_text(read, "text"), "\xd0\xbf");
    assert_string_equal(json_get_text(read, "cut"), "\xd0\xbf\xef\xbf\xbd");
    assert_true(cJSON_IsNull(json_get(read, "null")));
}

static void any_bytes_become_a_text(void **state)
{
    OWN(json) cJSON *text = json_lossy_text("a\0\xff\xd0\xbf", 5);
    OWN(json) cJSON *empty = json_lossy_text("", 0);

    (void)state;
    assert_string_equal(cJSON_GetStringValue(text), "a\xef\xbf\xbd\xef\xbf\xbd\xd0\xbf");
    assert_string_equal(cJSON_GetStringValue(empty), "");
}

/* Few members are compared in another way than many. */
static void a_repeated_key_is_found_wherever_it_stands(void **state)
{
    OWN_BUF struct buf text = { 0 };
    cJSON *json = NULL;

    (void)state;
    for (int n = 1; n < 70; n++) {
        buf_init(&text, 4096);
        for (int i = 0; i < n; i++)
            assert_int_equal(buf_printf(&text, "%c\"k%d\":0", i ? ',' : '{', i), 0);
        assert_int_equal(buf_printf(&text, ",\"k%d\":0}", n / 2), 0);
        assert_int_equal(json_parse(text.p, text.len, &json, NULL), -EINVAL);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_document_is_read),
        cmocka_unit_test(anything_else_is_refused_with_its_reason),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(nul_is_taken_out_of_strings_and_nothing_else_is),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(many_keys_take_no_quadratic_time),
        cmocka_unit_test(ids_keep_all_their_digits),
        cmocka_unit_test(members_are_found_by_exact_name_and_type),
        cmocka_unit_test(what_is_built_is_valid_whatever_goes_in),
        cmocka_unit_test(any_bytes_become_a_text),
        cmocka_unit_test(a_repeated_key_is_found_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
