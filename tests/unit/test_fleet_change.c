/* Which instances there are to be, and what a new reading of the manifests changes: whole fleets,
 * without a process. */
#include "fleet_world.h"

#include "fleet_change.h"

/* "a=new b=gone": takes changes. */
static void assert_changes(cJSON *changes, const char *want)
{
    char text[512] = "";
    const cJSON *item;
    size_t n = 0;

    assert_non_null(changes);
    cJSON_ArrayForEach(item, changes)
    {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s=%s", n ? " " : "",
                              json_get_text(item, "name"), json_get_text(item, "change"));
    }
    cJSON_Delete(changes);
    assert_string_equal(text, want);
}

static void assert_diff(struct world *world, const char *want)
{
    assert_changes(fleet_diff(&world->fleet, &world->problems), want);
}

static void apply(struct world *world, const char *want)
{
    assert_changes(fleet_apply(&world->fleet, &world->problems), want);
}

/* --- */

static void instances_follow_the_manifest(void **state)
{
    struct world *world = *state;
    struct instance *a;

    load(world, "[" APP("a", "") "," APP("b", ",\"instances\":3") "]");
    assert_fleet(world, "a:0 b:0 b:1 b:2");
    a = fleet_find(&world->fleet, "a");
    /* The present ones stay what they are. */
    load(world, "[" APP("c", "") "," APP("a", ",\"args\":\"x\"") "]");
    assert_ptr_equal(fleet_find(&world->fleet, "a"), a);
    assert_string_equal(a->app->args[0], "x");
    assert_fleet(world, "a:0 b:0 b:1 b:2 c:0");
}

static void a_manifest_that_is_wrong_changes_nothing(void **state)
{
    struct world *world = *state;
    const struct app *app;

    load(world, APP("a", ""));
    app = fleet_find(&world->fleet, "a")->app;
    write_file(world->manifest, "[" APP("b", "") ",{}]");
    assert_true(fleet_load_files(&world->fleet, &world->problems) < 0);
    assert_true(world->problems.len > 0);
    assert_null(fleet_diff(&world->fleet, &world->problems));
    assert_null(fleet_apply(&world->fleet, &world->problems));
    assert_int_equal(unlink(world->manifest), 0);
    assert_int_equal(fleet_load_files(&world->fleet, &world->problems), -ENOENT);
    assert_ptr_equal(fleet_find(&world->fleet, "a")->app, app);
    assert_fleet(world, "a:0");
}

static void a_diff_tells_and_does_nothing(void **state)
{
    struct world *world = *state;

    load(world, "[" APP("a", "") "," APP("b", "") "," APP("c", "") "]");
    assert_diff(world, "");
    write_file(world->manifest,
               "[" APP("a", ",\"args\":\"x\"") "," APP("d", "") "," APP("c", "") "]");
    assert_diff(world, "a=live d=new b=gone");
    assert_diff(world, "a=live d=new b=gone");
    assert_fleet(world, "a:0 b:0 c:0");
    apply(world, "a=live d=new b=gone");
    assert_fleet(world, "a:0 c:0 d:0");
    assert_diff(world, "");
    apply(world, "");
}

static void fewer_instances_are_retired(void **state)
{
    struct world *world = *state;
    struct err why;

    load(world, APP("a", ",\"instances\":4"));
    write_file(world->manifest, APP("a", ",\"instances\":2"));
    apply(world, "a=live");
    assert_fleet(world, "a:0 a:1");
    assert_int_equal(fleet_scale(&world->fleet, "a", 3, &why), 0);
    assert_int_equal(sources_instances(&world->fleet.sources, fleet_find(&world->fleet, "a")->app),
                     3);
    assert_int_equal(fleet_scale(&world->fleet, "a", 1, &why), 0);
    assert_fleet(world, "a:0");
    assert_int_equal(fleet_scale(&world->fleet, "a", 0, &why), -EINVAL);
    assert_int_equal(fleet_scale(&world->fleet, "a", MANIFEST_INSTANCES_MAX + 1, &why), -EINVAL);
    assert_int_equal(fleet_scale(&world->fleet, "nobody", 1, &why), -EINVAL);
    assert_fleet(world, "a:0");
}

