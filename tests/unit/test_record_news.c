/* What the journal says of an instance: its lists, whether there is news, and whom a line is about.
 */
#include "record_fields.h"

/* --- lists */

static void add_exit(struct instance *i, int n)
{
    struct exit_record *exit = instance_next_exit(i);

    assert_non_null(exit);
    *exit = (struct exit_record){ .at = 1700000000000 + n,
                                  .status = { .code = n, .signal = n % 3 },
                                  .uptime_ms = 10 + n,
                                  .span = { n, n + 1, n + 2, n + 3 } };
    (void)err_set(&exit->reason, 0, "reason %d", n);
}

static void assert_exit(const struct instance *i, unsigned at, int n)
{
    const struct exit_record *exit = &i->exits[at % EXITS_KEPT];
    char reason[32];

    assert_int_equal(exit->at, 1700000000000 + n);
    assert_int_equal(exit->status.code, n);
    assert_int_equal(exit->status.signal, n % 3);
    assert_int_equal(exit->uptime_ms, 10 + n);
    assert_int_equal(exit->span.out_from, n);
    assert_int_equal(exit->span.out_to, n + 1);
    assert_int_equal(exit->span.err_from, n + 2);
    assert_int_equal(exit->span.err_to, n + 3);
    (void)snprintf(reason, sizeof reason, "reason %d", n);
    assert_string_equal(exit->reason.text, reason);
}

static void the_last_exits_come_back(void **state)
{
    (void)state;
    for (int exits = 0; exits < 3 * EXITS_KEPT; exits++) {
        struct instance *from = new_instance("w"), *to = new_instance("w");
        int kept = exits < EXITS_KEPT ? exits : EXITS_KEPT;
        cJSON *line;

        for (int n = 0; n < exits; n++)
            add_exit(from, n);
        add_exit(to, 99);
        line = printed(from, true);
        record_parse(line, to);
        cJSON_Delete(line);
        assert_int_equal(to->exit_count, kept);
        for (int k = 0; k < kept; k++)
            assert_exit(to, (unsigned)k, exits - kept + k);
        drop(from);
        drop(to);
    }
}

/* They are many bytes: only said when there is another. */
static void exits_are_said_once(void **state)
{
    struct instance *i = new_instance("w");
    cJSON *line;

    (void)state;
    for (int round = 0; round < 2 * EXITS_KEPT; round++) {
        add_exit(i, round);
        line = printed(i, false);
        assert_true(cJSON_IsArray(json_get(line, "exits")));
        cJSON_Delete(line);
        line = printed(i, false);
        assert_null(json_get(line, "exits"));
        cJSON_Delete(line);
        line = printed(i, true);
        assert_true(cJSON_IsArray(json_get(line, "exits")));
        cJSON_Delete(line);
    }
    drop(i);
}

static void the_window_comes_back(void **state)
{
    static const unsigned counts[] = { 0, 1, RESTART_WINDOW_MAX - 1, RESTART_WINDOW_MAX,
                                       RESTART_WINDOW_MAX + 50 };

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct instance *from = new_instance("w"), *to = new_instance("w");
        struct restart_history *history = &from->machine.history;
        cJSON *line;

        for (unsigned n = 0; n < counts[c]; n++)
            history->exits_at[history->exits++ % RESTART_WINDOW_MAX] = 1000 + n;
        line = printed(from, true);
        record_parse(line, to);
        cJSON_Delete(line);
        assert_memory_equal(history, &to->machine.history, sizeof *history);
        drop(from);
        drop(to);
    }
}

/* --- news */

static void each_field_is_news(void **state)
{
    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        struct instance *i = new_instance("w");

        /* Texts change with something else. */
        if (rows[row].kind == TEXT) {
            drop(i);
            continue;
        }
        fill(i, row, 2);
        i->machine.wanted = i->to_want;
        (void)record_changed(i);
        assert_false(record_changed(i));
        fill(i, row, 1);
        i->machine.wanted = i->to_want;
        if (!record_changed(i))
            fail_msg("nothing is said of %s", rows[row].name);
        if (record_changed(i))
            fail_msg("%s is said twice", rows[row].name);
        drop(i);
    }
}

