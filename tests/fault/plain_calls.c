/*
 * For valgrind (3.19), which knows fork(2) and not what opsd uses besides: a child that shares our
 * descriptors for a moment and gets a part of our memory only, descriptors of processes, closing a
 * range. Preloaded into opsd this library says the same with calls that valgrind knows.
 *
 * A descriptor of a process comes from whoever listens at the abstract socket PIDFD_SOCKET, which
 * is sent its number (tests/valgrind.py).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

int pidfd_open(pid_t pid, unsigned flags);
int pidfd_send_signal(int fd, int number, siginfo_t *info, unsigned flags);

static long call(long number, const long a[])
{
    static long (*next)(long, ...);

    if (!next)
        next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int ask_connect(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *name = getenv("PIDFD_SOCKET");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name ? name : "");
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                       strlen(address.sun_path + 1))) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* No descriptor in the answer: there is no such process. */
int pidfd_open(pid_t pid, unsigned flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec piece = { &byte, 1 };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };
    int fd = ask_connect(), got = -1;

    (void)flags;
    if (fd >= 0 && write(fd, &pid, sizeof pid) == sizeof pid &&
        recvmsg(fd, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    (void)close(fd);
    errno = ESRCH;
    return got;
}

int pidfd_send_signal(int fd, int number, siginfo_t *info, unsigned flags)
{
    char path[64], line[128];
    FILE *file;
    int pid = -1;

    (void)flags;
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Pid:", 4) == 0)
            pid = atoi(line + 4);
    if (file)
        (void)fclose(file);
    errno = ESRCH;
    if (pid > 0 && info)
        return (int)call(SYS_rt_sigqueueinfo, (const long[ARGUMENTS]){ pid, number, (long)info });
    return pid > 0 ? kill(pid, number) : -1;
}

static long plain_fork(int *ret_pidfd)
{
    const long arguments[ARGUMENTS] = { SIGCHLD };
    long pid = call(SYS_clone, arguments);

    if (pid > 0)
        *ret_pidfd = pidfd_open((pid_t)pid, 0);
    return pid;
}

long syscall(long number, ...)
{
    long arguments[ARGUMENTS];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < ARGUMENTS; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_clone && arguments[0] & CLONE_PIDFD)
        return plain_fork((int *)arguments[2]);
    return call(number, arguments);
}

/* The child of a plain fork has its own table already. */
int close_range(unsigned first, unsigned last, int flags)
{
    unsigned limit = (unsigned)sysconf(_SC_OPEN_MAX);

    for (unsigned fd = first; fd <= last && fd < limit; fd++)
        (void)(flags & CLOSE_RANGE_CLOEXEC ? fcntl((int)fd, F_SETFD, FD_CLOEXEC) : close((int)fd));
    return 0;
}

int madvise(void *address, size_t n, int advice)
{
    const long arguments[ARGUMENTS] = { (long)address, (long)n, advice };

    return advice == MADV_DONTFORK ? 0 : (int)call(SYS_madvise, arguments);
}
