/* What proc(5) tells about processes. */
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "own.h"

/* /proc/vmstat has some 4 kB. */
enum { ANCESTORS_MAX = 64, VMSTAT_BYTES_MAX = 64 << 10 };

int procfs_stat(pid_t pid, struct proc_stat *ret)
{
    OWN(close) int fd = -1;
    unsigned long long user, system, start;
    char path[32], text[1024], *p;
    int parent, session;
    char state;
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return n < 0 ? -errno : -ESRCH;
    text[n] = '\0';
    /* The name stands in parentheses and may itself hold some; the last one ends it. */
    p = strrchr(text, ')');
    if (!p ||
        sscanf(p + 1,
               " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
               &state, &parent, &session, &user, &system, &start) != 6)
        return -EIO;
    ret->state = state;
    ret->parent = parent;
    ret->session = session;
    ret->cpu_ms = (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
    ret->start_ticks = (int64_t)start;
    return 0;
}

/* The kernel takes CLOCK_BOOTTIME when it copies a process, and shows whole ticks (copy_process,
 * nsec_to_clock_t). */
int64_t procfs_clock(void)
{
    const int64_t second = 1000000000;
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (now.tv_sec * second + now.tv_nsec) / (second / sysconf(_SC_CLK_TCK));
}

int procfs_memory_open(pid_t pid)
{
    char path[32];
    int fd;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The second number of statm: resident pages. */
int procfs_memory_read(int fd, int64_t *ret_bytes)
{
    char text[128], *p;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    if (n <= 0)
        return n < 0 ? -errno : -ESRCH;
    text[n] = '\0';
    p = strchr(text, ' ');
    if (!p)
        return -EIO;
    *ret_bytes = strtoll(p, NULL, 10) * sysconf(_SC_PAGESIZE);
    return 0;
}

int procfs_memory(pid_t pid, int64_t *ret_bytes)
{
    OWN(close) int fd = procfs_memory_open(pid);

    return fd < 0 ? fd : procfs_memory_read(fd, ret_bytes);
}

clockid_t procfs_cpu_clock(pid_t pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) ? PROCFS_NO_CLOCK : clock;
}

/* Without a file. The clock is no clock once the process is gone. */
int procfs_cpu(clockid_t clock, int64_t *ret_ns)
{
    struct timespec used;

    if (clock_gettime(clock, &used) < 0)
        return -ESRCH;
    *ret_ns = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return 0;
}

/* The value of one line, `name number`. */
static int64_t vmstat_value(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoll(at + strlen(name), NULL, 10) : -ENODATA;
}

int64_t procfs_pages_taken(void)
{
    OWN(free) char *text = NULL;
    int64_t of_processes, of_files;
    int r;

    r = file_read("/proc/vmstat", VMSTAT_BYTES_MAX, &text, NULL);
    if (r < 0)
        return r;
    of_processes = vmstat_value(text, "\npgsteal_anon ");
    of_files = vmstat_value(text, "\npgsteal_file ");
    return of_processes < 0 || of_files < 0 ? -ENODATA : of_processes + of_files;
}

bool procfs_descends(pid_t pid, pid_t ancestor)
{
    struct proc_stat stat;

    for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        if (pid == ancestor)
            return true;
        if (procfs_stat(pid, &stat) < 0)
            return false;
        pid = stat.parent;
    }
    return pid == ancestor;
}

bool procfs_is_alive(pid_t pid, int64_t start_ticks)
{
    struct proc_stat stat;

    return procfs_stat(pid, &stat) == 0 && stat.start_ticks == start_ticks && stat.state != 'Z' &&
           stat.state != 'X';
}
