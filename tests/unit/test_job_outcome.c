/*
 * What becomes of a job, by outcome.
 */
#include "test.h"

#include "job_outcome.h"
#include "limits.h"

static struct job_fate decide(enum job_outcome outcome, int attempt, bool at_most_once)
{
    const struct job_facts facts = {
        .attempt = attempt,
        .max_attempts = 3,
        .at_most_once = at_most_once,
        .wait_ms = 5000,
    };

    return job_decide(outcome, &facts);
}

static void a_failure_is_repeated_until_no_attempt_is_left(void **unused)
{
    struct job_fate fate = decide(JOB_RETRY, 2, false);

    (void)unused;
    assert_string_equal(fate.state, "available");
    assert_int_equal(fate.attempt, 2);
    assert_int_equal(fate.wait_ms, 2000);
    assert_int_equal(fate.lane_wait_ms, 2000);
    assert_int_equal(fate.lane_wake_ms, 2000);
    assert_true(fate.kept);
    assert_string_equal(decide(JOB_RETRY, 3, false).state, "dead");
}

static void what_must_not_happen_twice_is_dead_when_nobody_knows(void **unused)
{
    (void)unused;
    assert_string_equal(decide(JOB_UNKNOWN, 1, false).state, "available");
    assert_string_equal(decide(JOB_UNKNOWN, 1, true).state, "dead");
    assert_string_equal(decide(JOB_UNKNOWN, 3, false).state, "dead");
    assert_string_equal(decide(JOB_INTERRUPTED, 1, true).state, "dead");
    /* It is known that this did not work. */
    assert_string_equal(decide(JOB_RETRY, 1, true).state, "available");
}

static void an_interruption_uses_no_attempt(void **unused)
{
    struct job_fate fate = decide(JOB_INTERRUPTED, 3, false);

    (void)unused;
    assert_string_equal(fate.state, "available");
    assert_int_equal(fate.attempt, 2);
    assert_true(fate.interrupted && fate.kept);
    assert_int_equal(fate.wait_ms, 0);
}

static void waiting_holds_the_lane_and_holding_does_not(void **unused)
{
    struct job_fate wait = decide(JOB_WAIT, 1, true), hold = decide(JOB_HOLD, 1, true);

    (void)unused;
    assert_int_equal(wait.attempt, 0);
    assert_int_equal(wait.wait_ms, 5000);
    assert_int_equal(wait.lane_wait_ms, 5000);
    assert_int_equal(hold.attempt, 0);
    assert_int_equal(hold.wait_ms, 5000);
    assert_int_equal(hold.lane_wait_ms, 0);
    assert_int_equal(hold.lane_wake_ms, 5000);
    assert_false(wait.kept || hold.kept);
}

static void what_is_over_wants_its_lane_no_more(void **unused)
{
    static const enum job_outcome over[] = { JOB_DONE, JOB_DEAD, JOB_CANCELLED };
    static const char *const states[] = { "done", "dead", "cancelled" };

    (void)unused;
    for (int i = 0; i < 3; i++) {
        struct job_fate fate = decide(over[i], 1, false);

        assert_string_equal(fate.state, states[i]);
        assert_int_equal(fate.lane_wake_ms, -1);
        assert_int_equal(fate.lane_wait_ms, 0);
    }
}

static void pauses_double_up_to_a_limit_and_differ(void **unused)
{
    (void)unused;
    assert_int_equal(job_retry_delay(1, 0), JOB_RETRY_FIRST_MS);
    assert_int_equal(job_retry_delay(4, 0), 8 * JOB_RETRY_FIRST_MS);
    assert_int_equal(job_retry_delay(6, 0), JOB_RETRY_MOST_MS);
    assert_int_equal(job_retry_delay(1000, 0), JOB_RETRY_MOST_MS);
    for (uint32_t random = 0; random < 100000; random += 777) {
        int64_t delay = job_retry_delay(3, random);

        assert_in_range(delay, 2000, 4000);
    }
    assert_int_not_equal(job_retry_delay(3, 1), job_retry_delay(3, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_repeated_until_no_attempt_is_left),
        cmocka_unit_test(what_must_not_happen_twice_is_dead_when_nobody_knows),
        cmocka_unit_test(an_interruption_uses_no_attempt),
        cmocka_unit_test(waiting_holds_the_lane_and_holding_does_not),
        cmocka_unit_test(what_is_over_wants_its_lane_no_more),
        cmocka_unit_test(pauses_double_up_to_a_limit_and_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
