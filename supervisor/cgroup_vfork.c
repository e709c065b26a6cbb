/* vfork(2) into a control group. */
#include "cgroup_vfork.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* AddressSanitizer has to know of every vfork, and knows of the C library's only. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

/* Not by syscall(3): the child would return from that, and call something else where the return
 * address of the parent was. The same holds for this function, so the child never returns. */
static __attribute__((noinline)) pid_t vfork_into(int cgroup_fd, cgroup_child child, void *context)
{
    const struct clone_args args = { .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
                                     .exit_signal = SIGCHLD,
                                     .cgroup = (unsigned)cgroup_fd };
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"(SYS_clone3), "D"(&args), "S"(sizeof args)
                     : "rcx", "r11", "memory");
    if (r == 0)
        child(context);
    return (pid_t)r;
}

#else

/* The slow way. */
static pid_t vfork_into(int cgroup_fd, cgroup_child child, void *context)
{
    int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    pid_t pid = fd < 0 ? -1 : vfork();

    if (pid == 0) {
        (void)!write(fd, "0", 1);
        child(context);
    }
    if (fd >= 0)
        (void)close(fd);
    return pid;
}

#endif

static int enter(int folder_fd, const char *name)
{
    if (mkdirat(folder_fd, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(folder_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

pid_t cgroup_vfork(int folder_fd, const char *name, cgroup_child child, void *context)
{
    int fd = folder_fd < 0 ? -1 : enter(folder_fd, name);
    pid_t pid = fd < 0 ? -1 : vfork_into(fd, child, context);

    if (pid < 0)
        pid = vfork();
    if (pid == 0)
        child(context);
    if (fd >= 0)
        (void)close(fd);
    return pid;
}