/* --- several sources */

static void two_sources_live_side_by_side(void **state)
{
    struct world *world = *state;

    load(world, APP("a", ""));
    add_other(world, "[" APP("b", "") "," APP("c", "") "]", NULL);
    assert_fleet(world, "a:0 b:0 c:0");
    assert_diff(world, "");
    write_file(world->other, "[" APP("b", ",\"args\":\"x\"") "]");
    assert_diff(world, "b=live c=gone");
    write_file(world->manifest, APP("a", ",\"args\":\"x\""));
    assert_diff(world, "a=live b=live c=gone");
    apply(world, "a=live b=live c=gone");
    assert_fleet(world, "a:0 b:0");
    /* A file that was started by hand may be gone; what it said holds. */
    assert_int_equal(unlink(world->other), 0);
    assert_diff(world, "");
    apply(world, "");
    assert_fleet(world, "a:0 b:0");
}

/* The last source holds a name: what an earlier one says of it changes nothing. */
static void what_another_source_holds_is_not_touched(void **state)
{
    struct world *world = *state;

    load(world, "[" APP("a", "") "," APP("b", "") "]");
    add_other(world, APP("a", ",\"args\":\"other\""), NULL);
    assert_string_equal(fleet_find(&world->fleet, "a")->app->args[0], "other");
    assert_diff(world, "");
    write_file(world->manifest, "[" APP("a", ",\"args\":\"new\"") "," APP("b", "") "]");
    assert_diff(world, "");
    apply(world, "");
    assert_string_equal(fleet_find(&world->fleet, "a")->app->args[0], "other");
    /* Nor does it bring back a name that the other one gave up, until it is read. */
    write_file(world->other, APP("z", ""));
    assert_diff(world, "z=new a=live");
}

static void only_what_was_asked_for_counts(void **state)
{
    struct world *world = *state;

    load(world, APP("a", ""));
    add_other(world, "[" APP("a", ",\"args\":\"other\"") "," APP("b", "") "," APP("c", "") "]",
              "[\"b\"]");
    assert_fleet(world, "a:0 b:0");
    assert_diff(world, "");
    write_file(world->other, "[" APP("a", ",\"args\":\"again\"") "," APP(
                                 "b", ",\"args\":\"x\"") "," APP("c", ",\"args\":\"x\"") "]");
    assert_diff(world, "b=live");
    /* The manifest does without a: what the other one says of a was not asked for. */
    write_file(world->manifest, "[" APP("m", "") "]");
    assert_diff(world, "m=new b=live a=gone");
    apply(world, "m=new b=live a=gone");
    assert_fleet(world, "b:0 m:0");
}

static void what_was_not_asked_for_does_not_keep_it(void **state)
{
    struct world *world = *state;

    load(world, APP("a", ""));
    add_other(world, "[" APP("a", "") "," APP("b", "") "]", "[\"b\"]");
    /* This time the other file is the one that was not changed. */
    write_file(world->manifest, "[" APP("m", "") "]");
    assert_diff(world, "m=new a=gone");
}

/* --- delete and its opposite */

static void what_is_deleted_stays_away(void **state)
{
    struct world *world = *state;

    load(world, "[" APP("a", "") "," APP("b", "") "]");
    fleet_delete(&world->fleet, fleet_find(&world->fleet, "a"));
    assert_fleet(world, "b:0");
    while (fleet_member(&world->fleet, "a", 0))
        fleet_remove(&world->fleet, fleet_member(&world->fleet, "a", 0));
    for (size_t k = 0; k < world->fleet.count; k++)
        if (world->fleet.instances[k]->retiring)
            fleet_remove(&world->fleet, world->fleet.instances[k--]);
    assert_int_equal(fleet_load_files(&world->fleet, &world->problems), 0);
    assert_fleet(world, "b:0");
    assert_diff(world, "");
    fleet_undelete(&world->fleet, "nobody");
    assert_int_equal(fleet_load_files(&world->fleet, &world->problems), 0);
    assert_fleet(world, "b:0");
    fleet_undelete(&world->fleet, "a");
    assert_int_equal(fleet_load_files(&world->fleet, &world->problems), 0);
    assert_fleet(world, "b:0 a:0");
}

