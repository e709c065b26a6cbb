/* Lengths as Telegram counts them, and division that leaves lines, tags and entities whole. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "telegram_text.h"

static void lengths_are_counted_as_telegram_does(void **state)
{
    /* clang-format off */
    static const struct {
        const char *text;
        bool html;
        size_t want;
    } rows[] = {
        { "",                                0, 0 },
        { "abc",                             0, 3 },
        { "\xd0\x9f\xd1\x80\xd0\xbe",        0, 3 },
        { "\xf0\x9f\x98\x80",                0, 1 },
        { "<b>abc</b>",                      0, 10 },
        { "<b>abc</b>",                      1, 3 },
        { "<a href=\"http://x/?a=1\">a</a>", 1, 1 },
        { "&lt;&amp;&#128512;&#x1f600;",     1, 4 },
        { "a & b &c; &;",                    1, 10 },
        { "1 < 2",                           1, 5 },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (telegram_text_length(rows[i].text, rows[i].html) != rows[i].want)
            fail_msg("%s: %zu", rows[i].text, telegram_text_length(rows[i].text, rows[i].html));
}

/* Parts one after the other with a bar between. */
static int collect(void *context, const char *part, size_t n)
{
    struct buf *all = context;

    assert_int_equal(strlen(part), n);
    return buf_printf(all, "%s%s", all->len ? "|" : "", part);
}

static void parts_are_whole_html(void **state)
{
    /* clang-format off */
    static const struct {
        const char *html;
        size_t max;
        const char *want;
    } rows[] = {
        { "",                               5, "" },
        { "abc",                            5, "abc" },
        { "abcde",                          5, "abcde" },
        { "abcdef",                         5, "abcde|f" },
        { "ab cd ef",                       5, "ab cd|ef" },
        { "ab\ncd ef gh",                   8, "ab|cd ef gh" },
        { "ab\ncd\nef",                     5, "ab\ncd|ef" },
        { "a\n<b>bc\nde</b>",               5, "a|<b>bc\nde</b>" },
        { "<b>ab\ncd\nef</b>",              5, "<b>ab\ncd</b>|<b>ef</b>" },
        { "<b>abc<i>defg</i></b>",          5, "<b>abc<i>de</i></b>|<b><i>fg</i></b>" },
        { "<a href=\"x\">abcdef</a>",       4, "<a href=\"x\">abcd</a>|<a href=\"x\">ef</a>" },
        { "ab&amp;cd",                      3, "ab&amp;|cd" },
        { "ab&amp;cd",                      2, "ab|&amp;c|d" },
        { "\xd0\x9f\xd1\x80\xd0\xbe",       2, "\xd0\x9f\xd1\x80|\xd0\xbe" },
        { "<b>ab</b>c",                     2, "<b>ab</b>|c" },
    };
    /* clang-format on */
    struct err why;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN_BUF struct buf all = { 0 };

        buf_init(&all, 1000);
        (void)buf_add_text(&all, "");
        assert_int_equal(telegram_split(rows[i].html, rows[i].max, collect, &all, &why), 0);
        if (strcmp(all.p, rows[i].want) != 0)
            fail_msg("%s by %zu: %s", rows[i].html, rows[i].max, all.p);
    }
}

static int check_part(void *context, const char *part, size_t n)
{
    size_t *left = context;

    assert_true(n > 0);
    assert_true(telegram_text_length(part, true) <= TELEGRAM_TEXT_MAX);
    *left -= telegram_text_length(part, true);
    return 0;
}

static void a_long_text_loses_nothing_but_the_line_ends_at_the_cuts(void **state)
{
    OWN_BUF struct buf text = { 0 };
    struct err why;
    size_t left;

    (void)state;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_printf(&text, "<b>%d</b> &lt;\xd0\x9f&gt;\n", i), 0);
    left = telegram_text_length(text.p, true);
    assert_int_equal(telegram_split(text.p, TELEGRAM_TEXT_MAX, check_part, &left, &why), 0);
    /* One line end for each cut. */
    assert_true(left >= 6 && left <= 9);
}

static void wrong_nesting_is_refused(void **state)
{
    OWN_BUF struct buf all = { 0 };
    struct err why;

    (void)state;
    buf_init(&all, 1000);
    assert_int_equal(telegram_split("a</b>", 5, collect, &all, &why), -EINVAL);
    assert_string_equal(why.text, "</b> closes no open tag");
    assert_int_equal(telegram_split("<b><i>a</b></i>", 5, collect, &all, &why), -EINVAL);
    assert_int_equal(telegram_split("<b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b><b>a", 5,
                                    collect, &all, &why),
                     -EINVAL);
    assert_int_equal(all.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_counted_as_telegram_does),
        cmocka_unit_test(parts_are_whole_html),
        cmocka_unit_test(a_long_text_loses_nothing_but_the_line_ends_at_the_cuts),
        cmocka_unit_test(wrong_nesting_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
