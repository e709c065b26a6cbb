/*
 * Ticks by a clock that is looked at late, and that is set: each at most once, never two of the
 * past; and where cron_last finds the last one of a span.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "chance.h"
#include "instant.h"
#include "ticks.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

struct schedule {
    struct cron cron;
    struct tick_rule rule;
    struct ticks ticks;
};

static void set_up_schedule(struct schedule *s, const char *text)
{
    struct err err;

    *s = (struct schedule){ .rule = { .cron = &s->cron, .seed = 42 } };
    if (cron_parse(text, &s->cron, &err) < 0 || zone_open("UTC", &s->rule.zone, &err) < 0)
        fail_msg("%s", err.text);
}

static int64_t at(const char *time)
{
    char text[INSTANT_TEXT_MAX];
    int64_t instant;

    (void)snprintf(text, sizeof text, "2026-11-21T%sZ", time);
    assert_int_equal(instant_parse(text, &instant), 0);
    return instant;
}

/* Looks at the clock; tick is what is taken then, NULL: nothing, "!…": missed. */
static void look(struct schedule *s, const char *time, const char *tick)
{
    char text[INSTANT_TEXT_MAX];
    int64_t taken = 0;
    enum ticks_due due;

    if (!s->ticks.next)
        ticks_plan(&s->ticks, &s->rule, at(time));
    due = ticks_take(&s->ticks, &s->rule, at(time), &taken);
    if (due == TICKS_DUE)
        ticks_begin(&s->ticks, taken);
    if (!tick && due == TICKS_NONE)
        return;
    if (!tick || due == TICKS_NONE)
        fail_msg("at %s: %s", time, tick ? "nothing was taken" : instant_print(taken, text));
    assert_int_equal(due, tick[0] == '!' ? TICKS_MISSED : TICKS_DUE);
    assert_string_equal(instant_print(taken, text), instant_print(at(tick + (*tick == '!')), text));
    assert_true(s->ticks.next > at(time));
}

static void each_tick_is_taken_once(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "*/10 * * * *");
    look(&s, "10:00:00", NULL);
    look(&s, "10:09:59.999", NULL);
    look(&s, "10:10:00", "10:10:00");
    look(&s, "10:10:00", NULL);
    look(&s, "10:20:30", "10:20:00");
    look(&s, "10:29:00", NULL);
}

static void of_those_that_came_meanwhile_only_the_last_counts(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "* * * * * *");
    look(&s, "10:00:00", NULL);
    look(&s, "10:00:45.500", "10:00:45");
    look(&s, "10:00:45.900", NULL);
    look(&s, "10:00:46", "10:00:46");
}

static void what_is_a_minute_late_was_missed(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "0 * * * *");
    look(&s, "10:30:00", NULL);
    look(&s, "11:01:00", "11:00:00");
    look(&s, "12:01:00.001", "!12:00:00");
    look(&s, "15:40:00", "!15:00:00");
    look(&s, "15:41:00", NULL);
    look(&s, "16:00:00", "16:00:00");
}

static void a_clock_that_is_put_back_gives_no_tick_again(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "*/10 * * * *");
    look(&s, "11:00:00", NULL);
    look(&s, "11:10:00", "11:10:00");
    ticks_clock_set(&s.ticks, &s.rule, at("10:15:00"));
    look(&s, "10:20:00", NULL);
    look(&s, "11:10:30", NULL);
    look(&s, "11:20:00", "11:20:00");
}

static void a_clock_that_was_quite_wrong_is_believed_no_longer(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "*/10 * * * *");
    look(&s, "20:00:00", NULL);
    look(&s, "20:10:00", "20:10:00");
    ticks_clock_set(&s.ticks, &s.rule, at("10:15:00"));
    look(&s, "10:19:00", NULL);
    look(&s, "10:20:00", "10:20:00");
}

static void a_clock_that_is_put_forward_skips_what_lies_between(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "*/10 * * * *");
    look(&s, "10:05:00", NULL);
    ticks_clock_set(&s.ticks, &s.rule, at("10:08:00"));
    assert_int_equal(s.ticks.next, at("10:10:00"));
    ticks_clock_set(&s.ticks, &s.rule, at("13:05:00"));
    look(&s, "13:05:00", "!13:00:00");
    look(&s, "13:10:00", "13:10:00");
}

