/* max_memory_restart: three looks in a row. */
#include "test.h"

#include <string.h>

#include "memory_limit.h"

/* '+' is a look above the limit, '=' one at it, '-' one below; wants has '!' where it is too many.
 */
static const struct {
    const char *looks, *wants;
} rows[] = {
    { "---", "   " },     { "===", "   " },       { "++", "  " },     { "+++", "  !" },
    { "++-++", "     " }, { "++=+++", "     !" }, { "++++", "  ! " }, { "++++++", "  !  !" },
};

static void three_looks_in_a_row_are_too_many(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct memory_limit memory = { 0 };

        for (size_t i = 0; rows[r].looks[i]; i++) {
            int64_t bytes = rows[r].looks[i] == '+' ? 101 : rows[r].looks[i] == '=' ? 100 : 99;
            bool got = memory_limit_look(&memory, bytes, 100);

            if (got != (rows[r].wants[i] == '!'))
                fail_msg("%s, look %zu: %d", rows[r].looks, i + 1, got);
        }
    }
}

static void without_a_limit_nothing_is_too_much(void **state)
{
    struct memory_limit memory = { 0 };

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(memory_limit_look(&memory, INT64_MAX, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_looks_in_a_row_are_too_many),
        cmocka_unit_test(without_a_limit_nothing_is_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
