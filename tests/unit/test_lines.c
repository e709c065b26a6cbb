/* Log lines on their way into JSON. */
#include "test.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "json.h"
#include "lines.h"
#include "own.h"

/* clang-format off */
static const struct { const char *bytes; size_t n; const char *want[5]; } cuts[] = {
    { "", 0, { NULL } },
    { "\n", 1, { "" } },
    { "a\n", 2, { "a" } },
    { "a", 1, { "a" } },
    { "a\nb", 3, { "a", "b" } },
    { "\n\nb\n\n", 5, { "", "", "b", "" } },
    { "a\r\nb", 4, { "a\r", "b" } },
};

/* RFC 4648, section 10, behind a byte that is not UTF-8. */
static const struct { const char *bytes; size_t n; const char *name, *want; } puts_[] = {
    { "", 0, "line", "" },
    { "plain", 5, "line", "plain" },
    { "\x1b[1m\t\r", 6, "line", "\x1b[1m\t\r" },
    { "\xd0\xbf", 2, "line", "\xd0\xbf" },
    { "\xff", 1, "base64", "/w==" },
    { "\xff" "f", 2, "base64", "/2Y=" },
    { "\xff" "fo", 3, "base64", "/2Zv" },
    { "\xff" "foo", 4, "base64", "/2Zvbw==" },
    { "\xd0", 1, "base64", "0A==" },
    { "a\0b", 3, "base64", "YQBi" },
    { "\xfb\xef\xbe", 3, "base64", "++++" },
};
/* clang-format on */

static void bytes_are_cut_at_newlines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const char *bytes = cuts[i].bytes, *line;
        size_t n = cuts[i].n, length, k = 0;

        for (; lines_next(&bytes, &n, &line, &length); k++) {
            assert_non_null(cuts[i].want[k]);
            assert_int_equal(length, strlen(cuts[i].want[k]));
            assert_memory_equal(line, cuts[i].want[k], length);
        }
        assert_null(cuts[i].want[k]);
    }
}

static void a_line_is_text_or_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof puts_ / sizeof *puts_; i++) {
        OWN(json) cJSON *object = cJSON_CreateObject();

        lines_put(object, puts_[i].bytes, puts_[i].n);
        assert_int_equal(cJSON_GetArraySize(object), 1);
        assert_string_equal(json_get_text(object, puts_[i].name), puts_[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_cut_at_newlines),
        cmocka_unit_test(a_line_is_text_or_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
