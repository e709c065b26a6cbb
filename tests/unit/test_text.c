/* Questions about text: what is UTF-8, what is a number, what was meant, how it is shown. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* clang-format off */
/* RFC 3629, section 3 and 4; "Markus Kuhn's" corners. */
static const struct { const char *bytes; size_t n, want; } sequences[] = {
    { "", 0, 0 },                     { "a", 1, 1 },
    { "\0", 1, 1 },                   { "\x7f", 1, 1 },
    { "\x80", 1, 0 },                 { "\xbf", 1, 0 },
    { "\xc0\x80", 2, 0 },             { "\xc1\xbf", 2, 0 },
    { "\xc2\x80", 2, 2 },             { "\xdf\xbf", 2, 2 },
    { "\xd0", 1, 0 },                 { "\xd0" "A", 2, 0 },
    { "\xe0\x9f\xbf", 3, 0 },         { "\xe0\xa0\x80", 3, 3 },
    { "\xed\x9f\xbf", 3, 3 },         { "\xed\xa0\x80", 3, 0 },
    { "\xed\xbf\xbf", 3, 0 },         { "\xee\x80\x80", 3, 3 },
    { "\xef\xbf\xbf", 3, 3 },         { "\xe2\x82", 2, 0 },
    { "\xe2\x28\xa1", 3, 0 },         { "\xe2\x82\x28", 3, 0 },
    { "\xf0\x8f\xbf\xbf", 4, 0 },     { "\xf0\x90\x80\x80", 4, 4 },
    { "\xf4\x8f\xbf\xbf", 4, 4 },     { "\xf4\x90\x80\x80", 4, 0 },
    { "\xf5\x80\x80\x80", 4, 0 },     { "\xf0\x9f\x98", 3, 0 },
    { "\xf8\x88\x80\x80\x80", 5, 0 }, { "\xff", 1, 0 },
};

static const struct { const char *text; int64_t least, most; int want; int64_t value; } numbers[] = {
    { "0", 0, 10, 0, 0 },                 { "10", 0, 10, 0, 10 },
    { "11", 0, 10, -ERANGE, 0 },          { "-1", 0, 10, -ERANGE, 0 },
    { "-1", -1, 10, 0, -1 },              { "-0", 0, 0, 0, 0 },
    { "007", 0, 10, 0, 7 },               { "", 0, 10, -EINVAL, 0 },
    { "-", 0, 10, -EINVAL, 0 },           { "--1", -9, 10, -EINVAL, 0 },
    { "+1", 0, 10, -EINVAL, 0 },          { " 1", 0, 10, -EINVAL, 0 },
    { "1 ", 0, 10, -EINVAL, 0 },          { "1.0", 0, 10, -EINVAL, 0 },
    { "0x1", 0, 10, -EINVAL, 0 },         { "1e1", 0, 10, -EINVAL, 0 },
    { "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX },
    { "-9223372036854775808", INT64_MIN, 0, 0, INT64_MIN },
    { "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
    { "99999999999999999999999999", INT64_MIN, INT64_MAX, -ERANGE, 0 },
};

static const struct { const char *bytes; size_t n; const char *want; } escapes[] = {
    { "plain", 5, "plain" },
    { "", 0, "\"\"" },
    { "two words", 9, "\"two words\"" },
    { "a=b", 3, "\"a=b\"" },
    { "say \"hi\"", 8, "\"say \\\"hi\\\"\"" },
    { "back\\slash", 10, "back\\\\slash" },
    { "line\nend\r\t", 10, "line\\nend\\r\\t" },
    { "a\0b", 3, "a\\x00b" },
    { "\x1b[31m", 5, "\\x1b[31m" },
    { "\x7f", 1, "\\x7f" },
    { "\xff\xfe", 2, "\\xff\\xfe" },
    { "\xc2\x9b" "31m", 5, "\\xc2\\x9b31m" },
    { "\xc2\xa0", 2, "\xc2\xa0" },
    { "\xd0\xbf\xd1\x80", 4, "\xd0\xbf\xd1\x80" },
    { "\xd0\xbf\xd1", 3, "\xd0\xbf\\xd1" },
};

static const struct { const char *text, *want; } ends[] = {
    { "", "" },                           { "a", "a" },
    { "a\xd0\xbf", "a\xd0\xbf" },         { "a\xd0", "a" },
    { "\xd0", "" },                       { "a\xe2\x82\xac", "a\xe2\x82\xac" },
    { "a\xe2\x82", "a" },                 { "a\xe2", "a" },
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
    { "a\xf0\x9f\x98", "a" },             { "a\xf0\x9f", "a" },
    { "\x80", "\x80" },
};

static const char *const words[] = { "restart", "start", "stop", "stat", NULL, "describe" };

static const struct { const char *word, *want; } near[] = {
    { "restrat", "restart" },  { "star", "start" },         { "stp", "stop" },
    { "stop", "stop" },        { "discribe", "describe" },  { "x", NULL },
    { "bananas", NULL },       { "", NULL },                { "sotp", "stop" },
    { "edscribe", "describe" },
};
/* clang-format on */

static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        size_t got = text_utf8_length(sequences[i].bytes, sequences[i].n);

        if (got != sequences[i].want)
            fail_msg("row %zu: %zu, want %zu", i, got, sequences[i].want);
        assert_int_equal(text_is_utf8(sequences[i].bytes, sequences[i].n),
                         sequences[i].n == sequences[i].want);
    }
    assert_true(text_is_utf8("a\xd0\xbf\0z", 5));
    assert_false(text_is_utf8("a\xd0\xbf\xd0", 4));
}

