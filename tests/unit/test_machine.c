/* One instance as data: what commands, exits and the time make of it, step by step. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "machine_apps.h"

static void a_crash_is_followed_by_a_start_after_a_delay(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    exits(&m, &app, failed, 5000);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_int_equal(m.deadline_ms, 5100);
    assert_int_equal(m.restarts, 1);
    assert_int_equal(m.unstable_restarts, 0);
    assert_string_equal(m.reason.text, "exited with code 1 after 4000 ms");
    assert_int_equal(machine_due(&m, &app, 5100), DO_SPAWN);
    assert_int_equal(m.started_ms, 5100);
    comes_up(&m, &app, 5100);
    exits(&m, &app, killed, 5200);
    assert_int_equal(m.unstable_restarts, 1);
    assert_string_equal(m.reason.text, "killed by signal 9 (SIGKILL) after 100 ms");
}

static void a_crash_loop_ends_errored_and_a_start_by_hand_begins_anew(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    for (int i = 1; i <= 3; i++) {
        exits(&m, &app, failed, m.started_ms + 10);
        if (i < 3) {
            assert_int_equal(machine_due(&m, &app, m.deadline_ms), DO_SPAWN);
            comes_up(&m, &app, m.started_ms);
        }
    }
    assert_int_equal(m.state, STATE_ERRORED);
    assert_int_equal(m.restarts, 2);
    assert_non_null(strstr(m.reason.text, "max_restarts"));
    assert_int_equal(machine_start(&m), DO_NOTHING);
    assert_int_equal(machine_unblock(&m, &app, 9000), DO_SPAWN);
    comes_up(&m, &app, 9000);
    exits(&m, &app, failed, 9010);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_int_equal(m.deadline_ms, 9110);
}

static void restarts_by_hand_use_up_no_budget(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(machine_restart(&m, &app, 1000 + i), DO_SIGNAL);
        assert_int_equal(m.restarts, i);
        exits(&m, &app, killed, 1000 + i);
        assert_int_equal(m.state, STATE_WAITING);
        assert_int_equal(machine_unblock(&m, &app, 1000 + i), DO_SPAWN);
        comes_up(&m, &app, 1000 + i);
    }
    assert_int_equal(m.unstable_restarts, 0);
    assert_int_equal(m.history.unstable, 0);
}

static void several_restarts_at_once_are_one(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    assert_int_equal(machine_restart(&m, &app, 2000), DO_SIGNAL);
    assert_int_equal(machine_restart(&m, &app, 2000), DO_NOTHING);
    assert_int_equal(machine_start(&m), DO_NOTHING);
    assert_int_equal(m.restarts, 1);
    exits(&m, &app, killed, 2001);
    assert_int_equal(machine_unblock(&m, &app, 2001), DO_SPAWN);
    assert_int_equal(machine_start(&m), DO_NOTHING);
    assert_int_equal(machine_unblock(&m, &app, 2001), DO_NOTHING);
}

static void a_stop_is_kept_to_whatever_else_happens(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    assert_int_equal(machine_stop(&m, &app, 2000), DO_SIGNAL);
    assert_int_equal(machine_stop(&m, &app, 2500), DO_NOTHING);
    assert_int_equal(m.deadline_ms, 3600);
    assert_int_equal(machine_hold(&m, &app, 2500, "db"), DO_NOTHING);
    comes_up(&m, &app, 2500);
    assert_int_equal(m.state, STATE_STOPPING);
    assert_int_equal(machine_due(&m, &app, 3600), DO_KILL);
    assert_int_equal(m.deadline_ms, 4600);
    assert_int_equal(machine_due(&m, &app, 4600), DO_KILL);
    exits(&m, &app, killed, 4700);
    assert_int_equal(m.state, STATE_STOPPED);
    assert_string_equal(m.reason.text,
                        "stopped by hand, killed by signal 9 (SIGKILL) after 3700 ms");
    assert_int_equal(machine_unblock(&m, &app, 5000), DO_NOTHING);
}

static void a_stop_ends_a_delay(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    exits(&m, &app, failed, 1001);
    assert_int_equal(machine_stop(&m, &app, 1002), DO_NOTHING);
    assert_int_equal(m.state, STATE_STOPPED);
    assert_int_equal(m.deadline_ms, 0);
    assert_int_equal(machine_due(&m, &app, 99999), DO_NOTHING);
    assert_int_equal(machine_start(&m), DO_NOTHING);
    assert_int_equal(machine_unblock(&m, &app, 2000), DO_SPAWN);
}

static void a_start_while_it_leaves_waits_for_its_end(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    assert_int_equal(machine_stop(&m, &app, 2000), DO_SIGNAL);
    assert_int_equal(machine_start(&m), DO_NOTHING);
    assert_int_equal(m.state, STATE_STOPPING);
    exits(&m, &app, ok, 2001);
    assert_int_equal(m.state, STATE_WAITING);
}

static void ready_in_time_or_it_is_stopped(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.ready = READY_NOTIFY;
    machine_init(&m);
    (void)machine_start(&m);
    assert_int_equal(machine_unblock(&m, &app, 1000), DO_SPAWN);
    /* A program that was not started yet is not late. */
    assert_int_equal(m.deadline_ms, 0);
    assert_int_equal(machine_spawned(&m, &app, 1000), DO_NOTHING);
    assert_int_equal(m.deadline_ms, 4000);
    assert_false(m.ready);
    assert_int_equal(machine_due(&m, &app, 4000), DO_SIGNAL);
    assert_string_equal(m.reason.text, "not ready within 3000 ms (listen_timeout)");
    comes_up(&m, &app, 4001);
    assert_int_equal(m.state, STATE_STOPPING);
    /* Even if it then leaves with 0: that was no start. */
    exits(&m, &app, ok, 4100);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_int_equal(m.unstable_restarts, 1);
    assert_false(m.completed);
}

