/* Stop means that the tree is empty: a keeper's orders, and what they do to whatever a worker ever
 * started. Real processes. */
#include "keepers_world.h"

enum { BRED = 300 };

/* A descendant that nobody asks for any more: in a session of its own, without a parent, and deaf
 * to signals. */
#define STRAY "(setsid sh -c 'trap \"\" HUP INT TERM QUIT; sleep 120; sleep 120' >&- 2>&- &); "
#define IDLE "while :; do sleep 120 & wait; done"

static void start_up(struct job *job, struct world *world, const char *script)
{
    job_start(job, world, script);
    wait_for(world, job_said(job, "up"));
    wait_for(world, job_heard(job, KEEPER_RUNS));
}

static void order(const struct job *job, int what)
{
    assert_int_equal(keeper_order(job->keeper, what), 0);
}

static void assert_empty(struct job *job)
{
    wait_for(job->world, job_heard(job, KEEPER_EMPTY));
    assert_int_equal(marked(job->world, 0), 0);
    assert_false(job->gone);
}

static void what_is_left_is_killed_when_it_ends_by_itself(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world, STRAY STRAY "sleep 120 & echo up; read x < /dev/zero; exit 4");
    wait_for(world, marked(world, 0) >= 6);
    assert_int_equal(kill(job.report.worker, SIGTERM), 0);
    assert_empty(&job);
    assert_status(&job, 0, SIGTERM);
    job_end(&job);
}

static void the_rest_may_take_its_time_after_a_stop(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "trap 'exit 5' TERM; " STRAY "sh -c 'trap \"\" TERM; echo up; sleep 120; "
             "sleep 120' & " IDLE);
    order(&job, KEEPER_STOP | SIGTERM);
    wait_for(world, job_heard(&job, KEEPER_ENDED));
    assert_status(&job, 5, 0);
    for (int i = 0; i < 20; i++)
        world_turn(world);
    assert_false(job_heard(&job, KEEPER_EMPTY));
    assert_true(marked(world, 0) >= 2);
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    assert_status(&job, 5, 0);
    job_end(&job);
}

/* Nobody has to order more when the rest leaves by itself. */
static void it_is_empty_once_the_rest_has_left(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "trap 'exit 0' TERM; (setsid sh -c 'trap \"exit 0\" USR1; " IDLE
             "' &); echo up; " IDLE);
    wait_for(world, marked(world, 0) >= 4);
    order(&job, KEEPER_STOP | SIGTERM);
    wait_for(world, job_heard(&job, KEEPER_ENDED));
    assert_false(job_heard(&job, KEEPER_EMPTY));
    (void)marked(world, SIGKILL);
    assert_empty(&job);
    job_end(&job);
}

/* A second signal of the same stop. */
static void a_stop_reaches_the_rest_when_the_worker_has_ended(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "trap 'exit 0' TERM; sh -c 'trap \"\" TERM; trap \"echo two; exit 0\" USR1; "
             "echo up; " IDLE "' & " IDLE);
    order(&job, KEEPER_STOP | SIGTERM);
    wait_for(world, job_heard(&job, KEEPER_ENDED));
    order(&job, KEEPER_STOP | SIGUSR1);
    wait_for(world, job_said(&job, "two"));
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

static void a_stop_goes_to_the_whole_group(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "trap 'echo worker; exit 0' USR1; sh -c 'trap \"echo child; exit 0\" USR1; "
             "echo up; " IDLE "' & wait; wait");
    order(&job, KEEPER_STOP | SIGUSR1);
    wait_for(world, job_said(&job, "worker") && job_said(&job, "child"));
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

static void a_signal_goes_to_the_worker_alone(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "trap 'echo worker' USR1; sh -c 'trap \"echo child\" USR1 USR2; trap \"echo no\" INT; "
             "echo up; " IDLE "' & " IDLE);
    order(&job, SIGUSR1);
    wait_for(world, job_said(&job, "worker"));
    assert_int_equal(job.phases, 1U << KEEPER_RUNS);
    assert_null(strstr(job.said, "child"));
    /* It was no stop: what is left when it ends is killed. */
    order(&job, SIGKILL);
    assert_empty(&job);
    assert_status(&job, 0, SIGKILL);
    assert_false(job_said(&job, "child"));
    job_end(&job);
}

