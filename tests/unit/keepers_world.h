#ifndef OPS_KEEPERS_WORLD_H
#define OPS_KEEPERS_WORLD_H
/*
 * Real keepers with real workers, and no opsd: a home, a loop, and jobs, each of which is a shell
 * script with a keeper. Whatever a worker ever starts carries a mark in its environment, so that it
 * can be counted wherever it went.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "instant.h"
#include "keepers.h"
#include "own.h"
#include "procfs.h"
#include "slots.h"
#include "stream.h"

/* Long enough for a machine that does much else, and sanitizers. */
enum { PATIENCE_MS = 30000, TEST_SECONDS = 240, MARK_MAX = 80, SAID_MAX = 4096 };

struct world {
    char root[64], mark[MARK_MAX];
    int home_fd;
    uv_loop_t loop;
    struct keepers keepers;
};

struct job {
    struct world *world;
    struct keeper *keeper;
    struct keeper_report report; /* the last */
    unsigned phases;             /* that were heard of, a bit each */
    bool gone;
    int out, err;
    char *argv[4];
    char said[SAID_MAX];
};

/* --- the world */

static inline void job_changed(struct keeper *keeper)
{
    struct job *job = keeper->owner;

    assert_ptr_equal(job->keeper, keeper);
    job->report = keeper->report;
    job->phases |= 1U << keeper->report.phase;
    job->gone |= keeper->gone;
}

static inline int open_world_at(struct world *world)
{
    (void)snprintf(world->mark, sizeof world->mark, "MARK=%s", world->root);
    world->home_fd = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (world->home_fd < 0 || uv_loop_init(&world->loop) < 0)
        return -1;
    world->keepers = (struct keepers){ .changed = job_changed };
    return keepers_init(&world->keepers, &world->loop, world->home_fd);
}

static inline int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    *state = world;
    if (slots_open() < 0)
        return -1;
    /* A test that hangs is one that fails. */
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(TEST_SECONDS);
    /* As the guard does: what a keeper leaves comes to us. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!world)
        return -1;
    (void)snprintf(world->root, sizeof world->root, "/tmp/test_keeper.XXXXXX");
    return mkdtemp(world->root) ? open_world_at(world) : -1;
}

static inline void close_loop(struct world *world)
{
    keepers_close(&world->keepers);
    while (uv_run(&world->loop, UV_RUN_NOWAIT))
        ;
    assert_int_equal(uv_loop_close(&world->loop), 0);
    (void)close(world->home_fd);
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

/* How many processes carry the mark, wherever they are; each gets the signal, unless it is 0. */
static inline int marked(const struct world *world, int signal)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    char path[300], bytes[8192];
    int found = 0, pid, fd;
    ssize_t n;

    assert_non_null(proc);
    while ((entry = readdir(proc))) {
        pid = (int)strtol(entry->d_name, NULL, 10);
        (void)snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
        fd = pid > 1 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
        if (fd >= 0)
            (void)close(fd);
        if (n <= 0 || !memmem(bytes, (size_t)n, world->mark, strlen(world->mark) + 1))
            continue;
        found++;
        if (signal)
            (void)kill(pid, signal);
    }
    (void)closedir(proc);
    return found;
}

/* Kills and reaps whoever is a child of ours, and those that become one meanwhile. Returns how many
 * there were. */
static inline int end_children(void)
{
    uint64_t until = monotonic_now_ms() + PATIENCE_MS;
    char list[4096], *end;
    int ended = 0;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && monotonic_now_ms() < until) {
        int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof list - 1);

        (void)close(fd);
        ended += pid > 0;
        list[n > 0 ? n : 0] = '\0';
        for (char *p = list; (end = strchr(p, ' ')); p = end + 1)
            (void)kill((pid_t)strtol(p, NULL, 10), SIGKILL);
    }
    return ended;
}

/* Nothing that ran may be left. As the guard does, we reap a worker that had ended when its keeper
 * was dismissed. */
static inline int close_world(void **state)
{
    struct world *world = *state;
    int left = 0;

    for (const struct keeper *k = world->keepers.first; k; k = k->next, left++)
        (void)kill(k->pid, SIGKILL);
    close_loop(world);
    while (marked(world, SIGKILL) > 0)
        left++;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    left += end_children();
    (void)nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(world);
    if (left)
        print_error("it left processes behind\n");
    return left ? -1 : 0;
}

/* --- waiting */

static inline void world_turn(struct world *world)
{
    struct pollfd fd = { .fd = uv_backend_fd(&world->loop), .events = POLLIN };

    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    (void)poll(&fd, 1, 5);
    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
}