static void a_dependency_taken_away_is_waited_for(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    assert_int_equal(machine_hold(&m, &app, 2000, "db"), DO_SIGNAL);
    assert_string_equal(m.reason.text, "waits for db");
    exits(&m, &app, killed, 2001);
    assert_int_equal(m.state, STATE_WAITING);
    assert_true(m.wanted);
    assert_int_equal(m.restarts, 0);
    assert_int_equal(machine_stop(&m, &app, 2002), DO_NOTHING);
    assert_int_equal(m.state, STATE_STOPPED);
}

static void a_scheduled_run_is_retried_until_the_next_tick(void **state)
{
    struct app app = scheduled();
    struct machine m = online(&app, 1000);
    enum action action;

    (void)state;
    exits(&m, &app, failed, 1010);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_true(m.tick_pending);
    assert_int_equal(m.restarts, 0);
    assert_int_equal(machine_due(&m, &app, 1110), DO_SPAWN);
    comes_up(&m, &app, 1110);
    exits(&m, &app, failed, 1120);
    assert_true(machine_tick(&m, &app, 1130, &action));
    assert_int_equal(action, DO_SPAWN);
    assert_int_equal(m.history.unstable, 0);
    comes_up(&m, &app, 1130);
    assert_false(machine_tick(&m, &app, 1140, &action));
    assert_int_equal(action, DO_NOTHING);
    exits(&m, &app, ok, 1150);
    assert_int_equal(m.state, STATE_SCHEDULED);
    assert_true(m.completed);
    assert_false(m.tick_pending);
}

static void a_scheduled_run_that_fails_too_often_waits_for_the_next_tick(void **state)
{
    struct app app = scheduled();
    struct machine m = online(&app, 1000);

    (void)state;
    app.restart.max_restarts = 1;
    exits(&m, &app, failed, 1010);
    assert_int_equal(m.state, STATE_SCHEDULED);
    assert_false(m.tick_pending);
    assert_non_null(strstr(m.reason.text, "the next tick is awaited"));
}