static void what_is_not_kept_is_no_news(void **state)
{
    struct instance *i = new_instance("w");

    (void)state;
    (void)record_changed(i);
    i->usage = (struct usage){ 1, 2, 3, 4 };
    i->next_clear_ms = i->next_probe_ms = 9;
    i->blocked = "x";
    i->fresh = i->held = i->start_asked = i->adopted = i->recorded = true;
    i->renewal.memory_bytes = 10;
    assert_false(record_changed(i));
    drop(i);
}

/* opsd stops everything when it leaves, and nobody changed their mind. */
static void an_end_of_opsd_changes_nobodys_mind(void **state)
{
    struct instance *i = new_instance("w"), *to = new_instance("w");
    cJSON *line;

    (void)state;
    i->machine.wanted = true;
    assert_true(record_changed(i));
    fleet.leaving = true;
    i->machine.wanted = false;
    i->machine.state = STATE_STOPPING;
    assert_true(record_changed(i));
    line = printed(i, true);
    record_parse(line, to);
    cJSON_Delete(line);
    assert_true(to->machine.wanted);
    drop(i);
    drop(to);
}

/* --- whom it is about */

static void a_key_names_an_instance(void **state)
{
    static const char *const none[] = { "{}",
                                        "[]",
                                        "7",
                                        "{\"left\":true}",
                                        "{\"name\":\"w\"}",
                                        "{\"instance\":0}",
                                        "{\"name\":7,\"instance\":0}",
                                        "{\"name\":\"w\",\"instance\":true}",
                                        "{\"name\":\"w\",\"instance\":1.5}" };
    struct instance *i = new_instance("w");
    struct record_key key;
    cJSON *line;

    (void)state;
    i->hidden = true;
    i->variant = 4;
    line = printed(i, true);
    assert_true(record_key(line, &key));
    assert_string_equal(key.name, "w");
    assert_int_equal(key.number, 3);
    assert_int_equal(key.variant, 4);
    assert_true(key.hidden);
    assert_false(key.by_hand);
    assert_false(key.gone);
    cJSON_Delete(line);

    i->run = &(struct run){ .args = NULL };
    i->id = 70;
    line = printed(i, true);
    assert_true(record_key(line, &key));
    assert_true(key.by_hand);
    assert_int_equal(key.number, 70);
    cJSON_Delete(line);
    drop(i);
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) {
        struct err why;

        assert_int_equal(json_parse(none[k], strlen(none[k]), &line, &why), 0);
        if (record_key(line, &key))
            fail_msg("%s names an instance", none[k]);
        cJSON_Delete(line);
    }
}

static void one_that_is_gone_says_so(void **state)
{
    struct instance *i = new_instance("w");
    struct record_key key;
    struct err why;
    cJSON *line;

    (void)state;
    buf_init(&fleet.journal.lines, 4096);
    i->variant = 2;
    record_gone(i);
    assert_int_equal(json_parse(fleet.journal.lines.p, fleet.journal.lines.len, &line, &why), 0);
    assert_true(record_key(line, &key));
    assert_true(key.gone);
    assert_int_equal(key.number, 3);
    assert_int_equal(key.variant, 2);
    cJSON_Delete(line);
    buf_done(&fleet.journal.lines);
    drop(i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_last_exits_come_back),    TEST(exits_are_said_once),
        TEST(the_window_comes_back),       TEST(each_field_is_news),
        TEST(what_is_not_kept_is_no_news), TEST(an_end_of_opsd_changes_nobodys_mind),
        TEST(a_key_names_an_instance),     TEST(one_that_is_gone_says_so),
    };

    return cmocka_run_group_tests_name("record_news", tests, NULL, NULL);
}
