/* When a bot is left alone, by what its last calls came to. */
#include "test.h"

#include "bot_pause.h"
#include "limits.h"

enum { LATER_MS = 100000 };

static struct telegram_answer answer(enum telegram_verdict verdict, int status, bool unknown)
{
    return (struct telegram_answer){
        .verdict = verdict, .status = status, .unknown = unknown, .retry_after_ms = 7000
    };
}

static int64_t after(struct bot_pause *pause, struct telegram_answer last, int64_t now_ms)
{
    return bot_pause_after(pause, &last, now_ms, 0);
}

static void what_was_never_sent_pauses_at_once_and_longer_each_time(void **unused)
{
    struct telegram_answer unsent = answer(TELEGRAM_RETRY, 0, false);
    struct bot_pause pause = { 0 };
    int64_t now = LATER_MS;

    (void)unused;
    for (int64_t ms = JOB_RETRY_FIRST_MS; ms < JOB_RETRY_MOST_MS; ms *= 2) {
        assert_int_equal(after(&pause, unsent, now), ms);
        assert_int_equal(after(&pause, unsent, now + ms - 1), 0);
        assert_int_equal(bot_pause_left(&pause, now + 1), ms - 1);
        now += ms;
    }
    assert_int_equal(after(&pause, unsent, now), JOB_RETRY_MOST_MS);
    assert_int_equal(bot_pause_left(&pause, now + LATER_MS), 1);
}

static void the_first_sensible_answer_ends_the_growth(void **unused)
{
    struct bot_pause pause = { 0 };

    (void)unused;
    (void)after(&pause, answer(TELEGRAM_RETRY, 0, false), LATER_MS);
    (void)after(&pause, answer(TELEGRAM_RETRY, 0, false), 2 * LATER_MS);
    assert_int_equal(after(&pause, answer(TELEGRAM_GONE, 403, false), 3 * LATER_MS), 0);
    assert_int_equal(after(&pause, answer(TELEGRAM_RETRY, 0, false), 4 * LATER_MS),
                     JOB_RETRY_FIRST_MS);
}

static void only_the_fifth_answer_in_a_row_without_sense_pauses(void **unused)
{
    struct telegram_answer lost = answer(TELEGRAM_RETRY, 0, true);
    struct telegram_answer bad = answer(TELEGRAM_RETRY, 502, true);
    struct bot_pause pause = { 0 };

    (void)unused;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(after(&pause, bad, LATER_MS), 0);
        assert_int_equal(after(&pause, lost, LATER_MS), 0);
    }
    assert_int_equal(after(&pause, answer(TELEGRAM_DONE, 200, false), LATER_MS), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(after(&pause, bad, LATER_MS), 0);
    assert_int_equal(after(&pause, lost, LATER_MS), JOB_RETRY_FIRST_MS);
}

static void three_that_are_told_to_wait_are_the_bot_s(void **unused)
{
    struct telegram_answer wait = answer(TELEGRAM_WAIT, 429, false), shorter = wait;
    struct bot_pause pause = { 0 };

    (void)unused;
    shorter.retry_after_ms = 5000;
    assert_int_equal(after(&pause, wait, 0), 0);
    assert_int_equal(after(&pause, answer(TELEGRAM_DONE, 200, false), 0), 0);
    assert_int_equal(after(&pause, wait, 0), 0);
    assert_int_equal(after(&pause, shorter, 0), 0);
    assert_int_equal(after(&pause, wait, 0), 5000);
    assert_int_equal(after(&pause, wait, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_sent_pauses_at_once_and_longer_each_time),
        cmocka_unit_test(the_first_sensible_answer_ends_the_growth),
        cmocka_unit_test(only_the_fifth_answer_in_a_row_without_sense_pauses),
        cmocka_unit_test(three_that_are_told_to_wait_are_the_bot_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
