/* One keeper and its worker: what starts, what is reported, what is held. Real processes. */
#include "keepers_world.h"

enum { CROWD = 200 };

static int count_fds(pid_t pid)
{
    char path[64];
    DIR *folder;
    int n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    (void)closedir(folder);
    return n - 2;
}

static void read_link(pid_t pid, const char *what, char target[static 256])
{
    char path[64];
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    n = readlink(path, target, 255);
    assert_true(n > 0);
    target[n] = '\0';
}

/* --- the word to go */

static void nothing_runs_before_it_is_told_to_go(void **state)
{
    struct world *world = *state;
    struct job job;

    job_fork(&job, world, "w-0", "echo here");
    wait_for(world, count_fds(job.keeper->pid) == 9);
    for (int i = 0; i < 10; i++)
        world_turn(world);
    assert_int_equal(job.phases, 0);
    assert_int_equal(marked(world, 0), 0);
    assert_false(job_said(&job, "here"));
    job_go(&job);
    job_go(&job);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    assert_true(job_said(&job, "here"));
    assert_string_equal(job.said, "here\n");
    job_end(&job);
}

/* Also while other keepers and workers live, which were forked when its pipe was open. */
static void one_that_was_not_told_to_go_ends_with_opsd(void **state)
{
    struct world *world = *state;
    struct world *other;
    struct job waits, runs, runs_too;
    pid_t pid;

    assert_int_equal(open_world((void **)&other), 0);
    job_fork(&runs_too, world, "w-2", "sleep 120");
    job_fork(&waits, other, "w-0", "echo here");
    job_fork(&runs, world, "w-1", "sleep 120");
    job_go(&runs);
    job_go(&runs_too);
    wait_for(world, job_heard(&runs, KEEPER_RUNS) && job_heard(&runs_too, KEEPER_RUNS));
    pid = waits.keeper->pid;
    close_loop(other);
    wait_for(world, waitpid(pid, NULL, WNOHANG) == pid);
    assert_false(job_said(&waits, "here"));
    assert_int_equal(marked(other, 0), 0);
    job_close(&waits);

    assert_int_equal(open_world_at(other), 0);
    assert_int_equal(keeper_order(runs.keeper, KEEPER_KILL), 0);
    assert_int_equal(keeper_order(runs_too.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&runs, KEEPER_EMPTY) && job_heard(&runs_too, KEEPER_EMPTY));
    job_end(&runs);
    job_end(&runs_too);
    assert_int_equal(close_world((void **)&other), 0);
}

/* --- what is reported */

static void tells_why_it_could_not_start(void **state)
{
    /* clang-format off */
    static const struct {
        const char *title, *program, *cwd;
        enum become_step step;
        int error;
    } rows[] = {
        { "no program", "/nonexistent/program", "/", STEP_EXEC, ENOENT },
        { "a folder", "/tmp", "/", STEP_EXEC, EACCES },
        { "not executable", "/etc/passwd", "/", STEP_EXEC, EACCES },
        { "no folder", "/bin/sh", "/nonexistent/folder", STEP_CWD, ENOENT },
    };
    /* clang-format on */
    struct world *world = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keeper_task task = { .file = "w-0",
                                    .program = rows[i].program,
                                    .become = { .cwd = rows[i].cwd } };
        struct job job;
        struct err why;

        assert_int_equal(job_fork_as(&job, world, task, "exit 0", &why), 0);
        job_go(&job);
        wait_for(world, job.phases);
        assert_int_equal(job.report.phase, KEEPER_FAILED);
        assert_int_equal(job.report.worker, 0);
        if (job.report.failure.step != rows[i].step || job.report.failure.error != rows[i].error)
            fail_msg("%s: step %d, %s", rows[i].title, (int)job.report.failure.step,
                     strerror(job.report.failure.error));
        /* Orders that come too late do no harm. */
        (void)keeper_order(job.keeper, KEEPER_STOP | SIGTERM);
        (void)keeper_order(job.keeper, KEEPER_KILL);
        job_end(&job);
    }
}

