/* Clearing what a keeper that was killed leaves behind. */
#include "keeper_remains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "own.h"
#include "procfs.h"
#include "text.h"

/* More than execve(2) takes of a single text is not looked through. */
enum { ENVIRON_BYTES = 128 << 10 };

enum answer { NO, YES, UNKNOWN };

static enum answer answer_of(int r)
{
    return r == -ENOENT || r == -ESRCH || r == -EACCES || r == -EPERM ? NO : UNKNOWN;
}

/* Whether its environment, as it was when it was executed, has that entry. */
static enum answer has_cookie(pid_t pid, const char *cookie)
{
    static char text[ENVIRON_BYTES];
    OWN(close) int fd = -1;
    size_t n = strlen(cookie);
    char path[48];
    ssize_t got;

    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got < 0)
        return answer_of(-errno);
    text[got] = '\0';
    for (const char *p = text; p < text + got; p += strlen(p) + 1)
        if (strncmp(p, cookie, n) == 0 && !p[n])
            return YES;
    return NO;
}

static enum answer is_meant(pid_t pid, const struct proc_stat *stat,
                            const struct keeper_remains *remains)
{
    if (pid == remains->worker && stat->start_ticks == remains->worker_start)
        return YES;
    return stat->session == remains->keeper && remains->cookie ? has_cookie(pid, remains->cookie)
                                                               : NO;
}

/* What is asked of a process holds for as long as the pidfd is held. */
static enum answer kill_if_meant(pid_t pid, const struct keeper_remains *remains)
{
    OWN(close) int pidfd = pidfd_open(pid, 0);
    struct proc_stat stat;
    enum answer meant;
    int r;

    if (pidfd < 0)
        return answer_of(-errno);
    r = procfs_stat(pid, &stat);
    if (r < 0)
        return answer_of(r);
    if (stat.state == 'Z' || stat.state == 'X')
        return NO;
    meant = is_meant(pid, &stat, remains);
    if (meant == YES)
        (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    return meant;
}

bool keeper_clear(const struct keeper_remains *remains)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    bool again = !proc;
    int64_t pid;

    while (proc && (entry = readdir(proc)))
        if (text_to_int(entry->d_name, 2, INT32_MAX, &pid) == 0)
            again |= kill_if_meant((pid_t)pid, remains) != NO;
    if (proc)
        (void)closedir(proc);
    return again;
}
