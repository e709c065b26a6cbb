/* The children of a keeper, by the kernel's list (proc(5), /proc/PID/task/TID/children). */
#include "keeper_children.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_BYTES = 4096 };

/* A child of ours keeps its number until we reap it, so that no stranger is hit. */
static bool is_spared(const struct keeper_children *children, pid_t pid)
{
    return children->only_of && getpgid(pid) != children->only_of;
}

int keeper_children_signal(struct keeper_children *children, int signal)
{
    char list[LIST_BYTES + 1], *p = list, *end;
    int count = 0;
    pid_t pid;
    ssize_t n;

    if (children->fd < 0)
        children->fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    n = pread(children->fd, list, LIST_BYTES, 0);

    list[n > 0 ? n : 0] = '\0';
    /* Only whole numbers: each has a space behind it. */
    for (; (end = strchr(p, ' ')); p = end + 1) {
        pid = (pid_t)strtol(p, NULL, 10);
        if (pid <= 1 || is_spared(children, pid))
            continue;
        count++;
        if (signal)
            (void)kill(pid, signal);
    }
    return count;
}
