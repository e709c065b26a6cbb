/*
 * Time zones: what the clock shows, when it shows something, and that TZ stays as it was.
 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "instant.h"
#include "zone.h"

static const struct zone *zone_named(const char *name)
{
    const struct zone *zone;
    struct err err;

    if (zone_open(name, &zone, &err) < 0)
        fail_msg("%s", err.text);
    return zone;
}

static int64_t instant(const char *text)
{
    int64_t at;

    assert_int_equal(instant_parse(text, &at), 0);
    return at;
}

/* The wall clock's text as if it were in UTC; the fraction of a second is not shown. */
static struct local wall(const char *text)
{
    struct local local;

    zone_local(zone_named("UTC"), instant(text), &local);
    return local;
}

static void test_shows_the_wall_clock(void **state)
{
    static const struct row {
        const char *zone, *instant, *shown;
    } rows[] = {
        { "UTC", "2026-11-21T10:20:30.999Z", "2026-11-21T10:20:30Z" },
        { "UTC", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z" },
        { "UTC", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z" },
        { "Asia/Kathmandu", "1985-12-31T18:29:59Z", "1985-12-31T23:59:59Z" },
        { "Asia/Kathmandu", "1985-12-31T18:30:00Z", "1986-01-01T00:15:00Z" },
        { "Europe/Moscow", "2011-03-26T23:00:00Z", "2011-03-27T03:00:00Z" },
        { "Europe/Moscow", "2014-10-25T21:59:59Z", "2014-10-26T01:59:59Z" },
        { "Europe/Moscow", "2014-10-25T22:00:00Z", "2014-10-26T01:00:00Z" },
        { "Europe/London", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z" },
        { "Europe/London", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z" },
        { "Europe/London", "2099-07-01T00:00:00Z", "2099-07-01T01:00:00Z" },
        { "America/New_York", "1883-11-18T16:59:59Z", "1883-11-18T12:03:57Z" },
        { "America/New_York", "1883-11-18T17:00:00Z", "1883-11-18T12:00:00Z" },
        { "Etc/GMT+12", "2026-01-01T00:00:00Z", "2025-12-31T12:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct local want = wall(rows[i].shown), got;

        zone_local(zone_named(rows[i].zone), instant(rows[i].instant), &got);
        assert_memory_equal(&got, &want, sizeof got);
    }
    assert_int_equal(wall("2026-11-21T10:20:30Z").weekday, 6);
    assert_int_equal(wall("1969-12-28T00:00:00Z").weekday, 0);
}

static void test_says_when_a_time_is_shown(void **state)
{
    static const struct row {
        const char *zone, *shown;
        int n;
        const char *instants[2];
    } rows[] = {
        { "Europe/London", "2026-01-29T01:30:00Z", 1, { "2026-01-29T01:30:00Z" } },
        { "Europe/London", "2026-03-29T00:59:59Z", 1, { "2026-03-29T00:59:59Z" } },
        { "Europe/London", "2026-03-29T01:00:00Z", 0, { "2026-03-29T01:00:00Z" } },
        { "Europe/London", "2026-03-29T01:59:59Z", 0, { "2026-03-29T01:00:00Z" } },
        { "Europe/London", "2026-03-29T02:00:00Z", 1, { "2026-03-29T01:00:00Z" } },
        { "Europe/London", "2026-10-25T00:59:59Z", 1, { "2026-10-24T23:59:59Z" } },
        { "Europe/London",
          "2026-10-25T01:00:00Z",
          2,
          { "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z" } },
        { "Europe/London",
          "2026-10-25T01:59:59Z",
          2,
          { "2026-10-25T00:59:59Z", "2026-10-25T01:59:59Z" } },
        { "Europe/London", "2026-10-25T02:00:00Z", 1, { "2026-10-25T02:00:00Z" } },
        { "Australia/Lord_Howe", "2026-04-05T01:29:59Z", 1, { "2026-04-04T14:29:59Z" } },
        { "Australia/Lord_Howe",
          "2026-04-05T01:30:00Z",
          2,
          { "2026-04-04T14:30:00Z", "2026-04-04T15:00:00Z" } },
        { "Australia/Lord_Howe", "2026-10-04T02:29:59Z", 0, { "2026-10-03T15:30:00Z" } },
        { "Pacific/Apia", "2011-12-30T00:00:00Z", 0, { "2011-12-30T10:00:00Z" } },
        { "Pacific/Apia", "2011-12-30T23:59:59Z", 0, { "2011-12-30T10:00:00Z" } },
        { "Pacific/Apia", "2011-12-31T00:00:00Z", 1, { "2011-12-30T10:00:00Z" } },
        { "Pacific/Apia", "2011-12-29T23:59:59Z", 1, { "2011-12-30T09:59:59Z" } },
        { "America/Juneau",
          "1867-10-18T16:00:00Z",
          2,
          { "1867-10-18T00:57:41Z", "1867-10-19T00:57:41Z" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct zone *zone = zone_named(rows[i].zone);
        struct local shown = wall(rows[i].shown);
        int64_t got[2];

        assert_int_equal(zone_instants(zone, &shown, got), rows[i].n);
        for (int k = 0; k < 2 && rows[i].instants[k]; k++)
            assert_int_equal(got[k], instant(rows[i].instants[k]));
    }
}

static void set_process_zone(const char *name)
{
    assert_int_equal(name ? setenv("TZ", name, 1) : unsetenv("TZ"), 0);
    tzset();
}

/* Zones that move their clock often, oddly, or both, every seven hours of fifty years. */
static void test_agrees_with_the_c_library(void **state)
{
    static const char *const names[] = {
        "Africa/Casablanca", "America/New_York", "Asia/Gaza",
        "Antarctica/Troll",  "Europe/Moscow",    "Asia/Pyongyang"
    };
    const time_t step = 7L * 3600, end = instant("2040-01-01T00:00:00Z") / 1000;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct zone *zone = zone_named(names[i]);

        set_process_zone(names[i]);
        for (time_t t = instant("1990-01-01T00:00:00Z") / 1000; t < end; t += step) {
            struct local got;
            struct tm tm;

            zone_local(zone, t * 1000, &got);
            (void)localtime_r(&t, &tm);
            if (got.hour != tm.tm_hour || got.minute != tm.tm_min || got.day != tm.tm_mday)
                fail_msg("%s at %lld: got %02d:%02d, want %02d:%02d", names[i], (long long)t,
                         got.hour, got.minute, tm.tm_hour, tm.tm_min);
        }
    }
    set_process_zone(NULL);
}

static void test_is_steady_up_to_each_move(void **state)
{
    const struct zone *zone = zone_named("Europe/London");
    int64_t at = instant("2026-01-01T00:00:00Z"), until;
    int moves = 0;

    (void)state;
    for (; at < instant("2027-01-01T00:00:00Z"); at = until) {
        until = zone_steady_until(zone, at);
        assert_true(until > at);
        moves += until == instant("2026-03-29T01:00:00Z");
        moves += until == instant("2026-10-25T01:00:00Z");
        assert_int_equal(zone_steady_until(zone, until - 1), until);
    }
    assert_int_equal(moves, 2);
}

static void test_without_a_name_is_the_zone_of_the_system(void **state)
{
    struct local got, want = wall("2026-01-01T05:45:00Z");

    (void)state;
    set_process_zone("Asia/Kathmandu");
    zone_local(zone_named(NULL), instant("2026-01-01T00:00:00Z"), &got);
    assert_memory_equal(&got, &want, sizeof got);
    set_process_zone(NULL);
}

static void test_leaves_the_process_in_its_own_zone(void **state)
{
    const time_t t = instant("2026-07-01T00:00:00Z") / 1000;
    char **before;
    struct local local;
    struct tm tm;

    (void)state;
    set_process_zone("America/New_York");
    before = environ;
    zone_local(zone_named("Asia/Tokyo"), instant("2026-07-01T00:00:00Z"), &local);
    assert_int_equal(local.hour, 9);
    assert_ptr_equal(environ, before);
    assert_string_equal(getenv("TZ"), "America/New_York");
    (void)localtime_r(&t, &tm);
    assert_int_equal(tm.tm_hour, 20);
    set_process_zone(NULL);
}

static void test_opens_a_zone_once(void **state)
{
    (void)state;
    assert_ptr_equal(zone_named("Europe/Moscow"), zone_named("Europe/Moscow"));
    assert_ptr_equal(zone_named("UTC"), zone_named("UTC"));
    assert_ptr_equal(zone_named(NULL), zone_named(NULL));
    assert_ptr_not_equal(zone_named("UTC"), zone_named(NULL));
    assert_ptr_not_equal(zone_named("Europe/Moscow"), zone_named("Europe/London"));
}

static void test_refuses_an_unknown_name(void **state)
{
#define WANT_IANA "want an IANA name such as \"Europe/Moscow\""
    static const struct row {
        const char *name, *error;
    } rows[] = {
        { "Europe/Mosco", "unknown time zone \"Europe/Mosco\"; did you mean \"Europe/Moscow\"?" },
        { "america/new york",
          "unknown time zone \"america/new york\"; did you mean \"America/New_York\"?" },
        { "kathmandu", "unknown time zone \"kathmandu\"; did you mean \"Asia/Kathmandu\"?" },
        { "", "unknown time zone \"\"; " WANT_IANA },
        { "Nowhere/At_All_Really", "unknown time zone \"Nowhere/At_All_Really\"; " WANT_IANA },
        { "../../../etc/localtime", "unknown time zone \"../../../etc/localtime\"; " WANT_IANA },
        { "/etc/localtime", "unknown time zone \"/etc/localtime\"; " WANT_IANA },
        { "Antarctica", "unknown time zone \"Antarctica\"; " WANT_IANA },
        { "tzdata.zi", "unknown time zone \"tzdata.zi\"; " WANT_IANA },
        { "UTC\n", "a time zone's name has no control characters" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct zone *zone = NULL;
        struct err err = { "" };

        assert_int_equal(zone_open(rows[i].name, &zone, &err), -ENOENT);
        assert_string_equal(err.text, rows[i].error);
        assert_null(zone);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shows_the_wall_clock),
        cmocka_unit_test(test_says_when_a_time_is_shown),
        cmocka_unit_test(test_agrees_with_the_c_library),
        cmocka_unit_test(test_is_steady_up_to_each_move),
        cmocka_unit_test(test_without_a_name_is_the_zone_of_the_system),
        cmocka_unit_test(test_leaves_the_process_in_its_own_zone),
        cmocka_unit_test(test_opens_a_zone_once),
        cmocka_unit_test(test_refuses_an_unknown_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
