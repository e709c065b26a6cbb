/* A keeper outlives the opsd that forked it, and the next one takes it over. Real processes. */
#include "left_behind.h"

static void one_that_runs_is_taken_over(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct job job;

    /* What is started when the order to stop comes would not hear it, and have its time to leave.
     */
    left = leave_behind(world,
                        "trap 'echo two; exit 12' TERM; sh -c 'echo one; exec sleep 120' & wait",
                        KEEPER_RUNS);
    assert_true(is_alive(left.identity.pid));
    assert_int_equal(adopt(&job, world, &left, &last), 0);
    assert_int_equal(last.phase, KEEPER_RUNS);
    assert_int_equal(last.worker, left.report.worker);
    assert_int_equal(last.keeper, left.identity.pid);
    take_pipes(&job, &left);
    wait_for(world, job_said(&job, "one"));
    assert_int_equal(job.phases, 0);
    assert_int_equal(keeper_order(job.keeper, KEEPER_STOP | SIGTERM), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    assert_status(&job, 12, 0);
    assert_true(job_said(&job, "two"));
    assert_false(job.gone);
    job_end(&job);
}

/* How it ended and what it printed wait for whoever comes. */
static void one_that_ended_meanwhile_has_it_all(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct job job;

    left = leave_behind(world, "sleep 0.2; echo one; echo two >&2; exit 13", KEEPER_RUNS);
    wait_for(world, !exists(left.report.worker));
    assert_int_equal(adopt(&job, world, &left, &last), 0);
    wait_for(world, last.phase == KEEPER_EMPTY || job_heard(&job, KEEPER_EMPTY));
    assert_int_equal(job.keeper->report.status.code, 13);
    take_pipes(&job, &left);
    assert_true(job_said(&job, "one"));
    assert_int_equal(read(job.err, job.said, sizeof job.said), 4);
    job.report = job.keeper->report;
    job_end(&job);
}

static void one_that_is_gone_is_told_from_its_file(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct job job;
    int fd;

    left = leave_behind(world, "exit 0", KEEPER_EMPTY);
    assert_int_equal(adopt(&job, world, &left, &last), 0);
    assert_int_equal(last.phase, KEEPER_EMPTY);
    job.report = last;
    job_end(&job);
    /* Nothing of it can be taken any more. */
    assert_true(keeper_held_open(left.identity.pid, left.identity.start, 3) < 0);
    /* Its file says what it last said, and only to those who know whose it is. */
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_EMPTY);
    left.identity.start++;
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_WAITS);
    left.identity.start--;
    fd = openat(world->keepers.folder_fd, "w-0", O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_WAITS);
    keepers_forget(&world->keepers, "w-0");
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_WAITS);
    assert_null(world->keepers.first);
}

/* The keeper still has it. */
static void one_whose_file_is_deleted_still_reports(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct job job;

    left = leave_behind(world, IDLE, KEEPER_RUNS);
    keepers_forget(&world->keepers, "w-0");
    assert_int_equal(adopt(&job, world, &left, &last), 0);
    assert_int_equal(last.phase, KEEPER_RUNS);
    assert_int_equal(last.worker, left.report.worker);
    assert_int_equal(keeper_order(job.keeper, KEEPER_LEAVE), 0);
    wait_for(world, job.gone);
    assert_int_equal(job.report.phase, KEEPER_EMPTY);
    assert_status(&job, 0, SIGKILL);
    assert_int_equal(marked(world, 0), 0);
    job_end(&job);
}

static void several_opsds_one_after_the_other(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct job job;

    left = leave_behind(world, "trap 'exit 3' TERM; " IDLE, KEEPER_RUNS);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(adopt(&job, world, &left, &last), 0);
        assert_int_equal(last.phase, KEEPER_RUNS);
        close_loop(world);
        assert_true(is_alive(left.report.worker));
        assert_int_equal(open_world_at(world), 0);
    }
    assert_int_equal(adopt(&job, world, &left, &last), 0);
    assert_int_equal(keeper_order(job.keeper, KEEPER_STOP | SIGTERM), 0);
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    job_end(&job);
}

/* Nobody wants it: it is adopted without an owner, and its end is nobody's news. */
static void one_that_nobody_wants_is_sent_away(void **state)
{
    struct world *world = *state;
    struct keeper_report last;
    struct left_behind left;
    struct keeper *keeper;

    left = leave_behind(world, IDLE, KEEPER_RUNS);
    assert_int_equal(keeper_adopt(&world->keepers, &left.identity, NULL, &keeper, &last), 0);
    assert_int_equal(keeper_order(keeper, KEEPER_LEAVE), 0);
    wait_for(world, !world->keepers.first);
    assert_int_equal(marked(world, 0), 0);
    assert_false(exists(left.identity.pid));
}

/* --- looking for keepers */

static void status_files_tell_who_is_alive(void **state)
{
    struct world *world = *state;
    struct keeper_report report;
    struct left_behind left;
    struct job job;

    assert_false(any_alive(world));
    assert_int_equal(keepers_look_up(&world->keepers, "w-0", &report), -ENOENT);
    left = leave_behind(world, IDLE, KEEPER_RUNS);
    assert_true(any_alive(world));
    assert_int_equal(keepers_look_up(&world->keepers, "w-0", &report), 0);
    assert_int_equal(report.keeper, left.identity.pid);
    assert_int_equal(report.keeper_start, left.identity.start);
    assert_int_equal(report.worker, left.report.worker);

    assert_int_equal(adopt(&job, world, &left, &report), 0);
    assert_int_equal(keeper_order(job.keeper, KEEPER_LEAVE), 0);
    wait_for(world, job.gone);
    job_end(&job);
    assert_int_equal(keepers_look_up(&world->keepers, "w-0", &report), -ESRCH);
    assert_false(any_alive(world));
}

static volatile sig_atomic_t waited;

static void note_that_it_waits(int signal)
{
    (void)signal;
    waited = 1;
}

/* Whatever somebody put there. */
static void other_files_are_nobody(void **state)
{
    struct world *world = *state;
    int folder = world->keepers.folder_fd, fd;
    const struct sigaction note = { .sa_handler = note_that_it_waits };
    struct keeper_report report;

    (void)sigaction(SIGALRM, &note, NULL);
    fd = openat(folder, "garbage", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "garbage", 7), 7);
    (void)close(fd);
    assert_int_equal(mkdirat(folder, "folder", 0700), 0);
    assert_int_equal(symlinkat("garbage", folder, "link"), 0);
    assert_int_equal(symlinkat("nowhere", folder, "dangling"), 0);
    assert_int_equal(mkfifoat(folder, "fifo", 0600), 0);
    /* It must not wait for somebody who writes into the FIFO. */
    (void)alarm(5);
    assert_false(any_alive(world));
    (void)alarm(0);
    assert_false(waited);
    assert_int_equal(keepers_look_up(&world->keepers, "garbage", &report), -ENODATA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(one_that_runs_is_taken_over),
        TEST(one_that_ended_meanwhile_has_it_all),
        TEST(one_that_is_gone_is_told_from_its_file),
        TEST(one_whose_file_is_deleted_still_reports),
        TEST(several_opsds_one_after_the_other),
        TEST(one_that_nobody_wants_is_sent_away),
        TEST(status_files_tell_who_is_alive),
        TEST(other_files_are_nobody),
    };

    return cmocka_run_group_tests_name("keeper_adopt", tests, NULL, NULL);
}
