/* A log that takes nothing. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "log_stall.h"

static void patience_counts_from_the_first_failure(void **state)
{
    struct log_stall stall = { 0 };

    (void)state;
    assert_true(log_stall_may_try(&stall, 0));
    assert_false(log_stall_drops(&stall, 0, 1000000));
    assert_true(log_stall_failed(&stall, ENOSPC, 1000));
    assert_false(log_stall_may_try(&stall, 1099));
    assert_true(log_stall_may_try(&stall, 1100));
    assert_false(log_stall_failed(&stall, ENOSPC, 5900));
    assert_false(log_stall_drops(&stall, 5000, 5999));
    assert_true(log_stall_drops(&stall, 5000, 6000));
    log_stall_over(&stall);
    assert_false(log_stall_drops(&stall, 5000, 60000));
    assert_true(log_stall_failed(&stall, EROFS, 70000));
}

static void what_is_lost_is_told_once(void **state)
{
    struct log_stall stall = { 0 };
    struct buf text;

    (void)state;
    buf_init(&text, 1024);
    assert_int_equal(log_stall_print(&stall, 0, &text), 0);
    assert_int_equal(text.len, 0);
    (void)log_stall_failed(&stall, ENOSPC, 1);
    log_stall_lose(&stall, 3, 1000);
    log_stall_lose(&stall, 4, 2000);
    log_stall_told(&stall, 10, 20);
    assert_int_equal(stall.lost, 0);
    log_stall_untold(&stall);
    log_stall_lose(&stall, 1, 3000);
    assert_int_equal(log_stall_print(&stall, 4000, &text), 0);
    assert_string_equal(text.p, "opsd: lost 8 lines here, from 1970-01-01T00:00:01Z to "
                                "1970-01-01T00:00:04Z: No space left on device\n");
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_counts_from_the_first_failure),
        cmocka_unit_test(what_is_lost_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