#define wait_for(world, condition)                             \
    do {                                                       \
        uint64_t until_ = monotonic_now_ms() + PATIENCE_MS;    \
        while (!(condition)) {                                 \
            if (monotonic_now_ms() > until_)                   \
                fail_msg("waited in vain for %s", #condition); \
            world_turn(world);                                 \
        }                                                      \
    } while (0)

static inline bool is_alive(pid_t pid)
{
    struct proc_stat stat;

    return procfs_stat(pid, &stat) == 0 && stat.state != 'Z' && stat.state != 'X';
}

static inline bool exists(pid_t pid)
{
    struct proc_stat stat;

    return procfs_stat(pid, &stat) == 0;
}

static inline int64_t start_of(pid_t pid)
{
    struct proc_stat stat;

    return procfs_stat(pid, &stat) < 0 ? -1 : stat.start_ticks;
}

/* --- jobs */

static inline int job_fork_as(struct job *job, struct world *world, struct keeper_task task,
                              const char *script, struct err *reterr)
{
    char *const env[] = { world->mark, (char *)"PATH=/usr/bin:/bin", NULL };
    struct err why;

    *job = (struct job){ .world = world,
                         .argv = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)script } };
    job->out = stream_make_pipe(getuid(), &why);
    job->err = stream_make_pipe(getuid(), &why);
    assert_true(job->out >= 0 && job->err >= 0);
    task.name = task.name ? task.name : "w";
    task.program = task.program ? task.program : "/bin/sh";
    task.cgroups_fd = task.cgroup ? task.cgroups_fd : -1;
    task.ready_fd = task.ready_fd ? task.ready_fd : -1;
    task.channel_fd = -1;
    task.become.argv = job->argv;
    task.become.env = env;
    task.become.cwd = task.become.cwd ? task.become.cwd : "/";
    task.become.out_fd = job->out;
    task.become.err_fd = job->err;
    return keeper_fork(&world->keepers, &task, job, &job->keeper, reterr);
}

static inline void job_fork(struct job *job, struct world *world, const char *file,
                            const char *script)
{
    struct err why;

    if (job_fork_as(job, world, (struct keeper_task){ .file = file }, script, &why) < 0)
        fail_msg("%s", why.text);
}

/* It is told to go, as is whoever else waits in that world. */
static inline void job_go(const struct job *job)
{
    (void)keepers_go(job->keeper->keepers);
}

/* Forks it, and it is told to go. */
static inline void job_start(struct job *job, struct world *world, const char *script)
{
    job_fork(job, world, "w-0", script);
    job_go(job);
}

static inline bool job_heard(const struct job *job, enum keeper_phase phase)
{
    return job->phases & 1U << phase;
}

/* What the worker printed so far holds text. */
static inline bool job_said(struct job *job, const char *text)
{
    struct pollfd there = { .fd = job->out, .events = POLLIN };
    size_t n = strlen(job->said);
    ssize_t got = poll(&there, 1, 0) > 0 ? read(job->out, job->said + n, SAID_MAX - 1 - n) : 0;

    job->said[n + (got > 0 ? (size_t)got : 0)] = '\0';
    return strstr(job->said, text);
}

static inline void job_close(struct job *job)
{
    (void)close(job->out);
    (void)close(job->err);
}

/* What is over is dismissed, and then it is not there any more. */
static inline void job_end(struct job *job)
{
    pid_t pid = job->keeper->pid;

    if (!job->gone)
        assert_true(job->report.phase == KEEPER_EMPTY || job->report.phase == KEEPER_FAILED);
    keeper_dismiss(&job->keeper);
    assert_null(job->keeper);
    wait_for(job->world, !exists(pid));
    job_close(job);
}

static inline void assert_status(const struct job *job, int code, int signal)
{
    assert_int_equal(job->report.status.signal, signal);
    if (!signal)
        assert_int_equal(job->report.status.code, code);
}

/* --- strangers */

/* As fork(2), with the number of one's choice, which nobody has. -1: that is not allowed here. */
static inline pid_t clone_at(pid_t pid)
{
    struct clone_args how = { .exit_signal = SIGCHLD,
                              .set_tid = (uintptr_t)&pid,
                              .set_tid_size = 1 };
    uint64_t until = monotonic_now_ms() + PATIENCE_MS;
    long got;

    /* A number is free a moment after its process was reaped. */
    do
        got = syscall(SYS_clone3, &how, sizeof how);
    while (got < 0 && errno == EEXIST && monotonic_now_ms() < until);
    return (pid_t)got;
}

/* A child of ours with that number; it leads a session and sleeps. */
static inline pid_t stranger_at(pid_t pid)
{
    pid_t stranger = clone_at(pid);

    if (stranger == 0) {
        (void)setsid();
        for (;;)
            (void)pause();
    }
    return stranger;
}

static inline void end_stranger(pid_t pid)
{
    assert_true(is_alive(pid));
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#endif
