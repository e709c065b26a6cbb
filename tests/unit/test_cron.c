/*
 * Schedules: which texts are refused with which words, and when the others are due.
 *
 * As `test_cron next EXPRESSION ZONE START_MS N` it prints the next N instants instead, and as
 * `test_cron next -` it does so for each line of standard input (the four separated by tabs);
 * test_cron_oracle.py compares them with a slow and simple calculation of its own.
 */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cron.h"
#include "instant.h"
#include "own.h"
#include "text.h"

/* --- what is refused */

static const struct refused {
    const char *text, *error;
} refused[] = {
    { "61 * * * *", "minute: want 0-59, got \"61\"" },
    { "60 * * * *", "minute: want 0-59, got \"60\"" },
    { "-1 * * * *", "minute: want 0-59, got \"-1\"" },
    { "1- * * * *", "minute: want 0-59, got \"1-\"" },
    { "1-2-3 * * * *", "minute: want 0-59, got \"1-2-3\"" },
    { "*-3 * * * *", "minute: want 0-59, got \"*-3\"" },
    { "** * * * *", "minute: want 0-59, got \"**\"" },
    { "*5 * * * *", "minute: want 0-59, got \"*5\"" },
    { "1,,2 * * * *", "minute: want 0-59, got \"\"" },
    { "1, * * * *", "minute: want 0-59, got \"\"" },
    { "005 * * * *", "minute: want 0-59, got \"005\"" },
    { "1.5 * * * *", "minute: want 0-59, got \"1.5\"" },
    { "? * * * *", "minute: want 0-59, got \"?\"" },
    { "L * * * *", "minute: want 0-59, got \"L\"" },
    { "*/0 * * * *", "minute: want a step of 1-60 after /, got \"*/0\"" },
    { "*/61 * * * *", "minute: want a step of 1-60 after /, got \"*/61\"" },
    { "*/ * * * *", "minute: want a step of 1-60 after /, got \"*/\"" },
    { "*/2/3 * * * *", "minute: want a step of 1-60 after /, got \"*/2/3\"" },
    { "60 0 0 * * *", "second: want 0-59, got \"60\"" },
    { "0 24 * * *", "hour: want 0-23, got \"24\"" },
    { "0 0 0 * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"0\"" },
    { "0 0 32 * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"32\"" },
    { "0 0 32W * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"32W\"" },
    { "0 0 W * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"W\"" },
    { "0 0 1-5W * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"1-5W\"" },
    { "0 0 L-0 * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"L-0\"" },
    { "0 0 L-31 * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"L-31\"" },
    { "0 0 L3 * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"L3\"" },
    { "0 0 1,? * *", "day of month: want 1-31, L, L-2, LW or 15W, got \"?\"" },
    { "0 0 28-3 * *", "day of month: a range goes up, got \"28-3\"; write 28-31,1-3" },
    { "0 0 * 13 *", "month: want 1-12 or jan-dec, got \"13\"" },
    { "0 0 * ja *", "month: want 1-12 or jan-dec, got \"ja\"" },
    { "0 0 * januray *",
      "month: want 1-12 or jan-dec, got \"januray\"; did you mean \"january\"?" },
    { "0 0 * januaryx *",
      "month: want 1-12 or jan-dec, got \"januaryx\"; did you mean \"january\"?" },
    { "0 0 * * 8", "day of week: want 0-7, sun-sat, friL or fri#2, got \"8\"" },
    { "0 0 * * L", "day of week: want 0-7, sun-sat, friL or fri#2, got \"L\"" },
    { "0 0 * * xyL", "day of week: want 0-7, sun-sat, friL or fri#2, got \"xyL\"" },
    { "0 0 * * #2", "day of week: want 0-7, sun-sat, friL or fri#2, got \"#2\"" },
    { "0 0 * * fri#6", "day of week: want 1-5 or L after #, got \"fri#6\"" },
    { "0 0 * * fri#", "day of week: want 1-5 or L after #, got \"fri#\"" },
    { "0 0 * * */8", "day of week: want a step of 1-7 after /, got \"*/8\"" },
    { "0 0 30 2 *", "day of month: never due, no month of the schedule has such a day" },
    { "0 0 31 4,6,9,11 *", "day of month: never due, no month of the schedule has such a day" },
    { "0 0 31W feb ?", "day of month: never due, no month of the schedule has such a day" },
    { "0 0 L-29 feb *", "day of month: never due, no month of the schedule has such a day" },
    { "0 0 */31 * fri#3", "day of week: never due, no such day of the month falls on it" },
    { "", "want 5 fields (minute hour day-of-month month day-of-week), or 6 with seconds in front, "
          "got 0 in \"\"" },
    { "* * * *",
      "want 5 fields (minute hour day-of-month month day-of-week), or 6 with seconds in front, "
      "got 4 in \"* * * *\"" },
    { "0 0 0 1 1 ? 2030",
      "want 5 fields (minute hour day-of-month month day-of-week), or 6 with seconds in front, "
      "got 7 in \"0 0 0 1 1 ? 2030\"" },
    { "@dayly", "unknown schedule \"@dayly\"; did you mean @daily?" },
    { "@sometimes", "unknown schedule \"@sometimes\"; did you mean @hourly, @daily, @weekly, "
                    "@monthly, @yearly or @every?" },
    { "@reboot", "@reboot is not a schedule; say \"run_on_start\": true" },
    { "@every", "@every: want one duration of 100ms or more such as 90s or 1h30m, got \"@every\"" },
    { "@every 90", "@every: want one duration of 100ms or more such as 90s or 1h30m, got \"@every "
                   "90\"" },
    { "@every 1h 30m", "@every: want one duration of 100ms or more such as 90s or 1h30m, got "
                       "\"@every 1h 30m\"" },
    { "@every soon", "@every: want one duration of 100ms or more such as 90s or 1h30m, got "
                     "\"@every soon\"" },
    { "0 0 * *\n*", "a schedule is plain ASCII, got byte 0x0a at 8" },
    { "0 0 \xd0\xbf * *", "a schedule is plain ASCII, got byte 0xd0 at 5" },
};

