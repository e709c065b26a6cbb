/* A keeper was killed: what it kept is cleared, and nobody else is ever hit. Real processes. */
#include "left_behind.h"

#include <sched.h>
#include <sys/mount.h>

#include "keeper_remains.h"

/* The mark is what nobody could guess. */
static struct keeper_remains remains_of(const struct world *world, const struct left_behind *left)
{
    return (struct keeper_remains){ .keeper = left->identity.pid,
                                    .worker = left->report.worker,
                                    .worker_start = start_of(left->report.worker),
                                    .cookie = world->mark };
}

static void reap_all(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void its_own_opsd_hears_of_a_keeper_that_was_killed(void **state)
{
    struct world *world = *state;
    struct keeper_remains remains;
    struct job job;

    job_start(&job, world, "trap '' TERM INT HUP; sleep 120 & echo up; " IDLE);
    wait_for(world, job_said(&job, "up"));
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    remains = (struct keeper_remains){ job.keeper->pid, job.report.worker,
                                       start_of(job.report.worker), world->mark };
    (void)kill(job.keeper->pid, SIGKILL);
    wait_for(world, job.gone);
    assert_int_equal(job.report.phase, KEEPER_RUNS);
    assert_true(marked(world, 0) >= 2);
    assert_true(keeper_clear(&remains));
    wait_for(world, (reap_all(), !keeper_clear(&remains)));
    assert_int_equal(marked(world, 0), 0);
    reap_all();
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), -ESRCH);
    job_end(&job);
}

static void what_one_that_was_killed_kept_is_cleared(void **state)
{
    struct world *world = *state;
    struct keeper_remains remains;
    struct keeper_report last;
    struct left_behind left;
    struct job job;
    pid_t bystander;

    bystander = fork();
    if (bystander == 0)
        for (;;)
            (void)pause();
    left = leave_behind(world,
                        "trap '' TERM; (sleep 120 &); sh -c 'set -m; sleep 120 & wait' & " IDLE,
                        KEEPER_RUNS);
    wait_for(world, marked(world, 0) >= 4);
    remains = remains_of(world, &left);
    (void)kill(left.identity.pid, SIGKILL);
    wait_for(world, !is_alive(left.identity.pid));
    reap_all();
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_RUNS);
    wait_for(world, (reap_all(), !keeper_clear(&remains)));
    assert_int_equal(marked(world, 0), 0);
    reap_all();
    assert_false(keeper_clear(&remains));
    end_stranger(bystander);
}

/* --- numbers that were given to somebody else */

/* Kills a keeper and its worker, and gives their numbers back. */
static struct left_behind end_all(struct world *world, struct keeper_remains *remains)
{
    struct left_behind left = leave_behind(world, "exec sleep 120", KEEPER_RUNS);

    *remains = remains_of(world, &left);
    (void)kill(left.identity.pid, SIGKILL);
    (void)kill(left.report.worker, SIGKILL);
    wait_for(world, (reap_all(), !exists(left.identity.pid) && !exists(left.report.worker)));
    return left;
}