static void tells_how_it_ended(void **state)
{
    /* clang-format off */
    static const struct {
        const char *script;
        int code, signal;
    } rows[] = {
        { "exit 0", 0, 0 }, { "exit 1", 1, 0 }, { "exit 78", 78, 0 }, { "exit 255", 255, 0 },
        { "kill -KILL $$", 0, SIGKILL }, { "kill -TERM $$", 0, SIGTERM },
        { "ulimit -c 0; kill -SEGV $$", 0, SIGSEGV }, { "kill -34 $$", 0, 34 },
        { "kill -64 $$", 0, 64 },
    };
    /* clang-format on */
    struct world *world = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t before = (int64_t)monotonic_now_ms();
        struct job job;

        job_start(&job, world, rows[i].script);
        wait_for(world, job_heard(&job, KEEPER_EMPTY));
        assert_status(&job, rows[i].code, rows[i].signal);
        assert_in_range(job.report.ended_ms, before, monotonic_now_ms());
        assert_int_equal(job.report.keeper, job.keeper->pid);
        assert_int_equal(job.report.keeper_start, start_of(job.keeper->pid));
        assert_true(job.report.worker > 1);
        assert_false(is_alive(job.report.worker));
        assert_false(job.gone);
        job_end(&job);
    }
}

static void every_phase_is_heard_of(void **state)
{
    struct world *world = *state;
    struct job job;

    job_start(
        &job, world,
        "trap 'exit 3' TERM; setsid sh -c 'echo up; exec sleep 120' & while :; do wait; done");
    wait_for(world, job_said(&job, "up"));
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    assert_int_equal(job.phases, 1U << KEEPER_RUNS);
    assert_int_equal(job.report.ended_ms, 0);
    assert_int_equal(keeper_order(job.keeper, KEEPER_STOP | SIGTERM), 0);
    wait_for(world, job_heard(&job, KEEPER_ENDED));
    assert_status(&job, 3, 0);
    assert_false(job_heard(&job, KEEPER_EMPTY));
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    assert_status(&job, 3, 0);
    job_end(&job);
}

/* Read all the time while keepers with one and the same file follow each other: what is read is
 * whole, and says of each what is true of it. */
static void a_report_is_never_half_of_two(void **state)
{
    struct world *world = *state;
    struct keeper_report read;
    pid_t keepers[60] = { 0 };
    char script[32];
    long whole = 0;
    struct job job;

    for (int i = 0; i < 60; i++) {
        (void)snprintf(script, sizeof script, "exit %d", i + 100);
        job_start(&job, world, script);
        keepers[i] = job.keeper->pid;
        while (!job_heard(&job, KEEPER_EMPTY)) {
            for (int k = 0; k < 200; k++) {
                int of = i;

                if (keeper_read(job.keeper->status_fd, &read) < 0 || read.phase == KEEPER_WAITS)
                    continue;
                whole++;
                if (read.keeper != keepers[i])
                    of = i - 1;
                assert_true(of >= 0);
                assert_int_equal(read.keeper, keepers[of]);
                assert_true(read.worker > 1);
                assert_int_equal(read.status.code, read.phase == KEEPER_RUNS ? 0 : of + 100);
                assert_true((read.ended_ms > 0) == (read.phase != KEEPER_RUNS));
            }
            (void)uv_run(&world->loop, UV_RUN_NOWAIT);
        }
        job_end(&job);
    }
    assert_true(whole > 0);
}

static void refuses_what_is_no_report(void **state)
{
    /* clang-format off */
    static const char *const rows[] = {
        "", "x", "\n", "1", "1 1 2 3 4 0 0 0 5 0 0 0", "1 1 2 3 4 0 0 0 5 0 0 0 2",
        "1 5 2 3 4 0 0 0 5 0 0 0 1", "1 -1 2 3 4 0 0 0 5 0 0 0 1",
        "1 1 a 3 4 0 0 0 5 0 0 0 1",
    };
    /* clang-format on */
    struct keeper_report report = { .keeper = 17 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = memfd_create("status", MFD_CLOEXEC);

        assert_int_equal(write(fd, rows[i], strlen(rows[i])), (ssize_t)strlen(rows[i]));
        if (keeper_read(fd, &report) != -ENODATA)
            fail_msg("taken: \"%s\"", rows[i]);
        assert_int_equal(report.keeper, 17);
        (void)close(fd);
    }
    assert_true(keeper_read(-1, &report) < 0);
}

/* A keeper outlives the opsd that forked it, and its successor. */
static void takes_what_earlier_keepers_wrote(void **state)
{
    static const char record[] = "1 1 2 3 4 0 0 0 5 0 0 0 1     \n";
    int fd = memfd_create("status", MFD_CLOEXEC);
    struct keeper_report report;

    (void)state;
    assert_int_equal(write(fd, record, strlen(record)), (ssize_t)strlen(record));
    assert_int_equal(keeper_read(fd, &report), 0);
    assert_int_equal(report.worker, 4);
    assert_int_equal(report.started_ms, 5);
    assert_int_equal(report.worker_start, 0);
    (void)close(fd);
}