/* --- as it was kept */

static void it_is_kept_as_it_was_read(void **state)
{
    struct world *world = *state;
    struct err why;
    cJSON *variables;

    load(world, "[" APP("a", "") "," APP("b", "") "]");
    add_other(world, APP("c", ""), NULL);
    assert_int_equal(fleet_scale(&world->fleet, "c", 2, &why), 0);
    fleet_delete(&world->fleet, fleet_find(&world->fleet, "b"));
    assert_int_equal(json_parse("[\"X=1\"]", 7, &variables, NULL), 0);
    assert_int_equal(fleet_set_environment(&world->fleet, "a", variables), 0);
    assert_int_equal(fleet_scale(&world->fleet, "c", 2, &why), 0);
    close_fleet(world);

    /* The files may say something else by now, or nothing. */
    write_file(world->manifest, "garbage");
    assert_int_equal(unlink(world->other), 0);
    assert_int_equal(open_fleet(world), 0);
    assert_int_equal(fleet_load_kept(&world->fleet, &world->problems), 0);
    assert_fleet(world, "a:0 c:0 c:1");
    assert_string_equal(fleet_find(&world->fleet, "a")->app->shell_env[0], "X=1");
}

static void without_anything_kept_the_files_are_read(void **state)
{
    struct world *world = *state;

    assert_true(fleet_load_kept(&world->fleet, &world->problems) < 0);
    assert_fleet(world, "");
    load(world, APP("a", ""));
    assert_fleet(world, "a:0");
}

static void names_mean_instances(void **state)
{
    struct world *world = *state;
    struct instance *a, *b1;

    load(world, "[" APP("a", ",\"namespace\":\"x\"") "," APP("b", ",\"instances\":2") "]");
    a = fleet_find(&world->fleet, "a");
    b1 = fleet_member(&world->fleet, "b", 1);
    assert_true(fleet_selects("all", a) && fleet_selects("a", a) && fleet_selects("x", a));
    assert_true(fleet_selects("a:0", a) && fleet_selects("0", a));
    assert_false(fleet_selects("a:1", a) || fleet_selects("a:", a) || fleet_selects("1", a) ||
                 fleet_selects("", a) || fleet_selects("b", a) || fleet_selects("a:0x", a));
    assert_true(fleet_selects("b", b1) && fleet_selects("b:1", b1) && fleet_selects("2", b1));
    assert_false(fleet_selects("b:0", b1) || fleet_selects("x", b1));
    assert_ptr_equal(fleet_find(&world->fleet, "b"), fleet_member(&world->fleet, "b", 0));
    assert_null(fleet_find(&world->fleet, "nobody"));
    a->retiring = true;
    assert_false(fleet_selects("all", a));
    assert_null(fleet_find(&world->fleet, "a"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(instances_follow_the_manifest),
        TEST(a_manifest_that_is_wrong_changes_nothing),
        TEST(a_diff_tells_and_does_nothing),
        TEST(fewer_instances_are_retired),
        TEST(two_sources_live_side_by_side),
        TEST(what_another_source_holds_is_not_touched),
        TEST(only_what_was_asked_for_counts),
        TEST(what_was_not_asked_for_does_not_keep_it),
        TEST(what_is_deleted_stays_away),
        TEST(it_is_kept_as_it_was_read),
        TEST(without_anything_kept_the_files_are_read),
        TEST(names_mean_instances),
    };

    return cmocka_run_group_tests_name("fleet_change", tests, NULL, NULL);
}
