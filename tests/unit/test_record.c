/* What the journal says of an instance: every field there and back. */
#include "record_fields.h"

/* --- there and back */

static void the_table_is_the_one_that_is_printed(void **state)
{
    static const char *const others[] = { "name", "instance", "stats", "exits", "window" };
    struct instance *i = new_instance("w");
    cJSON *line = printed(i, true);

    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        if (!json_get(line, rows[row].name))
            fail_msg("%s is not printed", rows[row].name);
        cJSON_DeleteItemFromObjectCaseSensitive(line, rows[row].name);
    }
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        cJSON_DeleteItemFromObjectCaseSensitive(line, others[k]);
    if (line->child)
        fail_msg("%s is printed, and not tested here", line->child->string);
    cJSON_Delete(line);
    drop(i);
}

static void every_field_comes_back(void **state)
{
    (void)state;
    for (int by = 1; by <= 2; by++) {
        struct instance *from = new_instance("w"), *to = new_instance("w");
        cJSON *line;

        for (size_t row = 0; row < ROWS; row++)
            fill(from, row, by);
        from->machine.history.exits = 0;
        line = printed(from, true);
        record_parse(line, to);
        cJSON_Delete(line);
        assert_all_same(from, to);
        assert_int_equal(to->machine.wanted, to->to_want);
        drop(from);
        drop(to);
    }
}

/* Each alone, so that none can hide behind another. */
static void each_field_comes_back_alone(void **state)
{
    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        struct instance *from = new_instance("plain"), *to = new_instance("plain");
        cJSON *line;

        fill(from, row, 1);
        line = printed(from, true);
        record_parse(line, to);
        cJSON_Delete(line);
        assert_all_same(from, to);
        drop(from);
        drop(to);
    }
}

static void every_state_comes_back(void **state)
{
    struct instance *from = new_instance("w"), *to = new_instance("w");

    (void)state;
    for (int s = STATE_STOPPED; s < STATES; s++) {
        cJSON *line;

        from->machine.state = (enum state)s;
        line = printed(from, true);
        record_parse(line, to);
        cJSON_Delete(line);
        assert_int_equal(to->machine.state, s);
    }
    drop(from);
    drop(to);
}

static void what_a_line_does_not_name_stays(void **state)
{
    struct instance *from = new_instance("w"), *to = new_instance("w");

    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        fill(from, row, 1);
        fill(to, row, 1);
    }
    from->stats = strdup("{}");
    to->stats = strdup("{}");
    to->machine.history.exits_at[2] = 17;
    assert_non_null(instance_next_exit(to));
    parse("{\"name\":\"w\",\"instance\":3}", to);
    assert_all_same(from, to);
    assert_int_equal(to->exit_count, 1);
    assert_int_equal(to->machine.history.exits_at[2], 17);
    assert_non_null(to->stats);
    parse("{\"name\":\"w\",\"instance\":3,\"restarts\":5}", to);
    assert_int_equal(to->machine.restarts, 5);
    from->machine.restarts = 5;
    assert_all_same(from, to);
    parse("{\"stats\":null}", to);
    assert_null(to->stats);
    drop(from);
    drop(to);
}

static void what_has_another_type_is_left_alone(void **state)
{
    static const char *const values[] = { "null", "[]", "{}", "[1]", "{\"a\":1}" };
    static const char *const of_kind[] = {
        [INT] = "\"7\"",    [INT64] = "true", [BOOL] = "1",
        [DOUBLE] = "\"1\"", [STATE] = "4",    [TEXT] = "1",
    };
    struct instance *from = new_instance("w"), *to = new_instance("w");
    char text[128];

    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        fill(from, row, 1);
        fill(to, row, 1);
    }
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            (void)snprintf(text, sizeof text, "{\"%s\":%s}", rows[row].name, values[v]);
            parse(text, to);
        }
        (void)snprintf(text, sizeof text, "{\"%s\":%s}", rows[row].name, of_kind[rows[row].kind]);
        parse(text, to);
        if (!is_same(from, to, row))
            fail_msg("%s was changed by a wrong type", rows[row].name);
    }
    parse("{\"state\":\"nonsense\"}", to);
    parse("{\"state\":\"none\"}", to);
    parse("{\"exits\":7,\"window\":7}", to);
    parse("[]", to);
    parse("7", to);
    assert_all_same(from, to);
    drop(from);
    drop(to);
}

/* Numbers that the rest of the program could not bear. */
static void what_is_out_of_range_does_no_harm(void **state)
{
    struct instance *i = new_instance("w");
    char text[128];

    (void)state;
    for (size_t row = 0; row < ROWS; row++) {
        static const char *const values[] = { "1e300", "-1e300", "1e999", "9223372036854775808" };

        if (rows[row].kind != INT64 && rows[row].kind != INT && rows[row].kind != DOUBLE)
            continue;
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            (void)snprintf(text, sizeof text, "{\"%s\":%s}", rows[row].name, values[v]);
            parse(text, i);
        }
    }
    assert_in_range(i->machine.cause, STOP_NONE, STOP_SILENT);
    parse("{\"cause\":-1}", i);
    assert_in_range(i->machine.cause, STOP_NONE, STOP_SILENT);
    parse("{\"cause\":99}", i);
    assert_in_range(i->machine.cause, STOP_NONE, STOP_SILENT);
    parse("{\"window\":[1e300,-1e300,1e999]}", i);
    parse("{\"exits\":[{\"at\":1e300,\"code\":1e300,\"uptime_ms\":\"x\"}]}", i);
    drop(i);
}

static void texts_are_cut_to_their_room(void **state)
{
    struct instance *i = new_instance("w");
    char text[3000], longest[2500];

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t row = 0; row < ROWS; row++) {
        if (rows[row].kind != TEXT)
            continue;
        (void)snprintf(text, sizeof text, "{\"%s\":\"%s\"}", rows[row].name, longest);
        parse(text, i);
        assert_true(strlen(place(i, row)) >= 100);
    }
    assert_true(strlen(i->notify_address) < sizeof i->notify_address);
    assert_true(strlen(i->status_text) < sizeof i->status_text);
    assert_true(strlen(i->machine.reason.text) < sizeof i->machine.reason.text);
    drop(i);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_table_is_the_one_that_is_printed), TEST(every_field_comes_back),
        TEST(each_field_comes_back_alone),          TEST(every_state_comes_back),
        TEST(what_a_line_does_not_name_stays),      TEST(what_has_another_type_is_left_alone),
        TEST(what_is_out_of_range_does_no_harm),    TEST(texts_are_cut_to_their_room),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
