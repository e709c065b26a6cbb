/* Points and spans of time as text: RFC 3339 to its edges. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "instant.h"

/* clang-format off */
static const struct { const char *text; int64_t want; } instants[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01T00:00:00.001Z", 1 },
    { "1969-12-31T23:59:59.999Z", -1 },
    { "2026-11-21T10:00:00Z", 1795255200000 },
    { "2026-11-21t10:00:00z", 1795255200000 },
    { "2026-11-21 10:00:00Z", 1795255200000 },
    { "2026-11-21T13:00:00+03:00", 1795255200000 },
    { "2026-11-20T20:15:00-13:45", 1795255200000 },
    { "2026-11-21T10:00:00-00:00", 1795255200000 },
    { "2026-11-21T10:00:00.5Z", 1795255200500 },
    { "2026-11-21T10:00:00.1234567891234Z", 1795255200123 },
    { "2024-02-29T00:00:00Z", 1709164800000 },
    { "2000-02-29T23:59:59Z", 951868799000 },
    { "0001-01-01T00:00:00Z", -62135596800000 },
    { "9999-12-31T23:59:59.999Z", 253402300799999 },
};

static const char *const no_instants[] = {
    "", "2026", "2026-11-21", "2026-11-21T10:00:00", "2026-11-21T10:00Z", "2026-11-21T10:00:00+03",
    "2026-11-21T10:00:00+0300", "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+03:60",
    "2026-11-21T10:00:00Zx", " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00.Z",
    "2026-11-21T10:00:00,5Z", "2026-1-21T10:00:00Z", "26-11-21T10:00:00Z", "2026/11/21T10:00:00Z",
    "2026-00-21T10:00:00Z", "2026-13-21T10:00:00Z", "2026-99-21T10:00:00Z",
    "2026-11-00T10:00:00Z", "2026-11-31T10:00:00Z", "2026-02-29T10:00:00Z",
    "1900-02-29T10:00:00Z", "2026-02-30T10:00:00Z", "2026-11-21T24:00:00Z",
    "2026-11-21T10:60:00Z", "2026-11-21T10:00:60Z", "2026-11-21T10:00:99Z",
    "2026-11-21T1a:00:00Z", "-026-11-21T10:00:00Z",
};

static const struct { int64_t instant; const char *want; } prints[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 1, "1970-01-01T00:00:00.001Z" },
    { -1, "1969-12-31T23:59:59.999Z" },
    { -1000, "1969-12-31T23:59:59Z" },
    { 1795255200120, "2026-11-21T10:00:00.120Z" },
    { 253402300799999, "9999-12-31T23:59:59.999Z" },
};

static const struct { const char *text; int want; int64_t ms; } durations[] = {
    { "0", 0, 0 },                     { "250", 0, 250 },
    { "250ms", 0, 250 },               { "30s", 0, 30000 },
    { "5m", 0, 300000 },               { "1h", 0, 3600000 },
    { "2d", 0, 172800000 },            { "1h30m", 0, 5400000 },
    { "1d2h3m4s5ms", 0, 93784005 },    { "0s", 0, 0 },
    { "36525d", 0, 3155760000000 },    { "36525d1ms", -ERANGE, 0 },
    { "36526d", -ERANGE, 0 },          { "3155760000001", -ERANGE, 0 },
    { "99999999999999999999", -ERANGE, 0 },
    { "", -EINVAL, 0 },                { "s", -EINVAL, 0 },
    { "-5", -EINVAL, 0 },              { "+5", -EINVAL, 0 },
    { "1.5s", -EINVAL, 0 },            { "1h30", -EINVAL, 0 },
    { "30 s", -EINVAL, 0 },            { "5S", -EINVAL, 0 },
    { "1w", -EINVAL, 0 },              { "5sec", -EINVAL, 0 },
    { "5 ", -EINVAL, 0 },
};
/* clang-format on */

static void instants_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof instants / sizeof *instants; i++) {
        int64_t got = 77;
        int r = instant_parse(instants[i].text, &got);

        if (r != 0 || got != instants[i].want)
            fail_msg("%s: %d, %lld, want %lld", instants[i].text, r, (long long)got,
                     (long long)instants[i].want);
    }
}

static void what_does_not_exist_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof no_instants / sizeof *no_instants; i++) {
        int64_t got = 77;

        if (instant_parse(no_instants[i], &got) != -EINVAL || got != 77)
            fail_msg("\"%s\" was read as %lld", no_instants[i], (long long)got);
    }
}

static void instants_are_printed_as_short_as_possible(void **state)
{
    char text[INSTANT_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof prints / sizeof *prints; i++)
        assert_string_equal(instant_print(prints[i].instant, text), prints[i].want);
}

static void what_is_printed_can_be_read(void **state)
{
    char text[INSTANT_TEXT_MAX];
    int64_t got;

    (void)state;
    for (int64_t t = -62135596800000; t < 253402300799999; t += 86399999 * 97LL) {
        assert_int_equal(instant_parse(instant_print(t, text), &got), 0);
        assert_int_equal(got, t);
    }
}

/* Such an instant comes from arithmetic that went wrong; it must not write past its text. */
static void an_instant_beyond_the_calendar_does_no_harm(void **state)
{
    char text[INSTANT_TEXT_MAX];

    (void)state;
    assert_true(strlen(instant_print(INT64_MAX / 2, text)) < sizeof text);
    assert_true(strlen(instant_print(INT64_MIN / 2, text)) < sizeof text);
}

static void durations_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t got = 77;
        int r = duration_parse(durations[i].text, &got);

        if (r != durations[i].want || got != (r == 0 ? durations[i].ms : 77))
            fail_msg("\"%s\": %d, %lld", durations[i].text, r, (long long)got);
    }
}

static void the_clocks_go_forward(void **state)
{
    uint64_t before = monotonic_now_ms();

    (void)state;
    assert_true(monotonic_now_ms() >= before);
    assert_true(instant_now() > instants[3].want - 20LL * 365 * 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_read),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(instants_are_printed_as_short_as_possible),
        cmocka_unit_test(what_is_printed_can_be_read),
        cmocka_unit_test(an_instant_beyond_the_calendar_does_no_harm),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(the_clocks_go_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
