/* What may stand where the cursor is, by the rows of commands.h. */
#include "test.h"

#include <string.h>

#include "opsctl_words.h"

enum { WORDS = 8 };

static struct words at(const char *const *line)
{
    struct words_line words = { (char *const *)line, 0 };
    struct words found;

    while (line[words.count])
        words.count++;
    words_at(&words, &found);
    return found;
}

#define AT(...) at((const char *const[]){ __VA_ARGS__, NULL })

static void is(const struct words *words, const enum word_kind kinds[WORDS])
{
    for (size_t i = 0; i < words->count; i++)
        assert_int_equal(words->choices[i].kind, kinds[i]);
    assert_int_equal(kinds[words->count], WORD_NONE);
}

#define IS(words_, ...)                                            \
    do {                                                           \
        struct words found_ = (words_);                            \
                                                                   \
        is(&found_, (const enum word_kind[WORDS]){ __VA_ARGS__ }); \
    } while (0)

static void the_first_word_is_a_command(void **state)
{
    struct words none;

    (void)state;
    IS(AT(""), WORD_COMMAND);
    IS(AT("st"), WORD_COMMAND);
    IS(AT("--json", "st"), WORD_COMMAND);
    IS(AT("-"), WORD_OPTION);
    words_at(&(struct words_line){ NULL, 0 }, &none);
    IS(none, WORD_COMMAND);
}

static void what_follows_is_what_the_row_says(void **state)
{
    struct words stop = AT("stop", "");

    (void)state;
    IS(stop, WORD_LITERAL, WORD_NAME, WORD_APP);
    assert_int_equal(stop.choices[0].n, 3);
    assert_memory_equal(stop.choices[0].text, "all", 3);
    IS(AT("stop", "a", "b", ""), WORD_LITERAL, WORD_NAME, WORD_APP);
    IS(AT("start", ""), WORD_LITERAL, WORD_NAME, WORD_APP, WORD_FILE, WORD_FILE);
    IS(AT("signal", ""), WORD_SIGNAL);
    IS(AT("signal", "HUP", ""), WORD_NAME);
    IS(AT("signal", "HUP", "w", ""), WORD_NONE);
    IS(AT("scale", "w", ""), WORD_NONE);
    IS(AT("save", ""), WORD_NONE);
    IS(AT("ls", ""), WORD_NAME);
    assert_string_equal(AT("run", "shop", "").before, "shop");
}

static void an_option_may_want_a_value(void **state)
{
    (void)state;
    IS(AT("--home", ""), WORD_FILE);
    assert_string_equal(AT("--home", "/x", "stop", "").home, "/x");
    assert_null(AT("stop", "--wait", "").home);
    IS(AT("start", "--name", ""), WORD_NAME);
    IS(AT("logs", "-n", ""), WORD_NONE);
    IS(AT("logs", "-n", "5", ""), WORD_NAME);
    IS(AT("restart", "--wait", ""), WORD_LITERAL, WORD_NAME, WORD_APP);
    IS(AT("restart", "w", "-"), WORD_OPTION);
}

static void words_for_others_are_files(void **state)
{
    (void)state;
    IS(AT("jobs", "retry", ""), WORD_FILE);
    IS(AT("start", "x.sh", "--", "--home", ""), WORD_FILE);
    IS(AT("start", "x.sh", "--", "-"), WORD_FILE);
    assert_string_equal(AT("jobs", "").foreign, "jobs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_is_a_command),
        cmocka_unit_test(what_follows_is_what_the_row_says),
        cmocka_unit_test(an_option_may_want_a_value),
        cmocka_unit_test(words_for_others_are_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