static void one_that_ignores_the_signal_is_killed(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world, "trap '' TERM INT; " STRAY "echo up; " IDLE);
    order(&job, KEEPER_STOP | SIGTERM);
    order(&job, KEEPER_STOP | SIGINT);
    for (int i = 0; i < 10; i++)
        world_turn(world);
    assert_int_equal(job.phases, 1U << KEEPER_RUNS);
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    assert_status(&job, 0, SIGKILL);
    job_end(&job);
}

static void one_that_is_stopped_or_asleep_is_killed_too(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world, "(setsid sh -c 'kill -STOP $$' &); echo up; kill -STOP $$");
    order(&job, KEEPER_STOP | SIGTERM);
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

/* More than fit in one reading of the list of children. */
static void hundreds_are_killed(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "i=0; while [ $i -lt 300 ]; do (setsid sleep 120 &); sleep 120 & i=$((i+1)); done; "
             "echo up; exec sleep 120");
    wait_for(world, marked(world, 0) >= 2 * BRED);
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

/* They go on making more of themselves while they are killed, always one deeper; but not
 * for ever, in case that nobody kills them. */
static void those_that_breed_are_killed(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world,
             "b='[ $1 -gt 0 ] || exit; sleep 0.02; (setsid sh -c \"$0\" \"$0\" $(($1-1)) &)'; i=0;"
             " while [ $i -lt 20 ]; do (setsid sh -c \"$b\" \"$b\" 100 &); i=$((i+1)); done;"
             " echo up; sleep 120");
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

static void an_exit_clears_those_that_breed(void **state)
{
    struct world *world = *state;
    struct job job;

    job_start(
        &job, world,
        "b='[ $1 -gt 0 ] || exit; sleep 0.01; (setsid sh -c \"$0\" \"$0\" $(($1-1)) &); (setsid "
        "sleep 120 &)'; i=0;"
        " while [ $i -lt 20 ]; do (setsid sh -c \"$b\" \"$b\" 100 &); i=$((i+1)); done; exit 9");
    assert_empty(&job);
    assert_status(&job, 9, 0);
    job_end(&job);
}

/* --- treekill: false */

static void fork_sparing(struct job *job, struct world *world, const char *script)
{
    struct err why;

    assert_int_equal(job_fork_as(job, world,
                                 (struct keeper_task){ .file = "w-0", .spare_strays = true },
                                 script, &why),
                     0);
    job_go(job);
    wait_for(world, job_said(job, "up") && job_said(job, "out"));
}

static void strays_are_spared(void **state)
{
    static const int how[] = { KEEPER_KILL, KEEPER_STOP | SIGKILL, SIGKILL };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        struct job job;

        fork_sparing(&job, world,
                     "(setsid sh -c 'echo out; exec sleep 120' &); (sleep 120 &); sleep 120 & echo "
                     "up; " IDLE);
        wait_for(world, marked(world, 0) == 5);
        order(&job, how[i]);
        if (how[i] & KEEPER_STOP)
            order(&job, KEEPER_KILL);
        wait_for(world, job_heard(&job, KEEPER_EMPTY));
        assert_status(&job, 0, SIGKILL);
        assert_int_equal(marked(world, 0), 1);
        job_end(&job);
        assert_int_equal(marked(world, SIGKILL), 1);
        (void)end_children();
    }
}

/* A stray is not waited for, but what is in the group is. */
static void the_group_is_waited_for(void **state)
{
    struct world *world = *state;
    struct job job;

    fork_sparing(&job, world,
                 "trap 'exit 6' TERM; (setsid sh -c 'echo out; exec sleep 120' &); "
                 "sh -c 'trap \"\" TERM; echo up; sleep 120; sleep 120' & " IDLE);
    order(&job, KEEPER_STOP | SIGTERM);
    wait_for(world, job_heard(&job, KEEPER_ENDED));
    for (int i = 0; i < 10; i++)
        world_turn(world);
    assert_false(job_heard(&job, KEEPER_EMPTY));
    order(&job, KEEPER_KILL);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    assert_status(&job, 6, 0);
    assert_int_equal(marked(world, 0), 1);
    job_end(&job);
    (void)marked(world, SIGKILL);
    (void)end_children();
}

