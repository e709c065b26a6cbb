/* For how long lines are left to gather. */
#include "test.h"

#include "log_gather.h"

enum { MS = 1000000 };

/* Rounds of what comes at a rate, in pipes a millisecond; a round takes work_ms and the time that
 * lines gathered in. Returns the time that they gather in after them. */
static double after(int rounds, double rate, double work_ms)
{
    struct log_gather gather = { 0 };
    double now_ms = 1000, elapsed;

    log_gather_end(&gather, (uint64_t)(now_ms * MS));
    for (int i = 0; i < rounds; i++) {
        elapsed = gather.ms + work_ms;
        log_gather_saw(&gather, rate * elapsed);
        now_ms += elapsed;
        log_gather_end(&gather, (uint64_t)(now_ms * MS));
    }
    assert_int_equal(gather.round, rounds + 1);
    return gather.ms;
}

static void near(double is, double want)
{
    assert_true(is >= want * 0.99 && is <= want * 1.01);
}

static void until_a_quarter_of_the_fullest_pipe_is_full(void **state)
{
    struct log_gather gather = { 0 };

    (void)state;
    near(after(20, 0.1, 0.05), 2.5);
    near(after(20, 0.25, 1), 1);
    /* Not at all where that is soon. */
    near(after(20, 5, 0.01), 0);
    /* The others do not count. */
    log_gather_end(&gather, 1000 * MS);
    log_gather_saw(&gather, 0.01);
    log_gather_saw(&gather, 1);
    log_gather_saw(&gather, 0.02);
    log_gather_end(&gather, 1002 * MS);
    near(gather.ms, 0.5);
}

static void by_and_by_and_never_for_long(void **state)
{
    (void)state;
    near(after(1, 1e-6, 1), 1);
    near(after(2, 1e-6, 1), 3);
    near(after(3, 1e-6, 1), 7);
    near(after(20, 1e-6, 1), 20);
    near(after(20, 0, 1), 20);
}

static void lines_that_come_now_and_then_do_not_wait(void **state)
{
    (void)state;
    near(after(20, 1e-6, 6), 0);
    near(after(1, 1e-6, 1000), 0);
}

/* A pipe that was full when somebody came counts as a full one: the time shrinks until it is not.
 */
static void whoever_waits_is_waited_for_less(void **state)
{
    struct log_gather gather = { .ms = 20 };
    double now_ms = 1000, before;

    (void)state;
    log_gather_end(&gather, (uint64_t)(now_ms * MS));
    gather.ms = 8;
    for (int i = 0; i < 4; i++) {
        before = gather.ms;
        log_gather_saw(&gather, 0.5);
        log_gather_saw(&gather, 1);
        now_ms += before + 0.1;
        log_gather_end(&gather, (uint64_t)(now_ms * MS));
        assert_true(gather.ms < before / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_a_quarter_of_the_fullest_pipe_is_full),
        cmocka_unit_test(by_and_by_and_never_for_long),
        cmocka_unit_test(lines_that_come_now_and_then_do_not_wait),
        cmocka_unit_test(whoever_waits_is_waited_for_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
