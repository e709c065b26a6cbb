/* Schedules as a person would say them. */
#include "test.h"

#include <errno.h>

#include "cron_words.h"

enum { SENTENCE_MAX = 2048 };

static const struct row {
    const char *text, *words;
} rows[] = {
    { "* * * * *", "every minute" },
    { "*/15 * * * *", "every 15 minutes" },
    { "* * * * * *", "every second" },
    { "*/10 * * * * *", "every 10 seconds" },
    { "*/10 5 * * * *", "every 10 seconds, at minute 5" },
    { "5,25-35 * * * *", "at minute 5 and 25-35" },
    { "*/7 * * * *", "at minute 0, 7, 14, 21, 28, 35, 42, 49 and 56" },
    { "0 */6 * * *", "at 00:00, 06:00, 12:00 and 18:00" },
    { "0 */2 * * *", "at minute 0 of every 2 hours" },
    { "*/20 9-17 * * *", "every 20 minutes of hours 9-17" },
    { "* 3 * * *", "every minute of hour 3" },
    { "0 3 * * *", "at 03:00" },
    { "@daily", "at 00:00" },
    { "@hourly", "at minute 0" },
    { "30 0 3 * * *", "at 03:00:30" },
    { "0,30 9,17 * * *", "at 09:00, 09:30, 17:00 and 17:30" },
    { "0 9 * * mon-fri", "at 09:00, on Monday-Friday" },
    { "0 9 * * sat,sun", "at 09:00, on Sunday and Saturday" },
    { "0 9 * * fri#3", "at 09:00, on the third Friday of the month" },
    { "0 9 * * 5L,1", "at 09:00, on Monday or the last Friday of the month" },
    { "0 9 1,15 * *", "at 09:00, on day 1 and 15 of the month" },
    { "0 9 L * *", "at 09:00, on the last day of the month" },
    { "0 9 L-2,15W * *",
      "at 09:00, on the working day nearest to day 15 or day 2 before the last of "
      "the month" },
    { "0 9 LW jan,jul ?", "at 09:00, on the last working day of the month, in January and July" },
    { "0 9 1 * mon", "at 09:00, on day 1 of the month or on Monday" },
    { "0 9 */10 * mon", "at 09:00, on day 1, 11, 21 and 31 of the month if that is on Monday" },
    { "0 0 29 2 *", "at 00:00, on day 29 of the month, in February" },
    { "@yearly", "at 00:00, on day 1 of the month, in January" },
    { "@every 90s", "every 90 s" },
    { "@every 250ms", "every 250 ms" },
};

static void schedules_are_said_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf words = { 0 };
        struct cron cron;
        struct err err;

        buf_init(&words, SENTENCE_MAX);
        assert_int_equal(cron_parse(rows[i].text, &cron, &err), 0);
        assert_int_equal(cron_words(&cron, &words), 0);
        assert_string_equal(words.p, rows[i].words);
        buf_done(&words);
    }
}

static void a_sentence_that_is_too_long_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cron cron;
        struct err err;

        assert_int_equal(cron_parse(rows[i].text, &cron, &err), 0);
        for (size_t n = 1; n < strlen(rows[i].words); n++) {
            struct buf words = { 0 };

            buf_init(&words, n);
            assert_int_equal(cron_words(&cron, &words), -EMSGSIZE);
            buf_done(&words);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_said_in_words),
        cmocka_unit_test(a_sentence_that_is_too_long_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
