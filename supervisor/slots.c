/* A child that gets a few descriptors of ours. */
#include "slots.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BLANK = SLOTS_END - 2, /* /dev/null: a slot that is not in use is a copy of it */
    TOLD = SLOTS_END - 1,  /* eventfd(2): the child has its own table */
    /* It makes one system call. Beyond this it is stopped, and of no use to anybody. */
    PATIENCE_MS = 5000,
};

static struct {
    bool open;
    size_t filled; /* with what is for the last child */
    bool shared;   /* with that child still */
    int pidfd;     /* of it */
} slots;

static int move(int fd, int to)
{
    int r = fd;

    if (fd >= 0 && fd != to) {
        r = dup3(fd, to, O_CLOEXEC);
        (void)close(fd);
    }
    return r < 0 ? -errno : 0;
}

static int fill(size_t i, int fd)
{
    return dup3(fd >= 0 ? fd : BLANK, SLOTS_FIRST + (int)i, O_CLOEXEC) < 0 ? -errno : 0;
}

/* Those from the first on that are filled; nobody else gets their numbers. */
static void blank(size_t first)
{
    for (size_t i = first; i < slots.filled; i++)
        (void)fill(i, -1);
    slots.filled = first;
}

static int blank_all(void)
{
    int r = 0;

    for (size_t i = 0; i < SLOTS_MAX && r == 0; i++)
        r = fill(i, -1);
    return r;
}

int slots_open(void)
{
    int r;

    if (slots.open)
        return 0;
    r = move(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), TOLD);
    if (r == 0)
        r = move(open("/dev/null", O_RDWR | O_CLOEXEC), BLANK);
    if (r == 0)
        r = blank_all();
    slots.open = r == 0;
    return r;
}

/* In the child. */
static void take_own_table(size_t n)
{
    static const uint64_t one = 1;

    if (close_range(SLOTS_END, ~0U, CLOSE_RANGE_UNSHARE) < 0)
        _exit(EXIT_FAILURE);
    (void)!write(TOLD, &one, sizeof one);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        (void)dup2(BLANK, fd);
    (void)close_range(SLOTS_FIRST + (unsigned)n, ~0U, 0);
}

/* What is in the slots from the last child on is only taken out where nothing else comes in. */
static int fill_all(const int fds[], size_t n)
{
    size_t before = slots.filled, i;
    int r = 0;

    for (i = 0; i < n && r == 0; i++)
        if (fds[i] >= 0 || i < before)
            r = fill(i, fds[i]);
    slots.filled = i > before ? i : before;
    blank(r < 0 ? 0 : n);
    return r;
}

static bool has_told(int timeout_ms)
{
    struct pollfd fds[] = { { .fd = TOLD, .events = POLLIN },
                            { .fd = slots.pidfd, .events = POLLIN } };
    int n;

    do
        n = poll(fds, 2, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n != 0;
}

/* Until the last child has its own. */
static void wait_for_child(void)
{
    uint64_t times;

    if (!slots.shared)
        return;
    if (!has_told(PATIENCE_MS)) {
        (void)pidfd_send_signal(slots.pidfd, SIGKILL, NULL, 0);
        (void)has_told(-1);
    }
    (void)!read(TOLD, &times, sizeof times);
    slots.shared = false;
}

pid_t slots_fork(const int fds[], size_t n, int *ret_pidfd)
{
    int pidfd = -1, r;
    long pid;

    assert(slots.open && n <= SLOTS_MAX);
    wait_for_child();
    r = fill_all(fds, n);
    if (r < 0)
        return r;
    /* Not fork(3), which would do for threads, stdio and malloc what no keeper needs. */
    pid = syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
    if (pid == 0)
        take_own_table(n);
    if (pid > 0) {
        slots.shared = true;
        slots.pidfd = *ret_pidfd = pidfd;
    } else if (pid < 0) {
        pid = -errno;
        blank(0);
    }
    return (pid_t)pid;
}

void slots_wait(void)
{
    wait_for_child();
    blank(0);
}
