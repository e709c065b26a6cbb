/* The one way to start: what the journal says, and what a crash, an ordered end and another boot
 * make of it. No processes: those that the journal speaks of are gone. */
#include "fleet_world.h"

#include <signal.h>
#include <sys/wait.h>

#include "instance_files.h"
#include "instant.h"
#include "journal.h"
#include "recover.h"

static const char two[] = "[" APP("a", "") "," APP("b", ",\"autostart\":false") "]";

static void start(struct world *world, bool go)
{
    if (recover(&world->fleet, go, &world->problems) < 0)
        fail_msg("%s", world->problems.p);
}

/* opsd is gone, without a word, and comes again. */
static void crash(struct world *world)
{
    fleet_commit(&world->fleet);
    close_fleet(world);
    assert_int_equal(open_fleet(world), 0);
}

/* The same, in order. */
static void leave(struct world *world)
{
    fleet_commit(&world->fleet);
    world->fleet.leaving = true;
    for (size_t k = 0; k < world->fleet.count; k++)
        world->fleet.instances[k]->machine.wanted = false;
    fleet_commit(&world->fleet);
    fleet_journal_left(&world->fleet);
    close_fleet(world);
    assert_int_equal(open_fleet(world), 0);
}

static void read_journal(const struct world *world, char **text)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/journal", world->root);
    assert_int_equal(file_read(path, 1 << 20, text, NULL), 0);
}

static void write_journal(const struct world *world, const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/journal", world->root);
    write_file(path, text);
}

/* The machine was started anew: another boot's journal. */
static void reboot(struct world *world)
{
    char *text, *boot;

    fleet_commit(&world->fleet);
    close_fleet(world);
    read_journal(world, &text);
    boot = strstr(text, journal_boot_id());
    assert_non_null(boot);
    memset(boot, '0', 8);
    write_journal(world, text);
    free(text);
    assert_int_equal(open_fleet(world), 0);
}

static struct instance *the(const struct world *world, const char *name)
{
    struct instance *i = fleet_find(&world->fleet, name);

    assert_non_null(i);
    return i;
}

static void leave_marks(struct instance *i)
{
    i->machine.restarts = 7;
    i->machine.unstable_restarts = 3;
    i->machine.exited = true;
    i->machine.last_exit = (struct exit_status){ .code = 9 };
    i->machine.last_uptime_ms = 1234;
}

static void assert_marks(const struct instance *i)
{
    assert_int_equal(i->machine.restarts, 7);
    assert_int_equal(i->machine.unstable_restarts, 3);
    assert_true(i->machine.exited);
    assert_int_equal(i->machine.last_exit.code, 9);
    assert_int_equal(i->machine.last_uptime_ms, 1234);
}

/* --- */

static void a_first_start_follows_the_manifest(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, two);
    start(world, true);
    assert_fleet(world, "a:0 b:0");
    assert_true(the(world, "a")->machine.wanted);
    assert_false(the(world, "b")->machine.wanted);
}

static void a_first_start_may_start_nothing(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, two);
    start(world, false);
    assert_false(the(world, "a")->machine.wanted);
    assert_false(the(world, "b")->machine.wanted);
}

static void a_wrong_manifest_is_told(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, "[{}]");
    assert_true(recover(&world->fleet, true, &world->problems) < 0);
    assert_true(world->problems.len > 0);
    assert_fleet(world, "");
}