static void a_run_that_takes_too_long_failed(void **state)
{
    struct app app = scheduled();
    struct machine m;

    (void)state;
    app.timeout_ms = 500;
    m = online(&app, 1000);
    assert_int_equal(m.deadline_ms, 1500);
    assert_int_equal(machine_due(&m, &app, 1500), DO_SIGNAL);
    exits(&m, &app, ok, 1510);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_string_equal(m.reason.text,
                        "ran longer than 500 ms (timeout), exited with code 0 after 510 ms");
}

static void a_tick_for_what_is_stopped_or_waits_is_refused(void **state)
{
    struct app app = scheduled();
    struct machine m;
    enum action action;

    (void)state;
    machine_init(&m);
    assert_false(machine_tick(&m, &app, 1000, &action));
    (void)machine_start(&m);
    assert_false(machine_tick(&m, &app, 1000, &action));
    assert_false(m.tick_pending);
    assert_int_equal(machine_unblock(&m, &app, 1000), DO_NOTHING);
    assert_int_equal(m.state, STATE_SCHEDULED);
}

static void a_tick_takes_over_from_a_run_that_waits_to_be_tried_again(void **state)
{
    struct app app = scheduled();
    struct machine m = online(&app, 1000);
    enum action action;

    (void)state;
    exits(&m, &app, failed, 1010);
    assert_int_equal(machine_hold(&m, &app, 1020, "db"), DO_NOTHING);
    assert_int_equal(m.state, STATE_WAITING);
    assert_true(machine_tick(&m, &app, 1030, &action));
    assert_int_equal(action, DO_NOTHING);
    assert_int_equal(m.history.unstable, 0);
    assert_int_equal(machine_unblock(&m, &app, 1040), DO_SPAWN);
}

static void a_start_is_news_until_something_was_run(void **state)
{
    struct app app = scheduled();
    struct machine m;
    enum action action;

    (void)state;
    machine_init(&m);
    assert_false(m.just_started);
    (void)machine_start(&m);
    (void)machine_unblock(&m, &app, 1000);
    assert_true(m.just_started);
    assert_true(machine_tick(&m, &app, 1000, &action));
    assert_false(m.just_started);
}

static void a_restart_asks_the_manifest_whether_it_still_is_scheduled(void **state)
{
    struct app before = scheduled(), now = service();
    struct machine m;

    (void)state;
    machine_init(&m);
    (void)machine_start(&m);
    assert_int_equal(machine_unblock(&m, &before, 1000), DO_NOTHING);
    assert_int_equal(m.state, STATE_SCHEDULED);
    assert_int_equal(machine_restart(&m, &now, 2000), DO_NOTHING);
    assert_int_equal(machine_unblock(&m, &now, 2000), DO_SPAWN);
}

static void a_wrong_configuration_is_not_tried_again(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    exits(&m, &app, misconfigured, 9000);
    assert_int_equal(m.state, STATE_ERRORED);
    assert_int_equal(m.deadline_ms, 0);
    assert_non_null(strstr(m.reason.text, "configuration"));
}

static void try_later_is_tried_later_for_ever(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    for (int i = 0; i < 50; i++) {
        exits(&m, &app, later, m.started_ms + 1);
        assert_int_equal(m.state, STATE_BACKOFF);
        assert_int_equal(machine_due(&m, &app, m.deadline_ms), DO_SPAWN);
        comes_up(&m, &app, m.started_ms);
    }
    assert_int_equal(m.unstable_restarts, 0);
}

static void what_ends_for_good_stays_so(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.restart.autorestart = false;
    m = online(&app, 1000);
    exits(&m, &app, failed, 2000);
    assert_int_equal(m.state, STATE_STOPPED);
    assert_true(m.finished);
    assert_false(m.completed);
    m = online(&app, 1000);
    exits(&m, &app, ok, 2000);
    assert_true(m.finished && m.completed);
    (void)machine_start(&m);
    assert_false(m.finished || m.completed);
}

/* A policy that says nothing about exits (none at all, or 75 a good end) must not make a try that
 * never ran one of them. */