static void what_was_planned_by_another_schedule_is_planned_anew(void **state)
{
    struct schedule s;

    (void)state;
    set_up_schedule(&s, "30 12 * * *");
    s.ticks.next = s.ticks.due = at("10:00:00");
    look(&s, "11:00:00", NULL);
    assert_int_equal(s.ticks.next, at("12:30:00"));
}

static void tries_are_counted_by_tick(void **state)
{
    struct ticks ticks = { .tries = 3, .last = 1000, .skipped = 2 };

    (void)state;
    ticks_begin(&ticks, 1000);
    assert_int_equal(ticks.tries, 3);
    assert_int_equal(ticks.skipped, 0);
    ticks_begin(&ticks, 2000);
    assert_int_equal(ticks.tries, 0);
}

/* --- jitter */

static void lateness_is_the_same_for_the_same_tick(void **state)
{
    struct schedule s, other;
    int64_t least = INT64_MAX, most = 0, wall = at("00:00:00");
    int different = 0;

    (void)state;
    set_up_schedule(&s, "0 * * * *");
    set_up_schedule(&other, "0 * * * *");
    s.rule.jitter_ms = other.rule.jitter_ms = 10 * MINUTE;
    other.rule.seed = 43;
    for (int i = 0; i < 200; i++) {
        struct ticks again = { 0 };
        int64_t late;

        ticks_plan(&s.ticks, &s.rule, wall);
        ticks_plan(&again, &s.rule, s.ticks.next - 1);
        ticks_plan(&other.ticks, &other.rule, wall);
        assert_int_equal(again.due, s.ticks.due);
        late = s.ticks.due - s.ticks.next;
        assert_true(late >= 0 && late < 10 * MINUTE);
        least = late < least ? late : least;
        most = late > most ? late : most;
        different += other.ticks.due != s.ticks.due;
        wall = s.ticks.next;
    }
    assert_true(least < MINUTE && most > 9 * MINUTE && different > 190);
}

static void no_tick_is_in_the_way_of_the_next_one(void **state)
{
    struct schedule s;
    int64_t wall = at("00:00:00"), tick;
    int taken = 0;

    (void)state;
    set_up_schedule(&s, "@every 7s");
    s.rule.jitter_ms = HOUR;
    ticks_plan(&s.ticks, &s.rule, wall);
    for (; wall < at("01:10:00"); wall += 100) {
        if (ticks_take(&s.ticks, &s.rule, wall, &tick) == TICKS_NONE)
            continue;
        assert_true(tick <= wall && wall < tick + 7 * SECOND / 2 + 100);
        taken++;
    }
    assert_int_equal(taken, 600);
}

/* Up to its own lateness a tick is on time, however late it is by the schedule. */
static void a_tick_that_waits_for_its_lateness_is_not_missed(void **state)
{
    struct schedule s;
    int64_t tick, late;

    (void)state;
    set_up_schedule(&s, "0 12 * * *");
    s.rule.jitter_ms = 5 * HOUR;
    ticks_plan(&s.ticks, &s.rule, at("11:00:00"));
    late = s.ticks.due - s.ticks.next;
    assert_true(late > 2 * MINUTE);
    assert_int_equal(ticks_take(&s.ticks, &s.rule, s.ticks.due - 1, &tick), TICKS_NONE);
    assert_int_equal(ticks_take(&s.ticks, &s.rule, s.ticks.due, &tick), TICKS_DUE);
    assert_int_equal(tick, at("12:00:00"));
}

/* --- any clock */