static void a_crash_changes_nothing(void **state)
{
    struct world *world = *state;
    int id;

    write_file(world->manifest, two);
    start(world, true);
    leave_marks(the(world, "a"));
    the(world, "a")->machine.wanted = false;
    the(world, "a")->machine.state = STATE_ERRORED;
    (void)err_set(&the(world, "a")->machine.reason, 0, "gave up");
    the(world, "b")->machine.wanted = true;
    the(world, "b")->machine.state = STATE_BACKOFF;
    the(world, "b")->machine.deadline_ms = 1LL << 50;
    id = the(world, "b")->id;
    /* The file is broken meanwhile, and that is nobody's business now. */
    crash(world);
    write_file(world->manifest, "garbage");
    start(world, false);
    assert_marks(the(world, "a"));
    assert_int_equal(the(world, "a")->machine.state, STATE_ERRORED);
    assert_string_equal(the(world, "a")->machine.reason.text, "gave up");
    assert_false(the(world, "a")->machine.wanted);
    assert_int_equal(the(world, "b")->machine.state, STATE_BACKOFF);
    assert_int_equal(the(world, "b")->machine.deadline_ms, 1LL << 50);
    assert_true(the(world, "b")->machine.wanted);
    assert_int_equal(the(world, "b")->id, id);
    assert_true(world->fleet.next_id > id);
}

static void many_crashes_change_nothing(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, two);
    start(world, true);
    leave_marks(the(world, "a"));
    the(world, "a")->machine.state = STATE_ERRORED;
    for (int i = 0; i < 5; i++) {
        crash(world);
        start(world, true);
        assert_marks(the(world, "a"));
        assert_int_equal(the(world, "a")->machine.state, STATE_ERRORED);
    }
}

static void what_ran_when_opsd_was_killed_is_found_to_be_gone(void **state)
{
    struct world *world = *state;
    struct instance *a;

    write_file(world->manifest, two);
    start(world, true);
    a = the(world, "a");
    a->machine.state = STATE_ONLINE;
    a->machine.spawned = a->machine.ready = true;
    a->machine.started_ms = a->machine.begun_ms = 1;
    /* No process has this number with that start. */
    a->keeper_pid = getpid();
    a->keeper_start = 1;
    a->pid = getpid();
    a->pid_start = 2;
    crash(world);
    start(world, true);
    a = the(world, "a");
    assert_null(a->keeper);
    assert_true(a->machine.wanted);
    assert_null(world->fleet.keepers.first);
    /* We are still here: nobody was killed for having the number. */
}

static void after_an_ordered_end_what_was_wanted_is_started(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, two);
    start(world, true);
    leave_marks(the(world, "a"));
    the(world, "a")->machine.wanted = false;
    the(world, "b")->machine.wanted = true;
    leave(world);
    start(world, true);
    assert_marks(the(world, "a"));
    assert_false(the(world, "a")->machine.wanted);
    assert_true(the(world, "b")->machine.wanted);
    leave(world);
    start(world, false);
    assert_false(the(world, "a")->machine.wanted);
    assert_false(the(world, "b")->machine.wanted);
}

/* After an ordered end the file is read, not what was kept of it. */
static void after_an_ordered_end_the_manifest_is_read(void **state)
{
    struct world *world = *state;

    write_file(world->manifest, two);
    start(world, true);
    leave(world);
    write_file(world->manifest, "[" APP("b", "") "," APP("c", "") "]");
    start(world, true);
    assert_fleet(world, "b:0 c:0");
    assert_false(the(world, "b")->machine.wanted);
    assert_true(the(world, "c")->machine.wanted);
}

static void after_a_reboot_what_was_wanted_is_started(void **state)
{
    struct world *world = *state;
    struct instance *b;

    write_file(world->manifest, two);
    start(world, true);
    the(world, "a")->machine.wanted = false;
    b = the(world, "b");
    leave_marks(b);
    b->machine.wanted = true;
    b->machine.state = STATE_ONLINE;
    /* It is somebody else's number by now: ours. */
    b->keeper_pid = b->pid = getpid();
    b->keeper_start = b->pid_start = 17;
    reboot(world);
    start(world, true);
    assert_false(the(world, "a")->machine.wanted);
    b = the(world, "b");
    assert_true(b->machine.wanted);
    assert_marks(b);
    assert_int_equal(b->keeper_pid, 0);
    assert_int_equal(b->pid, 0);
    assert_int_not_equal(b->machine.state, STATE_ONLINE);
    assert_null(world->fleet.keepers.first);
}

