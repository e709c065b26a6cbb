/* What a process uses: when it is looked at, and what is told of it. */
#include "test.h"

#include <errno.h>

#include "usage.h"

enum { MS = 1000000, STARTED = 50000 };

static void memory_is_read_when_time_was_used(void **state)
{
    struct usage usage = { 0 };

    (void)state;
    assert_true(usage_memory_is_due(&usage, (struct usage_clues){ 0, 0 }, STARTED));
    usage_take_memory(&usage, 4096, (struct usage_clues){ 7 * MS, 0 }, STARTED);
    assert_int_equal(usage.memory_bytes, 4096);
    assert_false(usage_memory_is_due(&usage, (struct usage_clues){ 7 * MS, 0 }, STARTED + 1));
    assert_true(usage_memory_is_due(&usage, (struct usage_clues){ 7 * MS + 1, 0 }, STARTED + 1));
}

static void memory_of_one_that_sleeps_is_read_when_the_kernel_took_some(void **state)
{
    const struct usage_clues then = { MS, 500 }, taken = { MS, 501 }, unknown = { MS, -ENOENT };
    const int64_t soon = STARTED + USAGE_MEMORY_MS - 1, later = STARTED + USAGE_MEMORY_MS;
    struct usage usage = { 0 };

    (void)state;
    usage_take_memory(&usage, 4096, then, STARTED);
    assert_false(usage_memory_is_due(&usage, then, later));
    assert_false(usage_memory_is_due(&usage, taken, soon));
    assert_true(usage_memory_is_due(&usage, taken, later));
    assert_false(usage_memory_is_due(&usage, unknown, soon));
    assert_true(usage_memory_is_due(&usage, unknown, later));
    usage_take_memory(&usage, 0, unknown, later);
    assert_true(usage_memory_is_due(&usage, unknown, later + USAGE_MEMORY_MS));
}

static void what_was_measured_is_told_for_a_second(void **state)
{
    struct usage usage = { 0 };
    int64_t now = STARTED + USAGE_WINDOW_MS;

    (void)state;
    assert_true(usage_is_due(&usage, now));
    usage_take_cpu(&usage, 0, STARTED, now);
    assert_false(usage_is_due(&usage, now + USAGE_WINDOW_MS - 1));
    assert_true(usage_is_due(&usage, now + USAGE_WINDOW_MS));
}

static void percent_are_those_since_the_time_before(void **state)
{
    struct usage usage = { 0 };

    (void)state;
    usage_take_cpu(&usage, 999 * MS, STARTED, STARTED + USAGE_WINDOW_MS - 1);
    assert_int_equal(usage.cpu_tenths, 0);
    assert_true(usage_is_due(&usage, STARTED + USAGE_WINDOW_MS - 1));
    usage_take_cpu(&usage, INT64_C(1000) * MS, STARTED, STARTED + 2000);
    assert_int_equal(usage.cpu_tenths, 500);
    usage_take_cpu(&usage, INT64_C(5000) * MS, STARTED, STARTED + 4000);
    assert_int_equal(usage.cpu_tenths, 2000);
    usage_take_cpu(&usage, INT64_C(5003) * MS, STARTED, STARTED + 6000);
    assert_int_equal(usage.cpu_tenths, 1);
    usage_take_cpu(&usage, INT64_C(5003) * MS, STARTED, STARTED + 8000);
    assert_int_equal(usage.cpu_tenths, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_read_when_time_was_used),
        cmocka_unit_test(memory_of_one_that_sleeps_is_read_when_the_kernel_took_some),
        cmocka_unit_test(what_was_measured_is_told_for_a_second),
        cmocka_unit_test(percent_are_those_since_the_time_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