static void a_text_that_was_cut_ends_with_a_character(void **state)
{
    char text[8];

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(text, sizeof text, "%s", ends[i].text);
        text_end_whole(text);
        assert_string_equal(text, ends[i].want);
    }
}

static void numbers_fill_the_text_and_the_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value = 77;
        int r = text_to_int(numbers[i].text, numbers[i].least, numbers[i].most, &value);

        if (r != numbers[i].want || value != (r == 0 ? numbers[i].value : 77))
            fail_msg("\"%s\": %d, %lld", numbers[i].text, r, (long long)value);
    }
}

static void numbers_are_put_as_they_are_read(void **state)
{
    static const int64_t many[] = { 0, 7, -1, 10, 4294967296, INT64_MAX, INT64_MIN, -90 };

    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        char text[TEXT_INT_MAX + 2], *end;
        int64_t got;

        memset(text, '#', sizeof text);
        end = text_put_int(text, many[i]);
        assert_true(end <= text + TEXT_INT_MAX);
        assert_int_equal(*end, '#');
        *end = '\0';
        assert_int_equal(text_to_int(text, INT64_MIN, INT64_MAX, &got), 0);
        assert_true(got == many[i]);
    }
}

static void one_event_stays_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        OWN_BUF struct buf b = { 0 };

        buf_init(&b, 100);
        assert_int_equal(text_add_escaped(&b, escapes[i].bytes, escapes[i].n), 0);
        assert_string_equal(b.p, escapes[i].want);
    }
}

static void escaping_keeps_to_the_buffers_limit(void **state)
{
    (void)state;
    for (size_t max = 0; max < 14; max++) {
        OWN_BUF struct buf b = { 0 };

        buf_init(&b, max);
        assert_int_equal(text_add_escaped(&b, "a \x01\n\"", 5), max < 12 ? -EMSGSIZE : 0);
    }
}

static void no_byte_can_steer_a_terminal(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char bytes[] = { 'x', (char)c, 'y' };
        OWN_BUF struct buf b = { 0 };

        buf_init(&b, 100);
        assert_int_equal(text_add_escaped(&b, bytes, 3), 0);
        assert_true(text_is_utf8(b.p, b.len));
        for (size_t i = 0; i < b.len; i++)
            assert_true((unsigned char)b.p[i] >= ' ' && b.p[i] != 0x7f);
    }
}

static void the_nearest_word_is_near(void **state)
{
    char long_word[500];

    (void)state;
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        const char *got = text_nearest(near[i].word, words, sizeof words / sizeof *words);

        if ((got == NULL) != (near[i].want == NULL) || (got && strcmp(got, near[i].want) != 0))
            fail_msg("\"%s\": %s, want %s", near[i].word, got, near[i].want);
    }
    assert_null(text_nearest("stop", words, 0));
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(text_nearest(long_word, words, 6));
    assert_null(text_nearest("stop", (const char *const[]){ long_word }, 1));
}

static void bytes_are_put_as_hexadecimal_digits(void **state)
{
    char text[] = "xxxxxxxxx";

    (void)state;
    assert_ptr_equal(text_put_hex(text, (const unsigned char *)"\x00\x9f\xff", 3), text + 6);
    assert_memory_equal(text, "009fff\0xx", 10);
    assert_ptr_equal(text_put_hex(text, (const unsigned char *)"", 0), text);
    assert_string_equal(text, "");
}

/* The reference vectors of its authors (draft-eastlake-fnv, appendix C). */
static void hashes_are_those_of_fnv(void **state)
{
    (void)state;
    assert_int_equal(text_hash("", 0), 0xcbf29ce484222325);
    assert_int_equal(text_hash("a", 0), 0xaf63dc4c8601ec8c);
    assert_int_equal(text_hash("foobar", 0), 0x85944171f73967e8);
    assert_int_equal(text_hash("", 1), 0xcbf29ce484222326);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(a_text_that_was_cut_ends_with_a_character),
        cmocka_unit_test(numbers_fill_the_text_and_the_range),
        cmocka_unit_test(numbers_are_put_as_they_are_read),
        cmocka_unit_test(one_event_stays_one_line),
        cmocka_unit_test(escaping_keeps_to_the_buffers_limit),
        cmocka_unit_test(no_byte_can_steer_a_terminal),
        cmocka_unit_test(the_nearest_word_is_near),
        cmocka_unit_test(bytes_are_put_as_hexadecimal_digits),
        cmocka_unit_test(hashes_are_those_of_fnv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