/* --- orders at odd times */

static void orders_before_it_goes_are_kept(void **state)
{
    static const int orders[] = { KEEPER_KILL, KEEPER_STOP | SIGTERM, SIGTERM };
    struct world *world = *state;

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct job job;

        job_fork(&job, world, "w-0", STRAY "exec sleep 120");
        order(&job, orders[i]);
        job_go(&job);
        wait_for(world, job_heard(&job, KEEPER_RUNS) || job_heard(&job, KEEPER_EMPTY));
        if (orders[i] & KEEPER_STOP)
            order(&job, KEEPER_KILL);
        assert_empty(&job);
        assert_true(job.report.status.signal == SIGKILL || job.report.status.signal == SIGTERM);
        job_end(&job);
    }
}

static void orders_after_the_end_do_no_harm(void **state)
{
    struct world *world = *state;
    struct job job;

    job_start(&job, world, "exit 3");
    assert_empty(&job);
    order(&job, KEEPER_STOP | SIGTERM);
    order(&job, SIGKILL);
    order(&job, KEEPER_KILL);
    for (int i = 0; i < 5; i++)
        world_turn(world);
    assert_true(is_alive(job.keeper->pid));
    assert_status(&job, 3, 0);
    job_end(&job);
}

/* Nobody is there any more who would dismiss it. */
static void one_that_is_to_leave_clears_and_goes(void **state)
{
    struct world *world = *state;
    struct job job;

    start_up(&job, world, STRAY "echo up; " IDLE);
    order(&job, KEEPER_LEAVE);
    wait_for(world, job.gone);
    assert_int_equal(marked(world, 0), 0);
    assert_int_equal(job.report.phase, KEEPER_EMPTY);
    job_end(&job);

    job_start(&job, world, "exit 0");
    assert_empty(&job);
    order(&job, KEEPER_LEAVE);
    wait_for(world, job.gone);
    job_end(&job);
}

static void many_orders_at_once_are_all_obeyed(void **state)
{
    struct world *world = *state;
    struct job job;
    int r = 0, sent = 0;

    start_up(&job, world, "n=0; trap 'n=$((n+1)); echo $n' USR1; echo up; " IDLE);
    for (int i = 0; i < 1000 && r == 0; i++, sent += r == 0)
        r = keeper_order(job.keeper, SIGWINCH);
    assert_true(r == 0 || r == -EAGAIN);
    assert_true(sent > 0);
    wait_for(world, keeper_order(job.keeper, SIGUSR1) == 0);
    wait_for(world, job_said(&job, "\n1\n"));
    order(&job, KEEPER_KILL);
    assert_empty(&job);
    job_end(&job);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(what_is_left_is_killed_when_it_ends_by_itself),
        TEST(the_rest_may_take_its_time_after_a_stop),
        TEST(it_is_empty_once_the_rest_has_left),
        TEST(a_stop_reaches_the_rest_when_the_worker_has_ended),
        TEST(a_stop_goes_to_the_whole_group),
        TEST(a_signal_goes_to_the_worker_alone),
        TEST(one_that_ignores_the_signal_is_killed),
        TEST(one_that_is_stopped_or_asleep_is_killed_too),
        TEST(hundreds_are_killed),
        TEST(those_that_breed_are_killed),
        TEST(an_exit_clears_those_that_breed),
        TEST(strays_are_spared),
        TEST(the_group_is_waited_for),
        TEST(orders_before_it_goes_are_kept),
        TEST(orders_after_the_end_do_no_harm),
        TEST(one_that_is_to_leave_clears_and_goes),
        TEST(many_orders_at_once_are_all_obeyed),
    };

    return cmocka_run_group_tests_name("keeper_stop", tests, NULL, NULL);
}