/* Looked at often enough every tick is taken, in its order, however late it is on purpose. */
static void a_steady_clock_misses_nothing(void **state)
{
    static const char *const texts[] = { "*/10 * * * *", "30 1,13 * * *", "@every 7m" };

    (void)state;
    for (int round = 0; round < 30; round++) {
        int64_t wall = at("00:00:00"), want, tick;
        struct schedule s;

        set_up_schedule(&s, texts[pick(3)]);
        s.rule.jitter_ms = pick(2) ? pick(20 * MINUTE) : 0;
        s.rule.seed = pick(1000);
        ticks_plan(&s.ticks, &s.rule, wall);
        assert_int_equal(cron_next(&s.cron, s.rule.zone, wall, &want), 0);
        while (wall < at("23:00:00")) {
            wall += pick(MINUTE);
            if (ticks_take(&s.ticks, &s.rule, wall, &tick) == TICKS_NONE)
                continue;
            ticks_begin(&s.ticks, tick);
            assert_int_equal(tick, want);
            assert_int_equal(cron_next(&s.cron, s.rule.zone, want, &want), 0);
        }
        assert_true(want > wall - 20 * MINUTE);
    }
}

/* Set by anything up to an hour, again and again, and looked at whenever: no tick comes twice. */
static void a_clock_that_is_set_takes_no_tick_twice(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        int64_t wall = at("00:00:00"), last = 0, tick;
        struct schedule s;
        int taken = 0;

        set_up_schedule(&s, pick(2) ? "* * * * *" : "*/7 3-20 * * *");
        s.rule.jitter_ms = pick(2) ? pick(MINUTE) : 0;
        ticks_plan(&s.ticks, &s.rule, wall);
        for (int i = 0; i < 3000; i++) {
            int64_t before = wall;

            wall += pick(2) ? pick(MINUTE) : pick(3 * HOUR);
            if (pick(3) == 0)
                wall = before - pick(HOUR - (unsigned)(last > before ? last - before : 0));
            ticks_clock_set(&s.ticks, &s.rule, wall);
            if (ticks_take(&s.ticks, &s.rule, wall, &tick) != TICKS_DUE)
                continue;
            ticks_begin(&s.ticks, tick);
            assert_true(tick > last && tick <= wall);
            last = tick;
            taken++;
        }
        assert_true(taken > 100);
    }
}

/* --- cron_last, against going through all of them */

static void check_last(const struct schedule *s, int64_t after, int64_t until)
{
    int64_t want = 0, next = after, got = 0;

    while (cron_next(&s->cron, s->rule.zone, next, &next) == 0 && next <= until)
        want = next;
    if (cron_last(&s->cron, s->rule.zone, after, until, &got) < 0)
        assert_int_equal(got, 0);
    assert_int_equal(got, want);
}

static void the_last_of_a_span_is_found(void **state)
{
    static const char *const texts[] = { "* * * * *",  "*/7 3 * * *", "0 0 1 * *",
                                         "@every 90s", "30 1 * * *",  "*/5 * * * * *" };
    struct schedule s;
    struct err err;

    (void)state;
    for (int i = 0; i < 600; i++) {
        int64_t after = at("00:00:00") - (int64_t)pick(400) * 24 * HOUR - (int64_t)pick(HOUR);
        int64_t span = (int64_t)pick(3) ? (int64_t)pick(2 * HOUR) : (int64_t)pick(60) * HOUR;

        set_up_schedule(&s, texts[pick(6)]);
        assert_int_equal(zone_open("Europe/London", &s.rule.zone, &err), 0);
        check_last(&s, after, after + span);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tick_is_taken_once),
        cmocka_unit_test(of_those_that_came_meanwhile_only_the_last_counts),
        cmocka_unit_test(what_is_a_minute_late_was_missed),
        cmocka_unit_test(a_clock_that_is_put_back_gives_no_tick_again),
        cmocka_unit_test(a_clock_that_was_quite_wrong_is_believed_no_longer),
        cmocka_unit_test(a_clock_that_is_put_forward_skips_what_lies_between),
        cmocka_unit_test(what_was_planned_by_another_schedule_is_planned_anew),
        cmocka_unit_test(tries_are_counted_by_tick),
        cmocka_unit_test(lateness_is_the_same_for_the_same_tick),
        cmocka_unit_test(no_tick_is_in_the_way_of_the_next_one),
        cmocka_unit_test(a_tick_that_waits_for_its_lateness_is_not_missed),
        cmocka_unit_test(a_steady_clock_misses_nothing),
        cmocka_unit_test(a_clock_that_is_set_takes_no_tick_twice),
        cmocka_unit_test(the_last_of_a_span_is_found),
    };

    chance_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
