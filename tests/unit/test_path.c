/* Absolute paths as texts. */
#include "test.h"

#include <stdlib.h>

#include "path.h"

static void tidies_paths(void **state)
{
    static const char *const rows[][2] = {
        { "/a/b", "/a/b" },        { "/a/b/", "/a/b" },  { "//a///b//", "/a/b" },
        { "/./a/./b/.", "/a/b" },  { "/", "/" },         { "/.", "/" },
        { "/a/../b/", "/a/../b" }, { "/.a/b", "/.a/b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *tidy = path_tidy(rows[i][0]);

        assert_string_equal(tidy, rows[i][1]);
        free(tidy);
    }
}

static void knows_what_lies_below(void **state)
{
    (void)state;
    assert_string_equal(path_below("/a/b/c", "/a"), "b/c");
    assert_string_equal(path_below("/a", "/a"), "");
    assert_string_equal(path_below("/a", "/"), "a");
    assert_string_equal(path_below("/", "/"), "");
    assert_null(path_below("/ab", "/a"));
    assert_null(path_below("/", "/a"));
    assert_null(path_below("/b", "/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tidies_paths),
        cmocka_unit_test(knows_what_lies_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
