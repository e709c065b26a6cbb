/* What the kernel tells of processes, of real ones. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "procfs.h"

/* It touches no more memory. */
static pid_t sleeper(void)
{
    struct proc_stat stat = { .state = 'R' };
    pid_t pid = fork();

    assert_true(pid >= 0);
    while (pid == 0)
        (void)pause();
    while (stat.state != 'S')
        assert_int_equal(procfs_stat(pid, &stat), 0);
    return pid;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_clock_tells_the_time_used_as_long_as_its_process_is_there(void **state)
{
    clockid_t ours = procfs_cpu_clock(getpid()), theirs;
    int64_t before = -1, after = -1, untouched = 9999;
    pid_t pid = sleeper();

    (void)state;
    assert_int_equal(procfs_cpu(ours, &before), 0);
    while (procfs_cpu(ours, &after) == 0 && after == before)
        ;
    assert_true(before > 0 && after > before);
    theirs = procfs_cpu_clock(pid);
    assert_int_equal(procfs_cpu(theirs, &after), 0);
    end(pid);
    assert_int_equal(procfs_cpu(theirs, &untouched), -ESRCH);
    assert_int_equal(procfs_cpu(procfs_cpu_clock(pid), &untouched), -ESRCH);
    assert_int_equal(procfs_cpu(PROCFS_NO_CLOCK, &untouched), -ESRCH);
    assert_int_equal(untouched, 9999);
}

static void memory_is_read_from_what_stays_open(void **state)
{
    int64_t once = 0, kept = 0, untouched = 9999;
    pid_t pid = sleeper();
    int fd = procfs_memory_open(pid);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(procfs_memory(pid, &once), 0);
    assert_int_equal(procfs_memory_read(fd, &kept), 0);
    assert_true(once > 0);
    assert_int_equal(kept, once);
    end(pid);
    assert_int_equal(procfs_memory_read(fd, &untouched), -ESRCH);
    assert_int_equal(untouched, 9999);
    (void)close(fd);
}

static void what_the_kernel_took_is_counted(void **state)
{
    int64_t before = procfs_pages_taken();

    (void)state;
    assert_true(before >= 0);
    assert_true(procfs_pages_taken() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_tells_the_time_used_as_long_as_its_process_is_there),
        cmocka_unit_test(memory_is_read_from_what_stays_open),
        cmocka_unit_test(what_the_kernel_took_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
