/* Reload: the old process is not asked to leave before the new one is ready. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "machine_apps.h"
#include "reload.h"

/* An app with one process that serves and another that was just begun. */
struct pair {
    struct app app;
    struct machine old, new;
    struct reload reload;
};

static struct pair begun(enum ready_kind ready)
{
    struct pair p = { .app = service() };
    enum reload_action action;

    p.app.ready = ready;
    p.old = online(&p.app, 1000);
    assert_int_equal(reload_begin(&p.reload, &p.app, &p.old, &action, NULL), 0);
    assert_int_equal(action, RELOAD_DO_START_NEW);
    machine_init(&p.new);
    (void)machine_start(&p.new);
    return p;
}

static enum reload_action settle(struct pair *p, int64_t now)
{
    return reload_settle(&p->reload, &p->app, &p->old, &p->new, now);
}

static void spawned(struct pair *p, int64_t now)
{
    assert_int_equal(settle(p, now), RELOAD_DO_NOTHING);
    assert_int_equal(machine_unblock(&p->new, &p->app, now), DO_SPAWN);
    assert_int_equal(settle(p, now), RELOAD_DO_NOTHING);
    (void)machine_spawned(&p->new, &p->app, now);
}

static void a_ready_one_takes_the_place(void **state)
{
    struct pair p = begun(READY_NOTIFY);

    (void)state;
    spawned(&p, 2000);
    assert_int_equal(settle(&p, 2500), RELOAD_DO_NOTHING);
    comes_up(&p.new, &p.app, 3000);
    assert_int_equal(p.reload.result, RELOAD_UNDER_WAY);
    assert_int_equal(settle(&p, 3000), RELOAD_DO_SWAP);
    assert_int_equal(settle(&p, 3000), RELOAD_DO_NOTHING);
    (void)machine_stop(&p.old, &p.app, 3000);
    assert_int_equal(settle(&p, 3001), RELOAD_DO_NOTHING);
    exits(&p.old, &p.app, killed, 3002);
    assert_int_equal(settle(&p, 3002), RELOAD_DO_DROP_OLD);
    assert_int_equal(p.reload.result, RELOAD_DONE);
    assert_int_equal(p.reload.phase, RELOAD_NONE);
}

static void one_that_does_not_tell_has_to_stay_up(void **state)
{
    struct pair p = begun(READY_AT_ONCE);

    (void)state;
    spawned(&p, 2000);
    assert_int_equal(p.new.state, STATE_ONLINE);
    assert_int_equal(settle(&p, 2000), RELOAD_DO_NOTHING);
    assert_int_equal(p.reload.due_ms, 3000);
    assert_int_equal(settle(&p, 2999), RELOAD_DO_NOTHING);
    assert_int_equal(settle(&p, 3000), RELOAD_DO_SWAP);
}

static void one_that_ends_leaves_the_old_one(void **state)
{
    static const enum ready_kind kinds[] = { READY_NOTIFY, READY_AT_ONCE };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair p = begun(kinds[i]);

        spawned(&p, 2000);
        exits(&p.new, &p.app, failed, 2010);
        assert_int_equal(settle(&p, 2010), RELOAD_DO_DROP_NEW);
        assert_int_equal(p.reload.result, RELOAD_FAILED);
        assert_int_equal(p.reload.phase, RELOAD_NONE);
        assert_non_null(strstr(p.reload.why.text, "exited with code 1"));
        assert_int_equal(p.old.state, STATE_ONLINE);
    }
}

static void one_that_cannot_be_started_leaves_the_old_one(void **state)
{
    struct pair p = begun(READY_NOTIFY);

    (void)state;
    assert_int_equal(machine_unblock(&p.new, &p.app, 2000), DO_SPAWN);
    machine_spawn_failed(&p.new, &p.app, ENOENT, 2001, 0.5);
    assert_int_equal(settle(&p, 2001), RELOAD_DO_DROP_NEW);
    assert_int_equal(p.reload.result, RELOAD_FAILED);
}