/* --- journals that nobody wrote */

static void start_with(struct world *world, const char *lines)
{
    char text[4096];

    (void)snprintf(text, sizeof text, "{\"journal\":1,\"boot\":\"%s\"}\n%s", journal_boot_id(),
                   lines);
    write_file(world->manifest, two);
    write_journal(world, text);
    start(world, true);
}

static void lines_about_nobody_are_passed_over(void **state)
{
    struct world *world = *state;

    start_with(world,
               "{\"name\":\"x\",\"instance\":0,\"keeper\":1,\"keeper_start\":1}\n"
               "{\"name\":\"a\",\"instance\":17,\"keeper\":2147483647,\"keeper_start\":1}\n"
               "{\"name\":\"a\",\"instance\":-1}\n[]\n7\n{}\n"
               "{\"name\":\"x\",\"instance\":5,\"by_hand\":true}\n"
               "{\"name\":\"a\",\"instance\":0,\"hidden\":true,\"variant\":3,\"restarts\":9}\n"
               "{\"name\":\"a\",\"instance\":0,\"restarts\":4}\n");
    assert_fleet(world, "a:0 b:0");
    assert_int_equal(the(world, "a")->machine.restarts, 4);
    assert_null(world->fleet.keepers.first);
}

/* A damaged line must not make a keeper of whoever has a number. */
static void no_stranger_is_made_a_keeper(void **state)
{
    struct world *world = *state;
    char text[512];
    pid_t stranger = fork();

    if (stranger == 0)
        for (;;)
            (void)pause();
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"a\",\"instance\":0,\"state\":\"online\",\"wanted\":true,"
                   "\"keeper\":%d,\"pid\":%d}\n{\"name\":\"x\",\"instance\":0,\"keeper\":%d}\n",
                   (int)stranger, (int)stranger, (int)stranger);
    start_with(world, text);
    assert_int_equal(waitpid(stranger, NULL, WNOHANG), 0);
    assert_null(world->fleet.keepers.first);
    (void)kill(stranger, SIGKILL);
    assert_int_equal(waitpid(stranger, NULL, 0), stranger);
}

/* A number that does not fit is not that of another one. */
static void large_numbers_are_nobodys(void **state)
{
    struct world *world = *state;

    start_with(world, "{\"name\":\"a\",\"instance\":4294967296,\"restarts\":9}\n");
    assert_int_equal(the(world, "a")->machine.restarts, 0);
}

/* --- schedules */

static const char scheduled[] = "[" APP("none", ",\"schedule\":\"@hourly\"") "," APP(
    "once", ",\"schedule\":\"@hourly\",\"catch_up\":\"once\"") "]";

enum { HOUR = 3600000 };

/* Both wait for a tick that lies this far from now; the one before it was run, or is. */
static void wait_for_tick(struct world *world, int64_t from_now, bool pending)
{
    write_file(world->manifest, scheduled);
    start(world, true);
    for (size_t k = 0; k < world->fleet.count; k++) {
        struct instance *i = world->fleet.instances[k];

        i->machine.wanted = true;
        i->machine.state = pending ? STATE_BACKOFF : STATE_SCHEDULED;
        i->machine.tick_pending = pending;
        i->ticks.next = i->ticks.due = instant_now() + from_now;
        i->ticks.last = i->ticks.next - HOUR;
    }
}

static void a_crash_leaves_ticks_as_they_are(void **state)
{
    struct world *world = *state;
    int64_t next;

    wait_for_tick(world, -2 * HOUR, true);
    next = the(world, "none")->ticks.next;
    crash(world);
    start(world, true);
    assert_int_equal(the(world, "none")->ticks.next, next);
    assert_int_equal(the(world, "none")->ticks.last, next - HOUR);
    assert_int_equal(the(world, "none")->ticks.queued, 0);
    assert_true(the(world, "none")->machine.tick_pending);
}

