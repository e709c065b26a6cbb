/* What a keeper holds, taken from it. */
#include "keeper_held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keepers.h"
#include "own.h"
#include "procfs.h"

int keeper_held_open(pid_t keeper, int64_t start, int fd)
{
    OWN(close) int opened = -1;
    char path[48];

    /* Before, so that nothing of a stranger's is opened; and after, as it may have become one's. */
    if (!procfs_is_alive(keeper, start))
        return -ESRCH;
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)keeper, fd);
    opened = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (opened < 0)
        return -errno;
    return procfs_is_alive(keeper, start) ? take_fd(&opened) : -ESRCH;
}

/* It cannot become a stranger's: what is found to be the one meant is what the pidfd holds. */
static int hold(pid_t keeper, int64_t start)
{
    OWN(close) int pidfd = pidfd_open(keeper, 0);

    if (pidfd < 0)
        return -errno;
    return procfs_is_alive(keeper, start) ? take_fd(&pidfd) : -ESRCH;
}

int keeper_held_copy(pid_t keeper, int64_t start, int fd)
{
    OWN(close) int pidfd = hold(keeper, start);
    OWN(close) int copy = -1;
    struct stat st;

    if (pidfd < 0)
        return pidfd;
    copy = pidfd_getfd(pidfd, fd, 0);
    if (copy < 0)
        return -errno;
    /* One that an earlier opsd forked has something else there, or nothing. */
    return fstat(copy, &st) == 0 && S_ISSOCK(st.st_mode) ? take_fd(&copy) : -ENOTSOCK;
}

int keeper_held_order(pid_t keeper, int64_t start, int order)
{
    OWN(close) int pidfd = hold(keeper, start);

    return pidfd < 0 ? pidfd : keeper_send(pidfd, order);
}