/* --- what it holds, and what it is */

static void holds_what_it_needs_and_no_more(void **state)
{
    static const char *const standard[] = { "fd/0", "fd/1", "fd/2" };
    struct world *world = *state;
    char one[256], two[256], path[32];
    int more[20];
    struct job job;

    for (int i = 0; i < 20; i++) {
        more[i] = open("/dev/null", O_RDONLY);
        assert_true(more[i] >= 0);
    }
    struct become_fd passed[] = {
        { more[3], 3 }, { more[4], 4 }, { more[15], 17 }, { more[2], 5 }
    };
    struct keeper_task task = { .file = "w-0",
                                .name = "keeper-test",
                                .become = { .fds = passed, .fd_count = 4 } };
    assert_int_equal(job_fork_as(&job, world, task, "ls -m /proc/$$/fd; echo up; sleep 120", NULL),
                     0);
    job_go(&job);
    wait_for(world, job_said(&job, "up"));
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    assert_non_null(strstr(job.said, "0, 1, 17, 2, 3, 4, 5\nup"));
    /* With its list of children, once it has looked at that. */
    assert_in_range(count_fds(job.keeper->pid), 8, 9);
    read_link(job.keeper->pid, "fd/5", one);
    (void)snprintf(two, sizeof two, "%s/run/w-0", world->root);
    assert_string_equal(one, two);
    for (int i = 0; i < 3; i++) {
        read_link(job.keeper->pid, standard[i], one);
        assert_string_equal(one, "/dev/null");
    }
    (void)snprintf(path, sizeof path, "fd/%d", job.out);
    read_link(getpid(), path, one);
    read_link(job.keeper->pid, "fd/3", two);
    assert_string_equal(one, two);
    (void)snprintf(path, sizeof path, "fd/%d", job.err);
    read_link(getpid(), path, one);
    read_link(job.keeper->pid, "fd/4", two);
    assert_string_equal(one, two);
    for (int i = 0; i < 20; i++)
        (void)close(more[i]);
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    job_end(&job);
}

static void leads_a_session_of_its_own(void **state)
{
    struct world *world = *state;
    struct proc_stat keeper, worker;
    char text[256], path[64];
    struct job job;
    FILE *file;

    job_start(&job, world, "sleep 120");
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    assert_int_equal(procfs_stat(job.keeper->pid, &keeper), 0);
    assert_int_equal(procfs_stat(job.report.worker, &worker), 0);
    assert_int_equal(keeper.session, job.keeper->pid);
    assert_int_equal(getpgid(job.keeper->pid), job.keeper->pid);
    assert_int_equal(worker.parent, job.keeper->pid);
    assert_int_equal(worker.session, job.keeper->pid);
    assert_int_equal(getpgid(job.report.worker), job.report.worker);
    read_link(job.keeper->pid, "cwd", text);
    assert_string_equal(text, "/");
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)job.keeper->pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "w\n");
    (void)fclose(file);
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    job_end(&job);
}

/* Signals that people send to everything that is called so, or that a terminal sends. */
static void nothing_but_a_kill_ends_it(void **state)
{
    struct world *world = *state;
    struct job job;

    job_start(&job, world, "exec sleep 120");
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    for (int signal = 1; signal < NSIG; signal++)
        if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33)
            (void)kill(job.keeper->pid, signal);
    assert_int_equal(keeper_order(job.keeper, KEEPER_STOP | SIGTERM), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    assert_status(&job, 0, SIGTERM);
    job_end(&job);
}

/* --- many */

/* Both are known by the clock, mostly, and have to be what anybody will read later on. */
static void the_starts_are_those_of_proc(void **state)
{
    struct world *world = *state;
    struct proc_stat stat;
    struct job job;
    int known = 0;

    for (int i = 0; i < CROWD / 4; i++) {
        job_fork(&job, world, "w-0", "exec sleep 120");
        assert_int_equal(procfs_stat(job.keeper->pid, &stat), 0);
        assert_int_equal(job.keeper->start, stat.start_ticks);
        job_go(&job);
        wait_for(world, job_heard(&job, KEEPER_RUNS));
        assert_int_equal(procfs_stat(job.report.worker, &stat), 0);
        known += job.report.worker_start != 0;
        if (job.report.worker_start)
            assert_int_equal(job.report.worker_start, stat.start_ticks);
        assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
        wait_for(world, job_heard(&job, KEEPER_EMPTY));
        job_end(&job);
    }
    assert_true(known > 0);
}