/* Starts are counted in hundredths of a second: the next one has another. */
static void wait_for_another_start(struct world *world, int64_t start)
{
    struct proc_stat stat;
    pid_t pid;

    for (stat.start_ticks = start; stat.start_ticks <= start;) {
        world_turn(world);
        pid = fork();
        if (pid == 0)
            _exit(0);
        assert_int_equal(procfs_stat(pid, &stat), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
}

static void a_stranger_with_its_number_is_no_keeper(void **state)
{
    struct world *world = *state;
    struct keeper_remains remains;
    struct keeper_report last;
    struct left_behind left;
    pid_t stranger;
    struct job job;

    left = end_all(world, &remains);
    wait_for_another_start(world, left.identity.start);
    stranger = stranger_at(left.identity.pid);
    if (stranger < 0) {
        skip();
        return;
    }
    wait_for(world, getsid(stranger) == stranger);
    assert_int_equal(stranger, left.identity.pid);
    assert_int_equal(adopt(&job, world, &left, &last), -ESRCH);
    assert_int_equal(last.phase, KEEPER_RUNS);
    assert_true(keepers_look_up(&world->keepers, "w-0", &last) == -ESRCH);
    assert_false(any_alive(world));
    assert_int_equal(keeper_held_open(stranger, left.identity.start, 0), -ESRCH);
    assert_false(keeper_clear(&remains));
    assert_null(world->keepers.first);
    end_stranger(stranger);
}

/* The leader of a session, with the keeper's number, has ended; somebody else of it has not. */
static void a_session_of_strangers_is_spared(void **state)
{
    struct world *world = *state;
    struct keeper_remains remains;
    struct left_behind left;
    pid_t stranger, other;
    int said[2];

    left = end_all(world, &remains);
    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    stranger = clone_at(left.identity.pid);
    if (stranger == 0) {
        (void)setsid();
        other = fork();
        if (other == 0)
            for (;;)
                (void)pause();
        _exit(write(said[1], &other, sizeof other) == sizeof other ? 0 : 1);
    }
    if (stranger > 0) {
        assert_int_equal(read(said[0], &other, sizeof other), sizeof other);
        assert_int_equal(waitpid(stranger, NULL, 0), stranger);
        assert_int_equal(getsid(other), remains.keeper);
        assert_false(keeper_clear(&remains));
        end_stranger(other);
    }
    (void)close(said[0]);
    (void)close(said[1]);
    if (stranger < 0)
        skip();
}

static void a_stranger_with_the_workers_number_is_spared(void **state)
{
    struct world *world = *state;
    struct keeper_remains remains;
    pid_t stranger;

    (void)end_all(world, &remains);
    wait_for_another_start(world, remains.worker_start);
    stranger = stranger_at(remains.worker);
    if (stranger < 0) {
        skip();
        return;
    }
    wait_for(world, getsid(stranger) == stranger);
    assert_false(keeper_clear(&remains));
    end_stranger(stranger);
}

/* What is not known of a keeper must not stand for "any": a damaged journal. */
static void a_start_that_is_not_known_is_nobodys(void **state)
{
    struct world *world = *state;
    struct left_behind unknown = { .identity = { .file = "w-0" } };
    struct keeper_report last;
    pid_t stranger;
    struct job job;
    int r;

    stranger = fork();
    if (stranger == 0)
        for (;;)
            (void)pause();
    unknown.identity.pid = stranger;
    r = adopt(&job, world, &unknown, &last);
    if (r == 0) /* it would be ordered about, and killed */
        world->keepers.first->owner = NULL;
    end_stranger(stranger);
    assert_int_equal(r, -ESRCH);
    unknown.identity.pid = 0;
    assert_true(adopt(&job, world, &unknown, &last) < 0);
    unknown.identity.pid = -1;
    assert_true(adopt(&job, world, &unknown, &last) < 0);
    assert_null(world->keepers.first);
}

/* In a container of our own, where processes from outside have no session (0): those that say
 * nothing of a keeper must not be cleared for one. Exits with what it found. */
static void clear_nobody_in_a_container(void)
{
    const struct keeper_remains nothing = { 0 };
    pid_t other;

    if (mount("proc", "/proc", "proc", 0, NULL) < 0)
        _exit(77);
    other = fork();
    if (other == 0)
        for (;;)
            (void)pause();
    if (getsid(other) != 0)
        _exit(77);
    (void)keeper_clear(&nothing);
    (void)usleep(1000);
    _exit(waitpid(other, NULL, WNOHANG) == 0 ? 0 : 1);
}

static void nothing_is_cleared_for_nobody(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        pid = fork();
        if (pid == 0)
            clear_nobody_in_a_container();
        (void)waitpid(pid, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(its_own_opsd_hears_of_a_keeper_that_was_killed),
        TEST(what_one_that_was_killed_kept_is_cleared),
        TEST(a_stranger_with_its_number_is_no_keeper),
        TEST(a_session_of_strangers_is_spared),
        TEST(a_stranger_with_the_workers_number_is_spared),
        TEST(a_start_that_is_not_known_is_nobodys),
        TEST(nothing_is_cleared_for_nobody),
    };

    return cmocka_run_group_tests_name("keeper_remains", tests, NULL, NULL);
}
