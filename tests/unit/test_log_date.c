/* The time in front of a log line. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log_date.h"

enum { MAY_3 = 1777773909 }; /* Sunday, 2026-05-03T02:05:09Z */

/* clang-format off */
static const struct { const char *zone, *format; int64_t ms; const char *want; } rows[] = {
    { "UTC", "YYYY-MM-DDTHH:mm:ss", 0, "1970-01-01T00:00:00" },
    { "UTC", "YYYY-MM-DD HH:mm:ss.SSS Z", MAY_3 * 1000LL + 7, "2026-05-03 02:05:09.007 +00:00" },
    { "UTC", "YY-M-D H:m:s", MAY_3 * 1000LL, "26-5-3 2:5:9" },
    { "UTC", "MMMM MMM dddd ddd dd d Do", MAY_3 * 1000LL, "May May Sunday Sun Su 0 3rd" },
    { "UTC", "hh h A a kk k Q", MAY_3 * 1000LL + 12 * 3600000LL, "02 2 PM pm 14 14 2" },
    { "UTC", "hh h A kk", 0, "12 12 AM 24" },
    { "UTC", "X x", 1234567, "1234 1234567" },
    { "UTC", "[at] YYYY [HH] [", 0, "at 1970 HH [" },
    { "UTC", "Do Do", 10 * 86400000LL, "11th 11th" },
    { "UTC", "Do", 20 * 86400000LL, "21st" },
    { "UTC", "Do", 21 * 86400000LL, "22nd" },
    { "UTC", "", 0, "" },
    { "UTC", "%Y %H:%M %%", MAY_3 * 1000LL, "2026 02:05 %" },
    { "Asia/Kolkata", "HH:mm Z ZZ", MAY_3 * 1000LL, "07:35 +05:30 +0530" },
    { "America/St_Johns", "HH:mm Z ZZ", MAY_3 * 1000LL, "23:35 -02:30 -0230" },
};
/* clang-format on */

static void prints_what_dayjs_would(void **state)
{
    char text[LOG_DATE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)setenv("TZ", rows[i].zone, 1);
        tzset();
        assert_int_equal(log_date_print(rows[i].format, rows[i].ms, text), strlen(rows[i].want));
        assert_string_equal(text, rows[i].want);
    }
}

static void a_format_that_is_too_long_is_cut_off(void **state)
{
    char format[2000], text[LOG_DATE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof format; i++)
        format[i] = "MMMM "[i % 5];
    format[sizeof format - 1] = '\0';
    assert_in_range(log_date_print(format, 0, text), 100, LOG_DATE_MAX - 1);
    memset(format, '%', sizeof format - 1);
    assert_in_range(log_date_print(format, 0, text), 0, LOG_DATE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_dayjs_would),
        cmocka_unit_test(a_format_that_is_too_long_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