static void test_refuses_with_field_given_and_wanted(void **state)
{
    static const struct cron untouched = { .every_ms = 42 };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct cron cron = untouched;
        struct err err = { "" };

        if (cron_parse(refused[i].text, &cron, &err) != -EINVAL)
            fail_msg("\"%s\" is not refused", refused[i].text);
        assert_string_equal(err.text, refused[i].error);
        assert_memory_equal(&cron, &untouched, sizeof cron);
    }
}

static void test_refuses_text_too_long(void **state)
{
    char text[300];
    struct cron cron;
    struct err err;

    (void)state;
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(cron_parse(text, &cron, &err), -EINVAL);
    assert_string_equal(err.text, "a schedule has at most 255 characters, got 299");
}

/* --- when it is due */

enum { DUE_MAX = 6 };

/* clang-format off */
/* One row: from an instant on, these are the next due ones; further ones are not looked at. */
static const struct due {
    const char *text, *zone, *from;
    const char *due[DUE_MAX];
} due[] = {
    /* fields */
    { "30 3 * * *", "UTC", "2026-01-31T03:29:59Z",
      { "2026-01-31T03:30:00Z", "2026-02-01T03:30:00Z" } },
    { "30 3 * * *", "UTC", "2026-01-31T03:30:00Z", { "2026-02-01T03:30:00Z" } },
    { "30 3 * * *", "UTC", "2026-01-31T03:29:59.999Z", { "2026-01-31T03:30:00Z" } },
    { "30 3 * * *", "UTC", "2026-01-31T03:30:00.001Z", { "2026-02-01T03:30:00Z" } },
    { "\t 5,10-12,50/5  1 * *\t* ", "UTC", "2026-01-01T01:00:00Z",
      { "2026-01-01T01:05:00Z", "2026-01-01T01:10:00Z", "2026-01-01T01:11:00Z",
        "2026-01-01T01:12:00Z", "2026-01-01T01:50:00Z", "2026-01-01T01:55:00Z" } },
    { "*/25 12 * * *", "UTC", "2026-01-01T00:00:00Z",
      { "2026-01-01T12:00:00Z", "2026-01-01T12:25:00Z", "2026-01-01T12:50:00Z",
        "2026-01-02T12:00:00Z" } },
    { "50-10/5 12 * * *", "UTC", "2026-01-01T12:02:00Z",
      { "2026-01-01T12:05:00Z", "2026-01-01T12:10:00Z", "2026-01-01T12:50:00Z",
        "2026-01-01T12:55:00Z", "2026-01-02T12:00:00Z" } },
    { "0 22-4/3 * * *", "UTC", "2026-01-01T00:00:00Z",
      { "2026-01-01T01:00:00Z", "2026-01-01T04:00:00Z", "2026-01-01T22:00:00Z",
        "2026-01-02T01:00:00Z" } },
    { "*/20 59 23 31 12 *", "UTC", "2026-01-01T00:00:00Z",
      { "2026-12-31T23:59:00Z", "2026-12-31T23:59:20Z", "2026-12-31T23:59:40Z",
        "2027-12-31T23:59:00Z" } },
    { "59 59 23 * * *", "UTC", "2026-12-31T23:59:59Z", { "2027-01-01T23:59:59Z" } },
    { "0 0 1 NOV-feb *", "UTC", "2026-01-15T00:00:00Z",
      { "2026-02-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:00Z" } },
    { "0 0 1 sept,October *", "UTC", "2026-01-15T00:00:00Z",
      { "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2027-09-01T00:00:00Z" } },
    /* weekdays; 2026-11-22 is a Sunday */
    { "0 0 * * 0", "UTC", "2026-11-21T00:00:00Z",
      { "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z" } },
    { "0 0 * * 7", "UTC", "2026-11-21T00:00:00Z",
      { "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z" } },
    { "0 0 * * 5-7", "UTC", "2026-11-22T00:00:00Z",
      { "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z",
        "2026-12-04T00:00:00Z" } },
    { "0 0 * * Fri-Monday", "UTC", "2026-11-22T00:00:00Z",
      { "2026-11-23T00:00:00Z", "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z",
        "2026-11-29T00:00:00Z" } },
    { "0 0 * * 7-1", "UTC", "2026-11-21T00:00:00Z",
      { "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z" } },
    { "0 0 ? * tues", "UTC", "2026-11-22T00:00:00Z",
      { "2026-11-24T00:00:00Z", "2026-12-01T00:00:00Z" } },
    { "0 0 * * fri#2,7#5", "UTC", "2026-10-01T00:00:00Z",
      { "2026-10-09T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-29T00:00:00Z",
        "2026-12-11T00:00:00Z" } },
    { "0 0 * * friL", "UTC", "2026-10-01T00:00:00Z",
      { "2026-10-30T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z" } },
    { "0 0 * * 5#L", "UTC", "2026-10-01T00:00:00Z",
      { "2026-10-30T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z" } },
    { "0 0 * * 6L", "UTC", "2026-10-01T00:00:00Z",
      { "2026-10-31T00:00:00Z", "2026-11-28T00:00:00Z" } },
    /* days of the month; 2026-08-01 is a Saturday, 2026-11-01 and 2027-02-28 are Sundays */
    { "0 0 L * *", "UTC", "2028-01-01T00:00:00Z",
      { "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z",
        "2028-04-30T00:00:00Z" } },
    { "0 0 L-2,l * *", "UTC", "2027-02-01T00:00:00Z",
      { "2027-02-26T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-29T00:00:00Z",
        "2027-03-31T00:00:00Z" } },
    { "0 0 L-30 * *", "UTC", "2027-02-01T00:00:00Z",
      { "2027-03-01T00:00:00Z", "2027-05-01T00:00:00Z" } },
    { "0 0 LW * *", "UTC", "2026-10-01T00:00:00Z",
      { "2026-10-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z",
        "2027-01-29T00:00:00Z", "2027-02-26T00:00:00Z" } },
    { "0 0 1W * *", "UTC", "2026-07-31T00:00:00Z",
      { "2026-08-03T00:00:00Z", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z",
        "2026-11-02T00:00:00Z" } },
    { "0 0 15W * *", "UTC", "2026-08-01T00:00:00Z",
      { "2026-08-14T00:00:00Z", "2026-09-15T00:00:00Z", "2026-10-15T00:00:00Z",
        "2026-11-16T00:00:00Z" } },
    { "0 0 28w 2 ?", "UTC", "2027-01-01T00:00:00Z",
      { "2027-02-26T00:00:00Z", "2028-02-28T00:00:00Z" } },
    { "0 0 31W * *", "UTC", "2026-08-01T00:00:00Z",
      { "2026-08-31T00:00:00Z", "2026-10-30T00:00:00Z", "2026-12-31T00:00:00Z" } },
    /* both day fields: either, unless one begins with a star */
    { "0 0 13 * fri", "UTC", "2026-11-07T00:00:00Z",
      { "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z",
        "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z" } },
    { "0 0 */2 * fri", "UTC", "2026-11-07T00:00:00Z",
      { "2026-11-13T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-11T00:00:00Z" } },
    { "0 0 13 * */5", "UTC", "2026-11-14T00:00:00Z",
      { "2026-12-13T00:00:00Z", "2027-06-13T00:00:00Z", "2027-08-13T00:00:00Z" } },
    { "0 0 30 2 mon", "UTC", "2027-02-01T00:00:00Z",
      { "2027-02-08T00:00:00Z", "2027-02-15T00:00:00Z", "2027-02-22T00:00:00Z",
        "2028-02-07T00:00:00Z" } },
    /* rare ones: a leap day on a Monday, over a century without one, a fifth Monday in February */
    { "0 0 29 2 */1", "UTC", "2096-02-29T00:00:00Z",
      { "2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z" } },
    { "0 0 29-31/7 2 *", "UTC", "2024-03-01T00:00:00Z", { "2028-02-29T00:00:00Z" } },
    { "0 0 ? 2 mon#5", "UTC", "2025-01-01T00:00:00Z",
      { "2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z" } },
    /* macros */
    { "@yearly", "UTC", "2026-11-21T10:00:00Z",
      { "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z" } },
    { "@Annually", "UTC", "2026-11-21T10:00:00Z", { "2027-01-01T00:00:00Z" } },
    { "@monthly", "UTC", "2026-11-21T10:00:00Z",
      { "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z" } },
    { "@weekly", "UTC", "2026-11-21T10:00:00Z",
      { "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z" } },
    { "@daily", "UTC", "2026-11-21T10:00:00Z", { "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z" } },
    { " @midnight ", "UTC", "2026-11-21T10:00:00Z", { "2026-11-22T00:00:00Z" } },
    { "@hourly", "UTC", "2026-11-21T10:00:00Z",
      { "2026-11-21T11:00:00Z", "2026-11-21T12:00:00Z" } },
    { "@every 90s", "UTC", "2026-11-21T10:00:00Z",
      { "2026-11-21T10:01:30Z", "2026-11-21T10:03:00Z" } },
    { "@EVERY 1h30m", "Asia/Kathmandu", "2026-11-21T10:00:00Z",
      { "2026-11-21T10:30:00Z", "2026-11-21T12:00:00Z" } },
    { "@every 250ms", "UTC", "2026-11-21T10:00:00.100Z",
      { "2026-11-21T10:00:00.250Z", "2026-11-21T10:00:00.500Z" } },
    { "@every 1h", "UTC", "1969-12-31T23:30:00Z", { "1970-01-01T00:00:00Z" } },
    { "0 0 * * *", "UTC", "1969-12-30T23:59:59.500Z",
      { "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z" } },
    /* by the wall clock: what is jumped over is due once after the gap, what comes twice once */
    { "30 1 * * *", "Europe/London", "2026-03-28T12:00:00Z",
      { "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z" } },
    { "30 1 * * *", "Europe/London", "2026-10-24T12:00:00Z",
      { "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
    { "30 1 * * *", "Europe/London", "2026-10-25T00:45:00Z", { "2026-10-26T01:30:00Z" } },
    { "30 1 * * *", "Europe/London", "2026-10-25T01:15:00Z", { "2026-10-26T01:30:00Z" } },
    { "30 */23,1 * * *", "Europe/London", "2026-10-25T00:00:00Z",
      { "2026-10-25T00:30:00Z", "2026-10-25T23:30:00Z" } },
    { "*/20 1-2 * * *", "Europe/London", "2026-03-28T12:00:00Z",
      { "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z",
        "2026-03-30T00:00:00Z" } },
    { "*/30 0-23 * * *", "Europe/London", "2026-10-25T00:15:00Z",
      { "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z" } },
    { "15,45 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
      { "2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z" } },
    { "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z",
      { "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z" } },
    { "0 8,20 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z",
      { "2011-12-29T18:00:00Z", "2011-12-30T06:00:00Z", "2011-12-30T10:00:00Z",
        "2011-12-30T18:00:00Z" } },
    { "0 0 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z",
      { "2011-12-30T10:00:00Z", "2012-12-29T10:00:00Z" } },
    /* past the years that tzdata lists */
    { "30 1 * * *", "Europe/London", "2100-03-27T12:00:00Z",
      { "2100-03-28T01:00:00Z", "2100-03-29T00:30:00Z" } },
    { "30 1 * * *", "Europe/London", "2100-10-30T12:00:00Z",
      { "2100-10-31T00:30:00Z", "2100-11-01T01:30:00Z" } },
    { "30 2 * * *", "America/New_York", "2199-03-09T12:00:00Z",
      { "2199-03-10T07:00:00Z", "2199-03-11T06:30:00Z" } },
    /* in real time: through both passes, and nothing is made up for */
    { "30 * * * *", "Europe/London", "2026-10-25T00:00:00Z",
      { "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z" } },
    { "30 * * * *", "Europe/London", "2026-03-29T00:00:00Z",
      { "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z" } },
    { "30 */2 * * *", "America/New_York", "2026-03-08T04:00:00Z",
      { "2026-03-08T05:30:00Z", "2026-03-08T08:30:00Z", "2026-03-08T10:30:00Z" } },
    { "0 */1 * * *", "America/New_York", "2026-11-01T04:30:00Z",
      { "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z" } },
    { "@hourly", "Australia/Lord_Howe", "2026-04-04T13:00:00Z",
      { "2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z" } },
    { "0 * 29 2 mon#5", "Europe/London", "2026-01-01T00:00:00Z",
      { "2028-02-29T00:00:00Z", "2028-02-29T01:00:00Z" } },
    { "0 */12 ? 2 mon#5", "Europe/London", "2026-01-01T00:00:00Z",
      { "2044-02-29T00:00:00Z", "2044-02-29T12:00:00Z", "2072-02-29T00:00:00Z" } },
    { "@every 1h", "Europe/London", "2026-10-25T00:00:00Z",
      { "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z" } },
};
/* clang-format on */

static void check_due(const struct due *row)
{
    char text[INSTANT_TEXT_MAX];
    const struct zone *zone;
    struct cron cron;
    struct err err;
    int64_t at;

    if (cron_parse(row->text, &cron, &err) < 0 || zone_open(row->zone, &zone, &err) < 0)
        fail_msg("\"%s\" in %s: %s", row->text, row->zone, err.text);
    assert_int_equal(instant_parse(row->from, &at), 0);
    for (int i = 0; i < DUE_MAX && row->due[i]; i++) {
        assert_int_equal(cron_next(&cron, zone, at, &at), 0);
        if (strcmp(instant_print(at, text), row->due[i]) != 0)
            fail_msg("\"%s\" in %s from %s: due[%d] is %s, want %s", row->text, row->zone,
                     row->from, i, text, row->due[i]);
    }
}

static void test_is_due(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++)
        check_due(&due[i]);
}

static void test_says_when_it_is_never_due(void **state)
{
    struct cron cron;
    const struct zone *zone;
    struct err err;
    int64_t next = 42;

    (void)state;
    assert_int_equal(zone_open("Europe/London", &zone, &err), 0);
    assert_int_equal(cron_parse("0 0 29 2 *", &cron, &err), 0);
    cron.days = 1U << 30;
    assert_int_equal(cron_next(&cron, zone, 0, &next), -ERANGE);
    cron.real_time = true;
    assert_int_equal(cron_next(&cron, zone, 0, &next), -ERANGE);
    assert_int_equal(next, 42);
}

/* 2000, 2100 and a year before 1 on top of what the rows above have of ordinary months. */
static void test_days_of_a_month(void **state)
{
    struct cron cron;
    struct err err;

    (void)state;
    assert_int_equal(cron_parse("0 0 * * tue", &cron, &err), 0);
    assert_int_equal(cron_days(&cron, 2000, 2), 1U << 1 | 1U << 8 | 1U << 15 | 1U << 22 | 1U << 29);
    assert_int_equal(cron_days(&cron, 2100, 2), 1U << 2 | 1U << 9 | 1U << 16 | 1U << 23);
    assert_int_equal(cron_parse("0 0 31 * *", &cron, &err), 0);
    assert_int_equal(cron_days(&cron, 2026, 11), 0);
    assert_int_equal(cron_days(&cron, -1, 12), 1U << 31);
}

/* --- the command for test_cron_oracle.py */

/* Prints the instants, or how far it came and why no further; false for the latter. */
static bool print_next(const char *text, const char *zone_name, int64_t at, int64_t n)
{
    const struct zone *zone;
    struct cron cron;
    struct err err;

    if (cron_parse(text, &cron, &err) < 0 || zone_open(zone_name, &zone, &err) < 0) {
        printf("error: %s\n", err.text);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        if (cron_next(&cron, zone, at, &at) < 0) {
            printf("error: no more\n");
            return false;
        }
        printf("%s%" PRId64, i ? " " : "", at);
    }
    putchar('\n');
    return true;
}

static bool next_of_words(char *words[4])
{
    int64_t at, n;

    if (text_to_int(words[2], INT64_MIN, INT64_MAX, &at) < 0 ||
        text_to_int(words[3], 0, INT32_MAX, &n) < 0) {
        printf("error: want START_MS and N as whole numbers\n");
        return false;
    }
    return print_next(words[0], words[1], at, n);
}

static bool next_of_lines(void)
{
    OWN(free) char *line = NULL;
    size_t size = 0;
    bool good = true;

    while (getline(&line, &size, stdin) >= 0) {
        char *words[4], *rest = line;

        for (int i = 0; i < 4; i++) {
            words[i] = strsep(&rest, "\t\n");
            if (!words[i])
                return false;
        }
        good = next_of_words(words) && good;
    }
    return good;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_with_field_given_and_wanted),
        cmocka_unit_test(test_refuses_text_too_long),
        cmocka_unit_test(test_is_due),
        cmocka_unit_test(test_says_when_it_is_never_due),
        cmocka_unit_test(test_days_of_a_month),
    };

    if (argc == 3 && strcmp(argv[1], "next") == 0 && strcmp(argv[2], "-") == 0)
        return next_of_lines() ? 0 : 1;
    if (argc == 6 && strcmp(argv[1], "next") == 0)
        return next_of_words(argv + 2) ? 0 : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
