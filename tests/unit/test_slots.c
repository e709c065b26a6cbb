/* A child that gets a few descriptors: which, and what stays behind. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots.h"

enum { OTHERS = 200, CHILDREN = 50 };

static int count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(folder);
    while (readdir(folder))
        n++;
    (void)closedir(folder);
    return n - 3;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int new_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= SLOTS_END);
    return fd;
}

static int exit_code(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int take_slots(void **state)
{
    (void)state;
    (void)alarm(60);
    return slots_open();
}

static void a_child_has_its_own_and_no_more(void **state)
{
    int others[OTHERS], before, fds[2], pidfd;
    ino_t inodes[2];
    pid_t pid;

    (void)state;
    before = count_fds();
    for (int i = 0; i < OTHERS; i++)
        others[i] = new_file();
    fds[0] = others[17];
    fds[1] = others[3];
    inodes[0] = inode_of(fds[0]);
    inodes[1] = inode_of(fds[1]);
    pid = slots_fork(fds, 2, &pidfd);
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(count_fds() == 5 && inode_of(SLOTS_FIRST) == inodes[0] &&
                      inode_of(SLOTS_FIRST + 1) == inodes[1] && fcntl(fds[0], F_GETFD) < 0
                  ? 0
                  : 1);
    slots_wait();
    assert_int_equal(exit_code(pid), 0);
    assert_int_equal(close(pidfd), 0);
    for (int i = 0; i < OTHERS; i++)
        assert_int_equal(close(others[i]), 0);
    assert_int_equal(count_fds(), before);
}

/* None gets what is for another, though the slots are the same. */
static void many_in_a_row(void **state)
{
    int files[CHILDREN], pidfds[CHILDREN], before = count_fds();
    pid_t pids[CHILDREN];
    ino_t inode;

    (void)state;
    for (int i = 0; i < CHILDREN; i++) {
        files[i] = new_file();
        inode = inode_of(files[i]);
        pids[i] = slots_fork((const int[]){ files[i], files[0] }, 2, &pidfds[i]);
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(inode_of(SLOTS_FIRST) == inode && count_fds() == 5 ? 7 : 8);
    }
    slots_wait();
    for (int i = 0; i < CHILDREN; i++) {
        assert_int_equal(exit_code(pids[i]), 7);
        (void)close(pidfds[i]);
        (void)close(files[i]);
    }
    assert_int_equal(count_fds(), before);
}

static void nothing_stays_in_a_slot(void **state)
{
    int fd = new_file(), pidfd;
    int fds[SLOTS_MAX];
    ino_t inode = inode_of(fd), null = inode_of(SLOTS_FIRST);
    pid_t pid;

    (void)state;
    for (int i = 0; i < SLOTS_MAX; i++)
        fds[i] = fd;
    pid = slots_fork(fds, SLOTS_MAX, &pidfd);
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < SLOTS_MAX; i++)
            if (inode_of(SLOTS_FIRST + i) != inode)
                _exit(1);
        _exit(count_fds() == 3 + SLOTS_MAX ? 0 : 2);
    }
    slots_wait();
    slots_wait();
    for (int i = 0; i < SLOTS_MAX; i++) {
        assert_int_equal(inode_of(SLOTS_FIRST + i), null);
        assert_true(fcntl(SLOTS_FIRST + i, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(exit_code(pid), 0);
    (void)close(pidfd);
    (void)close(fd);
}

static void one_that_is_not_open_is_refused(void **state)
{
    int fd = new_file(), pidfd = -7;
    ino_t null = inode_of(SLOTS_FIRST);

    (void)state;
    assert_int_equal(slots_fork((const int[]){ fd, 999999 }, 2, &pidfd), -EBADF);
    assert_int_equal(pidfd, -7);
    assert_int_equal(inode_of(SLOTS_FIRST), null);
    (void)close(fd);
}

/* It would never say that it has its own table. */
static void a_child_that_is_killed_is_not_waited_for(void **state)
{
    int fd = new_file(), pidfd;

    (void)state;
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = slots_fork(&fd, 1, &pidfd);

        assert_true(pid >= 0);
        if (pid == 0)
            for (;;)
                (void)pause();
        assert_int_equal(kill(pid, SIGKILL), 0);
        slots_wait();
        assert_int_equal(exit_code(pid), -SIGKILL);
        (void)close(pidfd);
    }
    (void)close(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_has_its_own_and_no_more),
        cmocka_unit_test(many_in_a_row),
        cmocka_unit_test(nothing_stays_in_a_slot),
        cmocka_unit_test(one_that_is_not_open_is_refused),
        cmocka_unit_test(a_child_that_is_killed_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, take_slots, NULL);
}
