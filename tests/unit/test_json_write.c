/* JSON as text: what is written can be read again and means the same; a writer that failed stays
 * so. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "json_write.h"
#include "own.h"

static void is_written(struct json_writer *w, const char *want)
{
    OWN(json) cJSON *read = NULL;

    assert_int_equal(w->error, 0);
    assert_string_equal(w->text.p, want);
    assert_int_equal(json_parse(w->text.p, w->text.len, &read, NULL), 0);
}

static void commas_stand_between_members_and_nowhere_else(void **state)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };

    (void)state;
    json_write_init(&w, 1000);
    json_write_open(&w, NULL, '{');
    json_write_open(&w, "empty", '{');
    json_write_close(&w, '}');
    json_write_open(&w, "list", '[');
    json_write_int(&w, NULL, 1);
    json_write_text(&w, NULL, "[");
    json_write_open(&w, NULL, '[');
    json_write_close(&w, ']');
    json_write_close(&w, ']');
    json_write_bool(&w, "yes", true);
    json_write_bool(&w, "no", false);
    json_write_null(&w, "nothing");
    json_write_close(&w, '}');
    is_written(&w,
               "{\"empty\":{},\"list\":[1,\"[\",[]],\"yes\":true,\"no\":false,\"nothing\":null}");
}

static void numbers_are_exact(void **state)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };

    (void)state;
    json_write_init(&w, 1000);
    json_write_open(&w, NULL, '[');
    json_write_int(&w, NULL, 0);
    json_write_int(&w, NULL, -7);
    json_write_int(&w, NULL, INT64_MAX);
    json_write_int(&w, NULL, INT64_MIN);
    json_write_tenths(&w, NULL, 0);
    json_write_tenths(&w, NULL, 5);
    json_write_tenths(&w, NULL, 120);
    json_write_tenths(&w, NULL, 1234);
    json_write_close(&w, ']');
    is_written(&w, "[0,-7,9223372036854775807,-9223372036854775808,0,0.5,12,123.4]");
}

static void text_is_escaped_and_always_utf8(void **state)
{
    static const char any[] = "a\"b\\c\n\r\t\b\f\x01\x1f\x7f \xd0\xbf \xff \xc3";
    OWN_JSON_WRITER struct json_writer w = { 0 };
    OWN(json) cJSON *read = NULL;

    (void)state;
    json_write_init(&w, 1000);
    json_write_open(&w, NULL, '[');
    json_write_text(&w, NULL, any);
    json_write_text(&w, NULL, "");
    json_write_text(&w, NULL, NULL);
    json_write_close(&w, ']');
    assert_int_equal(json_parse(w.text.p, w.text.len, &read, NULL), 0);
    assert_string_equal(cJSON_GetArrayItem(read, 0)->valuestring,
                        "a\"b\\c\n\r\t\b\f\x01\x1f\x7f \xd0\xbf \xef\xbf\xbd \xef\xbf\xbd");
    assert_string_equal(cJSON_GetArrayItem(read, 1)->valuestring, "");
    assert_true(cJSON_IsNull(cJSON_GetArrayItem(read, 2)));
}

static void a_tree_goes_in_and_text_comes_out_as_one(void **state)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };
    OWN(json) cJSON *tree = cJSON_CreateObject(), *taken = NULL;
    OWN(free) char *text = NULL;

    (void)state;
    assert_true(json_put_int(tree, "n", 1));
    json_write_init(&w, 1000);
    json_write_open(&w, NULL, '{');
    json_write_item(&w, "tree", tree);
    json_write_close(&w, '}');
    taken = cJSON_CreateArray();
    assert_true(cJSON_AddItemToArray(taken, json_write_take(&w)));
    text = cJSON_PrintUnformatted(taken);
    assert_string_equal(text, "[{\"tree\":{\"n\":1}}]");
    assert_int_equal(w.text.len, 0);
}

static void a_sparse_object_says_what_there_is(void **state)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };

    (void)state;
    json_write_init(&w, 1000);
    w.sparse = true;
    json_write_open(&w, NULL, '{');
    json_write_null(&w, "a");
    json_write_text(&w, "b", NULL);
    json_write_bool(&w, "c", false);
    json_write_bool(&w, "d", true);
    json_write_int(&w, "e", 0);
    json_write_open(&w, "f", '[');
    json_write_null(&w, NULL);
    json_write_bool(&w, NULL, false);
    json_write_close(&w, ']');
    json_write_close(&w, '}');
    is_written(&w, "{\"d\":true,\"e\":0,\"f\":[null,false]}");
}

static void a_failure_stays(void **state)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };

    (void)state;
    json_write_init(&w, 8);
    json_write_open(&w, NULL, '[');
    json_write_text(&w, NULL, "longer than that");
    json_write_close(&w, ']');
    assert_int_equal(w.error, -EMSGSIZE);
    assert_null(json_write_take(&w));

    json_write_init(&w, 100);
    json_write_item(&w, NULL, NULL);
    assert_int_equal(w.error, -ENOMEM);
    assert_null(json_write_take(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_members_and_nowhere_else),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(text_is_escaped_and_always_utf8),
        cmocka_unit_test(a_tree_goes_in_and_text_comes_out_as_one),
        cmocka_unit_test(a_sparse_object_says_what_there_is),
        cmocka_unit_test(a_failure_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
