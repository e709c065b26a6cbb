/* One instance as data: what its process says and does not say, and when. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "machine_apps.h"

/* A worker that says when it is ready, ordered to start at a time. */
static struct machine launched(struct app *app, int64_t now)
{
    struct machine m;

    app->ready = READY_NOTIFY;
    machine_init(&m);
    (void)machine_start(&m);
    assert_int_equal(machine_unblock(&m, app, now), DO_SPAWN);
    return m;
}

static void a_start_takes_effect_when_the_program_runs(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    machine_init(&m);
    (void)machine_start(&m);
    assert_int_equal(machine_unblock(&m, &app, 1000), DO_SPAWN);
    assert_int_equal(m.state, STATE_LAUNCHING);
    assert_int_equal(machine_spawned(&m, &app, 1300), DO_NOTHING);
    assert_int_equal(m.state, STATE_ONLINE);
    assert_int_equal(machine_spawned(&m, &app, 9000), DO_NOTHING);
    exits(&m, &app, failed, 1500);
    assert_int_equal(m.last_uptime_ms, 200);
    assert_int_equal(m.state, STATE_BACKOFF);
}

/* opsd was away in between, or its end was told of at once with its start. */
static void one_that_was_never_seen_to_run_did_all_the_same(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    machine_init(&m);
    (void)machine_start(&m);
    assert_int_equal(machine_unblock(&m, &app, 1000), DO_SPAWN);
    exits(&m, &app, failed, 9000);
    assert_int_equal(m.last_uptime_ms, 8000);
    assert_int_equal(m.unstable_restarts, 0);
    assert_int_equal(m.state, STATE_BACKOFF);
}

static void a_stop_before_the_program_runs_is_heard_once_it_does(void **state)
{
    struct app app = service();
    struct machine m = launched(&app, 1000);

    (void)state;
    assert_int_equal(machine_stop(&m, &app, 1100), DO_SIGNAL);
    assert_int_equal(m.deadline_ms, 2700);
    assert_int_equal(machine_spawned(&m, &app, 1500), DO_SIGNAL);
    assert_int_equal(m.state, STATE_STOPPING);
    assert_int_equal(m.deadline_ms, 3100);
    assert_int_equal(machine_due(&m, &app, 3100), DO_KILL);
    exits(&m, &app, killed, 3101);
    assert_int_equal(m.state, STATE_STOPPED);
}

static void a_failed_start_ends_what_was_asked_meanwhile(void **state)
{
    struct app app = service();
    struct machine m = launched(&app, 1000);

    (void)state;
    assert_int_equal(machine_stop(&m, &app, 1100), DO_SIGNAL);
    machine_spawn_failed(&m, &app, EAGAIN, 1200, 0.5);
    assert_int_equal(m.state, STATE_STOPPED);
    assert_int_equal(m.cause, STOP_NONE);
    assert_int_equal(m.deadline_ms, 0);

    m = launched(&app, 1000);
    assert_int_equal(machine_restart(&m, &app, 1100), DO_SIGNAL);
    machine_spawn_failed(&m, &app, ENOENT, 1200, 0.5);
    assert_int_equal(m.state, STATE_WAITING);
    assert_int_equal(m.cause, STOP_NONE);
}

static void ready_counts_from_when_the_program_is_known_to_run(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.timeout_ms = 500;
    m = launched(&app, 1000);
    machine_ready(&m, &app, 1010);
    assert_int_equal(m.state, STATE_LAUNCHING);
    assert_int_equal(machine_spawned(&m, &app, 1020), DO_NOTHING);
    assert_int_equal(m.state, STATE_ONLINE);
    assert_int_equal(m.deadline_ms, 1520);
}

/* What tells that it runs may come last, and says since when. */
static void the_watchdog_counts_from_when_it_was_heard(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.watchdog_ms = 300;
    m = launched(&app, 1000);
    machine_ready(&m, &app, 1900);
    assert_int_equal(machine_spawned(&m, &app, 1010), DO_NOTHING);
    assert_int_equal(m.started_ms, 1010);
    assert_int_equal(m.deadline_ms, 2200);
}

static void silence_is_a_failure(void **state)
{
    static const int codes[] = { 0, EXIT_TRY_LATER };
    struct app app = service();
    struct machine m;

    (void)state;
    app.watchdog_ms = 300;
    app.restart.stop_exit_codes = codes;
    app.restart.stop_exit_codes_count = 2;
    for (size_t i = 0; i < 2; i++) {
        m = launched(&app, 1000);
        (void)machine_spawned(&m, &app, 1000);
        /* It counts from the moment that it is ready. */
        machine_heard(&m, &app, 1500);
        machine_ready(&m, &app, 2000);
        assert_int_equal(m.deadline_ms, 2300);
        machine_heard(&m, &app, 2200);
        assert_int_equal(m.deadline_ms, 2500);
        assert_int_equal(machine_due(&m, &app, 2499), DO_NOTHING);
        assert_int_equal(machine_due(&m, &app, 2500), DO_ABORT);
        assert_int_equal(m.deadline_ms, 4100);
        assert_int_equal(machine_due(&m, &app, 4100), DO_KILL);
        exits(&m, &app, (struct exit_status){ .code = codes[i] }, 4101);
        assert_int_equal(m.state, STATE_BACKOFF);
        assert_non_null(strstr(m.reason.text, "no WATCHDOG=1 for 300 ms"));
        assert_int_equal(m.last_exit.code, codes[i]);
    }
}

static void a_worker_may_say_that_it_hangs(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    assert_int_equal(machine_trigger(&m, &app, 1100), DO_NOTHING);
    app.watchdog_ms = 300;
    assert_int_equal(machine_trigger(&m, &app, 1100), DO_ABORT);
    assert_int_equal(machine_trigger(&m, &app, 1100), DO_NOTHING);
}