static void one_that_is_late_is_taken_away(void **state)
{
    struct pair p = begun(READY_NOTIFY);

    (void)state;
    spawned(&p, 2000);
    assert_int_equal(machine_due(&p.new, &p.app, 5000), DO_SIGNAL);
    assert_int_equal(settle(&p, 5000), RELOAD_DO_STOP_NEW);
    assert_int_equal(p.reload.result, RELOAD_FAILED);
    (void)machine_stop(&p.new, &p.app, 5000);
    assert_int_equal(settle(&p, 5001), RELOAD_DO_NOTHING);
    exits(&p.new, &p.app, killed, 5002);
    assert_int_equal(settle(&p, 5002), RELOAD_DO_DROP_NEW);
    assert_int_equal(p.reload.result, RELOAD_FAILED);
    assert_non_null(strstr(p.reload.why.text, "not ready within 3000 ms"));
}

static void a_second_one_meanwhile_is_refused(void **state)
{
    struct pair p = begun(READY_NOTIFY);
    enum reload_action action = RELOAD_DO_NOTHING;
    struct err why;

    (void)state;
    assert_int_equal(reload_begin(&p.reload, &p.app, &p.old, &action, &why), -EBUSY);
    assert_non_null(strstr(why.text, "reload in progress"));
    assert_int_equal(action, RELOAD_DO_NOTHING);
    assert_int_equal(p.reload.phase, RELOAD_TRYING);
}

static void a_stop_by_hand_ends_it(void **state)
{
    struct pair p = begun(READY_NOTIFY);

    (void)state;
    spawned(&p, 2000);
    (void)machine_stop(&p.old, &p.app, 2100);
    assert_int_equal(settle(&p, 2100), RELOAD_DO_STOP_NEW);
    exits(&p.old, &p.app, killed, 2110);
    assert_int_equal(settle(&p, 2110), RELOAD_DO_NOTHING);
    (void)machine_stop(&p.new, &p.app, 2110);
    exits(&p.new, &p.app, killed, 2120);
    assert_int_equal(settle(&p, 2120), RELOAD_DO_DROP_NEW);
    assert_int_equal(p.reload.result, RELOAD_FAILED);
}

static void a_crash_of_the_old_one_gives_its_place_to_the_new_one(void **state)
{
    struct pair p = begun(READY_NOTIFY);

    (void)state;
    spawned(&p, 2000);
    exits(&p.old, &p.app, failed, 2100);
    assert_int_equal(settle(&p, 2100), RELOAD_DO_PROMOTE);
    assert_int_equal(p.reload.result, RELOAD_FAILED);
    assert_int_equal(p.reload.phase, RELOAD_NONE);
}

static void what_does_not_serve_is_just_restarted(void **state)
{
    struct app app = service(), task = scheduled();
    struct machine m = online(&task, 1000);
    struct reload reload = { 0 };
    enum reload_action action;

    (void)state;
    assert_int_equal(reload_begin(&reload, &task, &m, &action, NULL), 0);
    assert_int_equal(action, RELOAD_DO_RESTART);
    assert_int_equal(reload.phase, RELOAD_NONE);
    machine_init(&m);
    assert_int_equal(reload_begin(&reload, &app, &m, &action, NULL), 0);
    assert_int_equal(action, RELOAD_DO_RESTART);
    assert_int_equal(reload.result, RELOAD_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_one_takes_the_place),
        cmocka_unit_test(one_that_does_not_tell_has_to_stay_up),
        cmocka_unit_test(one_that_ends_leaves_the_old_one),
        cmocka_unit_test(one_that_cannot_be_started_leaves_the_old_one),
        cmocka_unit_test(one_that_is_late_is_taken_away),
        cmocka_unit_test(a_second_one_meanwhile_is_refused),
        cmocka_unit_test(a_stop_by_hand_ends_it),
        cmocka_unit_test(a_crash_of_the_old_one_gives_its_place_to_the_new_one),
        cmocka_unit_test(what_does_not_serve_is_just_restarted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