static void two_hundred_at_once(void **state)
{
    struct job *jobs = calloc(CROWD, sizeof *jobs);
    char files[CROWD][16], scripts[CROWD][32];
    int fds = count_fds(getpid()), over;
    struct world *world = *state;

    assert_non_null(jobs);
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(files[i], sizeof files[i], "w-%d", i);
        (void)snprintf(scripts[i], sizeof scripts[i], "echo %d; exit %d", i, i);
        job_fork(&jobs[i], world, files[i], scripts[i]);
    }
    job_go(&jobs[0]);
    do {
        over = 0;
        world_turn(world);
        for (int i = 0; i < CROWD; i++)
            over += job_heard(&jobs[i], KEEPER_EMPTY);
    } while (over < CROWD);
    for (int i = 0; i < CROWD; i++) {
        char want[16];

        assert_status(&jobs[i], i, 0);
        assert_false(jobs[i].gone);
        (void)snprintf(want, sizeof want, "%d\n", i);
        assert_true(job_said(&jobs[i], want));
        assert_string_equal(jobs[i].said, want);
        keeper_dismiss(&jobs[i].keeper);
        job_close(&jobs[i]);
    }
    wait_for(world, !world->keepers.first);
    assert_int_equal(count_fds(getpid()), fds);
    free(jobs);
}

/* The file is named anew by the next one of the same instance before the last one is gone. */
static void one_after_the_other_with_one_file(void **state)
{
    struct world *world = *state;
    struct job before, job;

    job_start(&before, world, "exit 1");
    wait_for(world, job_heard(&before, KEEPER_EMPTY));
    keeper_dismiss(&before.keeper);
    job_close(&before);
    for (int i = 2; i < 20; i++) {
        char script[32];

        (void)snprintf(script, sizeof script, "exit %d", i);
        job_start(&job, world, script);
        if (i == 10)
            keepers_forget(&world->keepers, "w-0");
        wait_for(world, job_heard(&job, KEEPER_EMPTY));
        assert_status(&job, i, 0);
        keeper_dismiss(&job.keeper);
        job_close(&job);
    }
    wait_for(world, !world->keepers.first);
}

static void too_much_to_say_is_refused(void **state)
{
    struct world *world = *state;
    char *long_text = malloc(9 << 20);
    int fds = count_fds(getpid());
    struct err why = { "" };
    struct job job;

    assert_non_null(long_text);
    memset(long_text, 'x', (9 << 20) - 1);
    long_text[(9 << 20) - 1] = '\0';
    assert_int_equal(
        job_fork_as(&job, world, (struct keeper_task){ .file = "w-0" }, long_text, &why), -E2BIG);
    assert_string_not_equal(why.text, "");
    job_close(&job);
    assert_null(world->keepers.first);
    assert_int_equal(count_fds(getpid()), fds);

    /* What the kernel does not take is the keeper's to tell. */
    long_text[4 << 20] = '\0';
    assert_int_equal(
        job_fork_as(&job, world, (struct keeper_task){ .file = "w-0" }, long_text, &why), 0);
    job_go(&job);
    wait_for(world, job_heard(&job, KEEPER_FAILED));
    assert_int_equal(job.report.failure.error, E2BIG);
    job_end(&job);
    free(long_text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(nothing_runs_before_it_is_told_to_go),
        TEST(one_that_was_not_told_to_go_ends_with_opsd),
        TEST(tells_why_it_could_not_start),
        TEST(tells_how_it_ended),
        TEST(every_phase_is_heard_of),
        TEST(a_report_is_never_half_of_two),
        TEST(refuses_what_is_no_report),
        TEST(takes_what_earlier_keepers_wrote),
        TEST(holds_what_it_needs_and_no_more),
        TEST(leads_a_session_of_its_own),
        TEST(nothing_but_a_kill_ends_it),
        TEST(the_starts_are_those_of_proc),
        TEST(two_hundred_at_once),
        TEST(one_after_the_other_with_one_file),
        TEST(too_much_to_say_is_refused),
    };

    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