static void a_start_that_cannot_be_tried_now_is_tried_later(void **state)
{
    static const int codes[] = { EXIT_TRY_LATER };
    struct app apps[3] = { service(), service(), service() };
    struct machine m;

    (void)state;
    apps[1].restart.autorestart = false;
    apps[2].restart.stop_exit_codes = codes;
    apps[2].restart.stop_exit_codes_count = 1;
    for (size_t i = 0; i < 3; i++) {
        int64_t now = 1000, wants[] = { 100, 150, 225, 337 };

        machine_init(&m);
        (void)machine_start(&m);
        assert_int_equal(machine_unblock(&m, &apps[i], now), DO_SPAWN);
        for (size_t k = 0; k < 4; k++) {
            machine_spawn_failed(&m, &apps[i], EAGAIN, now, 0.5);
            assert_int_equal(m.state, STATE_BACKOFF);
            assert_int_equal(m.deadline_ms - now, wants[k]);
            now = m.deadline_ms;
            assert_int_equal(machine_due(&m, &apps[i], now), DO_SPAWN);
        }
    }
}

/* A process or memory that is lacking does not come by asking for it all the time. */
static void at_once_is_not_meant_for_failed_starts(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.restart.backoff = (struct backoff){ .factor = 1 };
    machine_init(&m);
    (void)machine_start(&m);
    (void)machine_unblock(&m, &app, 1000);
    machine_spawn_failed(&m, &app, EAGAIN, 1000, 0.5);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_int_equal(m.deadline_ms, 1050);
    assert_int_equal(machine_due(&m, &app, 1050), DO_SPAWN);
    (void)machine_spawned(&m, &app, 1051);
    machine_exited(&m, &app, (struct exit_status){ .code = 1 }, 1052, 0.5);
    assert_int_equal(m.state, STATE_BACKOFF);
    assert_int_equal(m.deadline_ms, 1052);
}

static void a_program_that_is_not_there_is_given_up_at_once(void **state)
{
    static const int errors[] = { ENOENT, EACCES, ENOEXEC, ENOTDIR };
    struct app app = service();
    struct machine m;

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        machine_init(&m);
        (void)machine_start(&m);
        (void)machine_unblock(&m, &app, 1000);
        machine_spawn_failed(&m, &app, errors[i], 1000, 0.5);
        assert_int_equal(m.state, STATE_ERRORED);
        assert_int_equal(m.deadline_ms, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_is_followed_by_a_start_after_a_delay),
        cmocka_unit_test(a_crash_loop_ends_errored_and_a_start_by_hand_begins_anew),
        cmocka_unit_test(restarts_by_hand_use_up_no_budget),
        cmocka_unit_test(several_restarts_at_once_are_one),
        cmocka_unit_test(a_stop_is_kept_to_whatever_else_happens),
        cmocka_unit_test(a_stop_ends_a_delay),
        cmocka_unit_test(a_start_while_it_leaves_waits_for_its_end),
        cmocka_unit_test(ready_in_time_or_it_is_stopped),
        cmocka_unit_test(a_dependency_taken_away_is_waited_for),
        cmocka_unit_test(a_scheduled_run_is_retried_until_the_next_tick),
        cmocka_unit_test(a_scheduled_run_that_fails_too_often_waits_for_the_next_tick),
        cmocka_unit_test(a_run_that_takes_too_long_failed),
        cmocka_unit_test(a_tick_takes_over_from_a_run_that_waits_to_be_tried_again),
        cmocka_unit_test(a_start_is_news_until_something_was_run),
        cmocka_unit_test(a_tick_for_what_is_stopped_or_waits_is_refused),
        cmocka_unit_test(a_restart_asks_the_manifest_whether_it_still_is_scheduled),
        cmocka_unit_test(a_wrong_configuration_is_not_tried_again),
        cmocka_unit_test(try_later_is_tried_later_for_ever),
        cmocka_unit_test(what_ends_for_good_stays_so),
        cmocka_unit_test(a_start_that_cannot_be_tried_now_is_tried_later),
        cmocka_unit_test(at_once_is_not_meant_for_failed_starts),
        cmocka_unit_test(a_program_that_is_not_there_is_given_up_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