static void ticks_of_an_ordered_end_count_where_they_are_to_be_made_up_for(void **state)
{
    struct world *world = *state;
    int64_t next;

    wait_for_tick(world, -2 * HOUR, false);
    next = the(world, "once")->ticks.next;
    leave(world);
    start(world, true);
    assert_int_equal(the(world, "none")->ticks.next, 0);
    assert_int_equal(the(world, "once")->ticks.next, next);
    assert_int_equal(the(world, "once")->ticks.queued, 0);
}

static void a_run_that_a_reboot_cut_off_is_run_again(void **state)
{
    struct world *world = *state;

    wait_for_tick(world, HOUR / 2, true);
    reboot(world);
    start(world, true);
    for (size_t k = 0; k < world->fleet.count; k++) {
        const struct ticks *ticks = &world->fleet.instances[k]->ticks;

        assert_true(ticks->last);
        assert_int_equal(ticks->queued, ticks->last);
        assert_int_equal(ticks->next, 0);
    }
}

static void a_run_that_a_reboot_cut_off_gives_way_to_a_later_tick(void **state)
{
    struct world *world = *state;

    wait_for_tick(world, -HOUR / 2, true);
    reboot(world);
    start(world, true);
    assert_int_equal(the(world, "none")->ticks.queued, 0);
    assert_int_equal(the(world, "none")->ticks.next, 0);
    assert_int_equal(the(world, "once")->ticks.queued, 0);
    assert_true(the(world, "once")->ticks.next);
}

static void a_status_file_tells_whose_it_is(void **state)
{
    static const struct {
        const char *file;
        bool parses, of_a;
        int variant;
    } rows[] = {
        { "a-0", true, true, 0 },
        { "a-0~7", true, true, 7 },
        { "a-1", true, false, 0 },
        { "b-0", true, false, 0 },
        { "a-b-0", true, false, 0 },
        { "~run-0", true, false, 0 },
        { "aa-0", true, false, 0 },
        { "-0", true, false, 0 },
        { "a", false, false, 0 },
        { "a-", false, false, 0 },
        { "a--0", true, false, 0 },
        { "a-+0", false, false, 0 },
        { "a-0~", false, false, 0 },
        { "a-0x", false, false, 0 },
        { "a-0~7x", false, false, 0 },
        { "~opsd", false, false, 0 },
        { "", false, false, 0 },
        { "a-0-", false, false, 0 },
        { "a-4294967296", false, false, 0 },
    };
    struct world *world = *state;
    struct instance_file file;

    write_file(world->manifest, two);
    start(world, false);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        assert_int_equal(instance_file_parse(rows[k].file, &file), rows[k].parses);
        if (!rows[k].parses)
            continue;
        assert_int_equal(instance_file_fits(&file, the(world, "a")), rows[k].of_a);
        assert_int_equal(file.variant, rows[k].variant);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_first_start_follows_the_manifest),
        TEST(a_first_start_may_start_nothing),
        TEST(a_wrong_manifest_is_told),
        TEST(a_crash_changes_nothing),
        TEST(many_crashes_change_nothing),
        TEST(what_ran_when_opsd_was_killed_is_found_to_be_gone),
        TEST(after_an_ordered_end_what_was_wanted_is_started),
        TEST(after_an_ordered_end_the_manifest_is_read),
        TEST(after_a_reboot_what_was_wanted_is_started),
        TEST(lines_about_nobody_are_passed_over),
        TEST(no_stranger_is_made_a_keeper),
        TEST(large_numbers_are_nobodys),
        TEST(a_crash_leaves_ticks_as_they_are),
        TEST(ticks_of_an_ordered_end_count_where_they_are_to_be_made_up_for),
        TEST(a_run_that_a_reboot_cut_off_is_run_again),
        TEST(a_run_that_a_reboot_cut_off_gives_way_to_a_later_tick),
        TEST(a_status_file_tells_whose_it_is),
    };

    return cmocka_run_group_tests_name("fleet_recover", tests, NULL, NULL);
}
