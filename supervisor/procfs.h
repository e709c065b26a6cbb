#ifndef OPS_PROCFS_H
#define OPS_PROCFS_H
/*
 * What proc(5) tells about processes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct proc_stat {
    char state; /* Z: it ended and nobody asked how; X: it is being removed */
    pid_t parent, session;
    int64_t cpu_ms;      /* user and system time */
    int64_t start_ticks; /* since boot; with the pid, the identity of a process */
};

/* The clock by which start_ticks go, of usually a hundredth of a second: a process that was forked
 * between two looks at it that are the same was started then. Several times the speed of
 * procfs_stat. */
int64_t procfs_clock(void);

/* True while the process runs that began then. */
bool procfs_is_alive(pid_t pid, int64_t start_ticks);

/* Reads /proc/PID/stat. Returns 0 or a negative errno. */
int procfs_stat(pid_t pid, struct proc_stat *ret);

/* What a process uses, one figure at a time, for whoever asks about thousands: both together are
 * half the price of procfs_stat. */

/* The clock of the time that a process uses; PROCFS_NO_CLOCK when it is gone. */
#define PROCFS_NO_CLOCK ((clockid_t)-1)
clockid_t procfs_cpu_clock(pid_t pid);

/* User and system time of all its threads. Returns 0, or -ESRCH when the process is gone. */
int procfs_cpu(clockid_t clock, int64_t *ret_ns);

/* Resident memory, several times the price of procfs_cpu. Returns 0 or a negative errno. */
int procfs_memory(pid_t pid, int64_t *ret_bytes);

/* The same for whoever asks again, at a third of the price: a descriptor, of the kernel's memory 2
 * kB and once it was read 6. It stays with this process, whatever it executes, and whoever has its
 * number next. The caller closes it. Returns it or a negative errno. */
int procfs_memory_open(pid_t pid);

/* Returns 0 or a negative errno, -ESRCH when the process is gone. */
int procfs_memory_read(int fd, int64_t *ret_bytes);

/* How many pages the kernel took back so far from whatever held them, because memory was short: of
 * processes and of files (pgsteal_anon and pgsteal_file of /proc/vmstat, Linux 5.8). Returns that
 * or a negative errno. */
int64_t procfs_pages_taken(void);

/* True when pid is ancestor or a descendant of it. */
bool procfs_descends(pid_t pid, pid_t ancestor);

#endif
