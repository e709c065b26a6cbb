/* Text for people: nothing steers the terminal, widths are right, folding loses nothing. */
#include "test.h"

#include <locale.h>
#include <string.h>

#include "opsctl_display.h"

static void makes_text_safe(void **state)
{
    static const struct {
        const char *text, *cell;
    } rows[] = {
        { "", "" },
        { "plain \\ \"quoted\"", "plain \\ \"quoted\"" },
        { "тест 灯 é e\xcc\x81", "тест 灯 é e\xcc\x81" },
        { "a\nb\tc\rd", "a\\nb\\tc\\rd" },
        { "\x1b[31m\x7f\x01", "\\x1b[31m\\x7f\\x01" },
        { "\xc2\x9b"
          "2J",
          "\\x9b2J" },
        { "\xff\xfe", "\\xff\\xfe" },
        { "\xd0", "\\xd0" },
        { "\xe2\x80\xae"
          "x",
          "\\u202ex" },
        { "\xe2\x80\xa8", "\\u2028" },
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_init(&b, 1000);
        assert_int_equal(display_add(&b, rows[i].text, strlen(rows[i].text), DISPLAY_CELL), 0);
        assert_string_equal(b.p ? b.p : "", rows[i].cell);
        buf_done(&b);
    }
    buf_init(&b, 1000);
    assert_int_equal(display_add(&b, "a\tb\0c", 5, DISPLAY_LINE), 0);
    assert_string_equal(b.p, "a\tb\\x00c");
    buf_done(&b);
}

static void measures_columns(void **state)
{
    (void)state;
    assert_int_equal(display_width("", 0), 0);
    assert_int_equal(display_width("тест", 8), 4);
    assert_int_equal(display_width("灯b", 4), 3);
    assert_int_equal(display_width("e\xcc\x81", 3), 1);
    assert_int_equal(display_width("abc", 2), 2);
}

static void folds_at_spaces_and_loses_nothing(void **state)
{
    static const struct {
        const char *text;
        size_t columns, head;
        const char *rest;
    } rows[] = {
        { "one two three", 8, 7, "three" },
        { "one two three", 7, 7, "three" },
        { "one two three", 6, 3, "two three" },
        { "one two three", 2, 2, "e two three" },
        { "one", 3, 3, "" },
        { "one   two", 4, 3, "two" },
        { "灯灯灯", 4, 6, "灯" },
        { "灯灯", 1, 3, "灯" },
        { "", 5, 0, "" },
        { " x", 1, 0, "x" },
    };
    const char *rest;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = display_fold(rows[i].text, rows[i].columns, &rest);

        if (n != rows[i].head || strcmp(rest, rows[i].rest) != 0)
            fail_msg("\"%s\" in %zu: %zu, \"%s\"", rows[i].text, rows[i].columns, n, rest);
    }
}

static void says_spans_and_sizes_in_few_characters(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } spans[] = { { -5, "0ms" },       { 0, "0ms" },          { 999, "999ms" },
                  { 1000, "1s" },      { 59999, "59s" },      { 60000, "1m" },
                  { 312000, "5m12s" }, { 3600000, "1h" },     { 10920000, "3h2m" },
                  { 86400000, "1d" },  { 187200000, "2d4h" }, { 86459000, "1d" } };
    static const struct {
        double bytes;
        const char *text;
    } sizes[] = {
        { 0, "0B" }, { 1023, "1023B" }, { 1024, "1.0K" }, { 13000000, "12.4M" }, { 5e15, "4547.5T" }
    };
    static const double tenths[] = { 0,     0.1, 0.25,    0.75,       1.25, 12.5, 99.9,
                                     99.96, 400, 4547.47, 1e13 + 0.5, 2e14, -1.25 };
    char text[DISPLAY_TEXT_MAX], wanted[DISPLAY_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof tenths / sizeof tenths[0]; i++) {
        (void)snprintf(wanted, sizeof wanted, "%.1f%%", tenths[i]);
        assert_string_equal(display_tenths(tenths[i], "%", text), wanted);
    }
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        assert_string_equal(display_span(spans[i].ms, text), spans[i].text);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_string_equal(display_bytes(sizes[i].bytes, text), sizes[i].text);
    assert_string_equal(display_span(INT64_MAX, text), "106751991167d7h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_text_safe),
        cmocka_unit_test(measures_columns),
        cmocka_unit_test(folds_at_spaces_and_loses_nothing),
        cmocka_unit_test(says_spans_and_sizes_in_few_characters),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests_name("opsctl_display", tests, NULL, NULL);
}