static void a_run_has_its_own_limit_beside_the_watchdog(void **state)
{
    struct app app = scheduled();
    struct machine m;

    (void)state;
    app.timeout_ms = 500;
    app.watchdog_ms = 300;
    m = online(&app, 1000);
    assert_int_equal(m.deadline_ms, 1300);
    machine_heard(&m, &app, 1250);
    assert_int_equal(m.deadline_ms, 1500);
    assert_int_equal(machine_due(&m, &app, 1500), DO_SIGNAL);
    assert_int_equal(m.cause, STOP_OVERTIME);
}

static void more_time_is_granted_within_bounds(void **state)
{
    struct app app = service();
    struct machine m = launched(&app, 1000);

    (void)state;
    machine_extend(&m, 1000, 5000);
    assert_int_equal(m.deadline_ms, 0);
    (void)machine_spawned(&m, &app, 1000);
    machine_extend(&m, 1100, 100);
    assert_int_equal(m.deadline_ms, 4000);
    machine_extend(&m, 3900, 5000);
    assert_int_equal(m.deadline_ms, 8900);
    machine_extend(&m, 4000, INT64_MAX);
    assert_int_equal(m.deadline_ms, 4000 + MACHINE_EXTEND_MAX_MS);
    assert_int_equal(machine_stop(&m, &app, 10000), DO_SIGNAL);
    assert_int_equal(m.deadline_ms, 11600);
    machine_extend(&m, 10000, 3000);
    assert_int_equal(m.deadline_ms, 13000);
    assert_int_equal(machine_due(&m, &app, 13000), DO_KILL);
    machine_extend(&m, 13000, 60000);
    assert_int_equal(m.deadline_ms, 14000);
}

static void a_renewal_uses_up_no_budget_and_restores_none(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    exits(&m, &app, failed, 1010);
    assert_int_equal(machine_renew(&m, &app, 1020, "its memory"), DO_NOTHING);
    (void)machine_due(&m, &app, m.deadline_ms);
    (void)machine_spawned(&m, &app, 1200);
    assert_int_equal(m.history.unstable, 1);
    assert_int_equal(machine_renew(&m, &app, 1300, "its memory is 12 MB"), DO_SIGNAL);
    assert_string_equal(m.reason.text, "restarted: its memory is 12 MB");
    assert_int_equal(machine_restart(&m, &app, 1301), DO_NOTHING);
    assert_int_equal(m.restarts, 2);
    exits(&m, &app, ok, 1310);
    assert_int_equal(m.state, STATE_WAITING);
}

static void a_renewal_says_why(void **state)
{
    struct app app = service();
    struct machine m = online(&app, 1000);

    (void)state;
    m.history.unstable = 1;
    assert_int_equal(machine_renew(&m, &app, 1300, "its memory is 12 MB"), DO_SIGNAL);
    exits(&m, &app, ok, 1310);
    assert_string_equal(m.reason.text,
                        "restarted: its memory is 12 MB, exited with code 0 after 310 ms");
    assert_int_equal(m.history.unstable, 1);
}

static void who_is_older_than_what_it_needs_knows_an_earlier_one(void **state)
{
    struct app app = service();
    struct machine need = online(&app, 1000), m = online(&app, 1000);

    (void)state;
    assert_false(machine_outlived(&m, &need));
    m = online(&app, 1500);
    /* When its program was seen to run does not matter, only which was begun first. */
    need.spawned = false;
    (void)machine_spawned(&need, &app, 1600);
    assert_false(machine_outlived(&m, &need));
    exits(&need, &app, failed, 2000);
    assert_false(machine_outlived(&m, &need));
    (void)machine_due(&need, &app, need.deadline_ms);
    assert_true(machine_outlived(&m, &need));
    (void)machine_hold(&m, &app, 2200, "need");
    assert_false(machine_outlived(&m, &need));
}

static void nothing_is_held_against_a_worker_that_opsd_could_not_hear(void **state)
{
    struct app app = service();
    struct machine m;

    (void)state;
    app.watchdog_ms = 300;
    m = launched(&app, 1000);
    (void)machine_spawned(&m, &app, 1000);
    machine_resumed(&m, &app, 1500);
    assert_int_equal(m.deadline_ms, 4000);
    machine_resumed(&m, &app, 90000);
    assert_int_equal(m.deadline_ms, 91000);
    machine_ready(&m, &app, 90001);
    machine_resumed(&m, &app, 99000);
    assert_int_equal(m.deadline_ms, 99300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_takes_effect_when_the_program_runs),
        cmocka_unit_test(one_that_was_never_seen_to_run_did_all_the_same),
        cmocka_unit_test(a_stop_before_the_program_runs_is_heard_once_it_does),
        cmocka_unit_test(a_failed_start_ends_what_was_asked_meanwhile),
        cmocka_unit_test(ready_counts_from_when_the_program_is_known_to_run),
        cmocka_unit_test(the_watchdog_counts_from_when_it_was_heard),
        cmocka_unit_test(silence_is_a_failure),
        cmocka_unit_test(a_worker_may_say_that_it_hangs),
        cmocka_unit_test(a_run_has_its_own_limit_beside_the_watchdog),
        cmocka_unit_test(more_time_is_granted_within_bounds),
        cmocka_unit_test(a_renewal_uses_up_no_budget_and_restores_none),
        cmocka_unit_test(a_renewal_says_why),
        cmocka_unit_test(who_is_older_than_what_it_needs_knows_an_earlier_one),
        cmocka_unit_test(nothing_is_held_against_a_worker_that_opsd_could_not_hear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
