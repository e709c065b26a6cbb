/* What `opsctl monit` shows, without a terminal. */
#include "test.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "monit_model.h"
#include "own.h"

static void take(struct monit *m, const char *rows)
{
    OWN(json) cJSON *json = NULL;

    assert_int_equal(json_parse(rows, strlen(rows), &json, NULL), 0);
    assert_int_equal(monit_take_fleet(m, json), 0);
}

#define ROW(id, name, space, state, more)                                                  \
    "{\"id\":" #id ",\"name\":\"" name "\",\"namespace\":\"" space "\",\"state\":\"" state \
    "\"" more "}"

static const char three[] =
    "[" ROW(0, "api", "shop", "online", ",\"instance\":0,\"cpu_percent\":50,\"uptime_ms\":1") "," ROW(
        1, "api", "shop", "errored", ",\"instance\":1") "," ROW(2, "bot", "chat", "online",
                                                                ",\"instance\":0") "]";

static const char *selected(const struct monit *m)
{
    return monit_selected(m) ? monit_selected(m)->label : "nobody";
}

static void rows_become_workers_and_somebody_is_selected(void **state)
{
    static struct monit m;

    (void)state;
    monit_init(&m);
    assert_string_equal(selected(&m), "nobody");
    take(&m, three);
    assert_int_equal(monit_visible(&m), 3);
    assert_string_equal(selected(&m), "api:0");
    assert_string_equal(monit_at(&m, 1)->label, "api:1");
    assert_int_equal(monit_at(&m, 1)->uptime_ms, -1);
    assert_int_equal(monit_count(&m, "online"), 2);
    take(&m, "[]");
    assert_string_equal(selected(&m), "nobody");
    assert_false(monit_move(&m, 1));
    monit_done(&m);
}

static void the_selection_moves_within_bounds_and_survives(void **state)
{
    static struct monit m;

    (void)state;
    monit_init(&m);
    take(&m, three);
    assert_false(monit_move(&m, -1));
    assert_true(monit_move(&m, 2));
    assert_string_equal(selected(&m), "bot");
    assert_false(monit_move(&m, 9));
    take(&m, three);
    assert_string_equal(selected(&m), "bot");
    take(&m, "[" ROW(0, "api", "shop", "online", "") "]");
    assert_string_equal(selected(&m), "api");
    monit_done(&m);
}

static void the_filter_hides_and_the_selection_stays_visible(void **state)
{
    static struct monit m;

    (void)state;
    monit_init(&m);
    take(&m, three);
    assert_true(monit_type(&m, 'B') && monit_visible(&m) == 1);
    assert_string_equal(selected(&m), "bot");
    assert_true(monit_type(&m, 'x') && !monit_visible(&m));
    assert_string_equal(selected(&m), "nobody");
    assert_true(monit_type(&m, '\b'));
    assert_string_equal(selected(&m), "bot");
    (void)monit_type(&m, '\b');
    assert_false(monit_type(&m, '\b'));
    assert_false(monit_type(&m, 0x1b));
    assert_string_equal(m.filter, "");
    for (const char *c = "ERRORED"; *c; c++)
        (void)monit_type(&m, *c);
    assert_string_equal(selected(&m), "api:1");
    for (int i = 0; i < 2 * MONIT_FILTER_MAX; i++)
        (void)monit_type(&m, 'x');
    assert_int_equal(strlen(m.filter), MONIT_FILTER_MAX - 1);
    monit_done(&m);
}

static void samples_stay_with_their_id(void **state)
{
    static struct monit m;
    const struct monit_worker *w;

    (void)state;
    monit_init(&m);
    for (int i = 0; i < MONIT_SAMPLES + 5; i++)
        take(&m, three);
    w = monit_at(&m, 0);
    assert_int_equal(w->cpu.count, MONIT_SAMPLES);
    assert_true(w->cpu.values[0] == 50 && w->cpu.values[MONIT_SAMPLES - 1] == 50);
    take(&m, "[" ROW(9, "api", "shop", "online", "") "]");
    assert_int_equal(monit_at(&m, 0)->cpu.count, 1);
    monit_done(&m);
}

static void a_sparkline_is_scaled_and_stands_to_the_right(void **state)
{
    struct monit_samples samples = { { 0, 5, 10 }, 3 };
    OWN_BUF struct buf text = { 0 };

    (void)state;
    buf_init(&text, 1000);
    assert_int_equal(monit_spark(&samples, 5, 1, &text), 0);
    assert_string_equal(text.p, "  ▁▅█");
    buf_clear(&text);
    assert_int_equal(monit_spark(&samples, 2, 100, &text), 0);
    assert_string_equal(text.p, "▁▂");
    buf_clear(&text);
    samples = (struct monit_samples){ { 0, 0 }, 2 };
    assert_int_equal(monit_spark(&samples, 2, 0, &text), 0);
    assert_string_equal(text.p, "▁▁");
}

static void lines_are_safe_and_the_oldest_are_forgotten(void **state)
{
    static const char evil[] = "a\x1b[2J\tb\0c\xff";
    static struct monit m;
    char text[32];

    (void)state;
    monit_init(&m);
    assert_null(monit_line_back(&m, 0));
    assert_int_equal(monit_take_line(&m, evil, sizeof evil - 1, true), 0);
    assert_string_equal(monit_line_back(&m, 0)->text, "a\\x1b[2J    b\\x00c\\xff");
    assert_true(monit_line_back(&m, 0)->err);
    assert_null(monit_line_back(&m, 1));
    for (int i = 0; i < MONIT_LINES + 3; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        assert_int_equal(monit_take_line(&m, text, strlen(text), false), 0);
    }
    assert_string_equal(monit_line_back(&m, 0)->text, "1002");
    assert_string_equal(monit_line_back(&m, MONIT_LINES - 1)->text, "3");
    assert_null(monit_line_back(&m, MONIT_LINES));
    assert_int_equal(monit_take_line(&m, "", 0, false), 0);
    assert_string_equal(monit_line_back(&m, 0)->text, "");
    monit_forget_lines(&m);
    assert_null(monit_line_back(&m, 0));
    monit_done(&m);
}

static void what_is_said_is_safe_too(void **state)
{
    static struct monit m;

    (void)state;
    monit_init(&m);
    monit_say(&m, true, "%s", "no\x1b[31m");
    assert_string_equal(m.message, "no\\x1b[31m");
    assert_true(m.failed);
    monit_say(&m, false, "%s", "");
    assert_string_equal(m.message, "");
    monit_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_workers_and_somebody_is_selected),
        cmocka_unit_test(the_selection_moves_within_bounds_and_survives),
        cmocka_unit_test(the_filter_hides_and_the_selection_stays_visible),
        cmocka_unit_test(samples_stay_with_their_id),
        cmocka_unit_test(a_sparkline_is_scaled_and_stands_to_the_right),
        cmocka_unit_test(lines_are_safe_and_the_oldest_are_forgotten),
        cmocka_unit_test(what_is_said_is_safe_too),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
