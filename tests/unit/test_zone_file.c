/*
 * What zones are read from: rules for every year, files of tzdata whole and broken, and a file that
 * an upgrade replaces.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chance.h"
#include "file.h"
#include "instant.h"
#include "own.h"
#include "zone.h"
#include "zone_file.h"

#define LONDON "/usr/share/zoneinfo/Europe/London"
#define TOKYO "/usr/share/zoneinfo/Asia/Tokyo"

/* --- rules */

static void rules_move_the_clock(void **state)
{
    static const struct row {
        const char *rule;
        int year;
        const char *moves[ZONE_RULE_MOVES];
        int offsets[ZONE_RULE_MOVES];
    } rows[] = {
        { "EST5EDT,M3.2.0,M11.1.0",
          2026,
          { "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z" },
          { -4 * 3600, -5 * 3600 } },
        { "GMT0BST,M3.5.0/1,M10.5.0",
          2100,
          { "2100-03-28T01:00:00Z", "2100-10-31T01:00:00Z" },
          { 3600, 0 } },
        /* the summer of the south; half an hour; a standard time in summer */
        { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
          2026,
          { "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z" },
          { 37800, 39600 } },
        { "IST-1GMT0,M10.5.0,M3.5.0/1",
          2026,
          { "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z" },
          { 3600, 0 } },
        /* hours of another day, leap days counted and not */
        { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
          2026,
          { "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z" },
          { -3600, -7200 } },
        { "EET-2EEST,M3.4.4/50,M10.4.4/50",
          2026,
          { "2026-03-28T00:00:00Z", "2026-10-23T23:00:00Z" },
          { 10800, 7200 } },
        { "AAA0BBB,J60/0,J365/0",
          2028,
          { "2028-03-01T00:00:00Z", "2028-12-30T23:00:00Z" },
          { 3600, 0 } },
        { "AAA0BBB,59/0,364/0",
          2028,
          { "2028-02-29T00:00:00Z", "2028-12-29T23:00:00Z" },
          { 3600, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zone_move moves[ZONE_RULE_MOVES];
        char text[INSTANT_TEXT_MAX];
        struct zone_rule rule;

        if (zone_rule_parse(rows[i].rule, &rule) < 0)
            fail_msg("%s", rows[i].rule);
        zone_rule_moves(&rule, rows[i].year, moves);
        for (int k = 0; k < ZONE_RULE_MOVES; k++) {
            assert_string_equal(instant_print(moves[k].at * 1000, text), rows[i].moves[k]);
            assert_int_equal(moves[k].offset, rows[i].offsets[k]);
        }
    }
}

static void a_rule_may_move_nothing(void **state)
{
    struct zone_rule rule;

    (void)state;
    assert_int_equal(zone_rule_parse("<+0545>-5:45", &rule), 0);
    assert_false(rule.moves);
    assert_int_equal(rule.standard, 20700);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "UTC",
        "U0",
        "EST5EDT",
        "EST25",
        "EST5:60",
        "<+035",
        "EST5EDT,M13.1.0,M11.1.0",
        "EST5EDT,M0.1.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,M3.2,M11.1.0",
        "EST5EDT,J0,J1",
        "EST5EDT,366,1",
        "EST5EDT,1",
        "EST5EDT,1,2,3",
        "EST5EDT,1/168,2",
        "EST5EDT,1/,2",
        "Europe/London",
        "\xd0\x9c\xd0\xa1\xd0\x9a-3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct zone_rule rule = { .standard = 42 };

        if (zone_rule_parse(texts[i], &rule) != -EINVAL)
            fail_msg("\"%s\" is not refused", texts[i]);
        assert_int_equal(rule.standard, 42);
    }
}

/* --- files */

static char path[] = "/tmp/test-zone-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    return close(mkstemp(path));
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *bytes, size_t n)
{
    assert_int_equal(file_replace(path, bytes, n, 0600), 0);
}

static void copy_file(const char *from)
{
    OWN(free) char *text = NULL;
    size_t n;

    assert_int_equal(file_read(from, 1 << 20, &text, &n), 0);
    write_file(text, n);
}

static int read_it(struct zone_data *data)
{
    int r = zone_file_read(path, data);

    if (r == 0)
        free(data->moves);
    return r;
}

static void a_file_that_is_cut_short_is_none(void **state)
{
    OWN(free) char *text = NULL;
    struct zone_data data;
    size_t n;

    (void)state;
    assert_int_equal(file_read(LONDON, 1 << 20, &text, &n), 0);
    for (size_t length = 0; length < n; length += 1 + length / 16) {
        write_file(text, length);
        assert_int_equal(read_it(&data), -EBADMSG);
    }
    write_file(text, n);
    assert_int_equal(read_it(&data), 0);
    assert_int_equal(zone_file_read("/nowhere", &data), -ENOENT);
    assert_int_equal(zone_file_read("/tmp", &data) < 0, true);
}

/* Whatever stands in it: refused, or a clock that can be asked. */
static void a_file_that_is_damaged_does_no_harm(void **state)
{
    OWN(free) char *text = NULL;
    struct zone_data data;
    size_t n;
    int taken = 0;

    (void)state;
    assert_int_equal(file_read(TOKYO, 1 << 20, &text, &n), 0);
    for (int i = 0; i < 3000; i++) {
        OWN(free) char *copy = malloc(n);

        memcpy(copy, text, n);
        for (unsigned k = 0; k <= pick(3); k++)
            copy[pick((unsigned)n)] = (char)pick(256);
        write_file(copy, n);
        taken += read_it(&data) == 0;
    }
    assert_true(taken > 0 && taken < 3000);
}

static void an_upgrade_is_noticed_when_the_zone_is_opened_again(void **state)
{
    const struct zone *zone, *again;
    struct local shown;
    struct err err;
    int version;

    (void)state;
    copy_file(LONDON);
    assert_int_equal(setenv("TZ", path, 1), 0);
    assert_int_equal(zone_open(NULL, &zone, &err), 0);
    zone_local(zone, 1782864000000, &shown); /* 2026-07-01 */
    assert_int_equal(shown.hour, 1);
    version = zone_version(zone);
    assert_int_equal(zone_open(NULL, &again, &err), 0);
    assert_ptr_equal(again, zone);
    assert_int_equal(zone_version(zone), version);

    copy_file(TOKYO);
    assert_int_equal(zone_open(NULL, &again, &err), 0);
    assert_ptr_equal(again, zone);
    assert_int_not_equal(zone_version(zone), version);
    zone_local(zone, 1782864000000, &shown);
    assert_int_equal(shown.hour, 9);

    /* one that is half written, or gone for a moment, changes nothing */
    write_file("TZif", 4);
    assert_int_equal(zone_open(NULL, &again, &err), 0);
    zone_local(zone, 1782864000000, &shown);
    assert_int_equal(shown.hour, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_move_the_clock),
        cmocka_unit_test(a_rule_may_move_nothing),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(a_file_that_is_cut_short_is_none),
        cmocka_unit_test(a_file_that_is_damaged_does_no_harm),
        cmocka_unit_test(an_upgrade_is_noticed_when_the_zone_is_opened_again),
    };

    chance_seed();
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
