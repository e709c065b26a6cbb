/*
 * A line for the standard input of a worker. What a process has as its standard input is for itself
 * to choose: it is opened only once it is known to be a pipe.
 */
#include "stdin_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own.h"
#include "procfs.h"

static int open_pipe(pid_t pid, int64_t start_ticks)
{
    OWN(close) int found = -1;
    char path[48];
    struct stat st;
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%d/fd/0", (int)pid);
    found = open(path, O_PATH | O_CLOEXEC);
    /* It was that process's, if that still is there. */
    if (!procfs_is_alive(pid, start_ticks))
        return -ESRCH;
    if (found < 0 || fstat(found, &st) < 0)
        return -errno;
    if (!S_ISFIFO(st.st_mode))
        return -ENOTSUP;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", found);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int stdin_write(pid_t pid, int64_t start_ticks, const char *bytes, size_t n)
{
    OWN(close) int fd = open_pipe(pid, start_ticks);

    if (fd < 0)
        return fd;
    return write(fd, bytes, n) < 0 ? -errno : 0;
}
