/* How a line that a worker printed stands in its log. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log_format.h"

#define HEAD                                                                                  \
    "{\"timestamp\":\"1970-01-01T00:00:00Z\",\"type\":\"out\",\"process_id\":4,\"app_name\":" \
    "\"w\",\"message\":\""

static const struct log_style raw = { .app = "w" }, dated = { .date_format = "[t]", .app = "w" },
                              json = { .type = LOG_TYPE_JSON, .app = "w", .process_id = 4 };

/* clang-format off */
static const struct {
    const struct log_style *style;
    const char *bytes;
    size_t n;
    bool within;
    const char *want;
    bool ends_within;
} rows[] = {
    { &raw, "a\n\nb\n", 5, false, "a\n\nb\n", false },
    { &dated, "a\n\nb\n", 5, false, "t: a\nt: \nt: b\n", false },
    { &dated, "a\nb", 3, false, "t: a\nt: b", true },
    { &dated, "b\nc\n", 4, true, "b\nt: c\n", false },
    { &dated, "\n", 1, true, "\n", false },
    { &json, "a\n", 2, false, HEAD "a\"}\n", false },
    { &json, "a", 1, false, HEAD "a", true },
    { &json, "b\nc\n", 4, true, "b\"}\n" HEAD "c\"}\n", false },
    { &json, "\"\\\t\x1b\x7f\n", 6, false, HEAD "\\\"\\\\\\u0009\\u001b\\u007f\"}\n", false },
    { &json, "\xd0\xbf\xff\xd0\n", 5, false, HEAD "\xd0\xbf\\\\xff\\\\xd0\"}\n", false },
    { &json, "12345678\"2345678\n", 17, false, HEAD "12345678\\\"2345678\"}\n", false },
    { &json, "1234567\x80" "2345678\n", 16, false, HEAD "1234567\\\\x80" "2345678\"}\n", false },
};
/* clang-format on */

static void lines_get_what_stands_around_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_lines lines = { .bytes = rows[i].bytes,
                                   .n = rows[i].n,
                                   .within = rows[i].within };
        struct buf text;

        buf_init(&text, 4096);
        assert_int_equal(log_format(rows[i].style, &lines, INT64_MAX, &text), rows[i].n);
        assert_string_equal(text.p, rows[i].want);
        assert_int_equal(lines.within, rows[i].ends_within);
        buf_done(&text);
    }
}

static void every_byte_comes_out_again(void **state)
{
    char bytes[257];
    struct log_lines lines = { .bytes = bytes, .n = sizeof bytes };
    struct buf text;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i == 10 || i == 256 ? 'x' : i);
    bytes[256] = '\n';
    buf_init(&text, 4096);
    assert_int_equal(log_format(&raw, &lines, INT64_MAX, &text), sizeof bytes);
    assert_memory_equal(text.p, bytes, sizeof bytes);
    buf_done(&text);
}

/* clang-format off */
static const struct { int64_t room; bool at_least_one; int64_t taken; const char *want; } cuts[] = {
    { 15, false, 6, "t: a\nt: b\nt: c\n" },
    { 14, false, 4, "t: a\nt: b\n" },
    { 5, false, 2, "t: a\n" },
    { 4, false, 0, "" },
    { 4, true, 2, "t: a\n" },
    { 0, true, 2, "t: a\n" },
};
/* clang-format on */

static void stops_where_there_is_no_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct log_lines lines = { .bytes = "a\nb\nc\n",
                                   .n = 6,
                                   .at_least_one = cuts[i].at_least_one };
        struct buf text;

        buf_init(&text, 4096);
        assert_int_equal(log_format(&dated, &lines, cuts[i].room, &text), cuts[i].taken);
        assert_int_equal(text.len, strlen(cuts[i].want));
        assert_memory_equal(text.p, cuts[i].want, text.len);
        buf_done(&text);
    }
}

static void a_line_without_its_end_gets_one(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 64);
    assert_int_equal(log_format_end(&dated, &text), 0);
    assert_int_equal(log_format_end(&json, &text), 0);
    assert_string_equal(text.p, "\n\"}\n");
    buf_done(&text);
    assert_true(log_style_is_raw(&raw));
    assert_false(log_style_is_raw(&dated) || log_style_is_raw(&json));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_get_what_stands_around_them),
        cmocka_unit_test(every_byte_comes_out_again),
        cmocka_unit_test(stops_where_there_is_no_room),
        cmocka_unit_test(a_line_without_its_end_gets_one),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
