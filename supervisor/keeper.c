/* The life of a keeper. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_vfork.h"
#include "heap.h"
#include "instant.h"
#include "launch.h"

enum { CHILDREN_BYTES = 4096, HELD = 5, HELD_FROM = 16 };

struct keeper_life {
    const struct keeper_task *task; /* until the worker runs */
    struct keeper_report report;
    unsigned written; /* records so far: stands at both ends of each, so that a torn one is seen */
    int children_fd;  /* -1: not open yet */
    bool spare_strays;
    bool ended;    /* the worker has */
    bool stopping; /* opsd said so, and says when it has waited long enough */
    bool clearing; /* whatever there is is killed */
    bool leaving;
};

int keeper_order_signal(void)
{
    return SIGRTMIN;
}

/* --- the status file */

static const char RECORD[] = "%u %d %d %lld %d %d %d %d %lld %d %d %lld %u";

static void write_record(struct keeper_life *life, enum keeper_phase phase)
{
    struct keeper_report *r = &life->report;
    char record[KEEPER_RECORD_BYTES + 1];
    int n;

    r->phase = phase;
    life->written++;
    n = snprintf(record, sizeof record, RECORD, life->written, (int)phase, (int)r->keeper,
                 (long long)r->keeper_start, (int)r->worker, (int)r->failure.step, r->failure.error,
                 r->failure.which, (long long)r->started_ms, r->status.code, r->status.signal,
                 (long long)r->ended_ms, life->written);
    memset(record + n, ' ', sizeof record - (size_t)n);
    record[KEEPER_RECORD_BYTES - 1] = '\n';
    (void)!pwrite(KEEPER_STATUS_FD, record, KEEPER_RECORD_BYTES, 0);
}

int keeper_read(int status_fd, struct keeper_report *ret)
{
    char record[KEEPER_RECORD_BYTES + 1];
    unsigned first, last;
    int phase, keeper, worker, step, error, which, code, signal;
    long long start, started, ended;
    ssize_t n;

    n = pread(status_fd, record, KEEPER_RECORD_BYTES, 0);
    if (n < 0)
        return -errno;
    record[n] = '\0';
    if (sscanf(record, RECORD, &first, &phase, &keeper, &start, &worker, &step, &error, &which,
               &started, &code, &signal, &ended, &last) != 13 ||
        first != last || phase <= KEEPER_WAITS || phase >= KEEPER_PHASES)
        return -ENODATA;
    *ret = (struct keeper_report){ .phase = (enum keeper_phase)phase,
                                   .keeper = keeper,
                                   .keeper_start = start,
                                   .worker = worker,
                                   .failure = { (enum become_step)step, error, which },
                                   .started_ms = started,
                                   .status = { .code = code, .signal = signal },
                                   .ended_ms = ended };
    return 0;
}

/* --- what it holds */

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Closes everything else. Ends of pipes that others wait for, and the lock on the home, must not
 * live on in here. */
static void keep_only(int *fds, size_t n)
{
    unsigned from = STDERR_FILENO + 1;

    qsort(fds, n, sizeof *fds, compare_fds);
    for (size_t i = 0; i < n; i++) {
        if (fds[i] < (int)from)
            continue;
        if (fds[i] > (int)from)
            (void)close_range(from, (unsigned)fds[i] - 1, 0);
        from = (unsigned)fds[i] + 1;
    }
    (void)close_range(from, ~0U, 0);
}

/* Until the worker has what is for it. */
static void hold_all(const struct keeper_task *task, int go_fd)
{
    int fds[HELD + BECOME_FDS_MAX] = { task->become.out_fd, task->become.err_fd, task->status_fd,
                                       task->cgroup_fd, go_fd };
    size_t n = HELD;

    for (size_t i = 0; i < task->become.fd_count; i++)
        fds[n++] = task->become.fds[i].from;
    keep_only(fds, n);
}

/* From then on, at numbers that others know. They are moved out of each other's way first. */
static void hold_own(struct keeper_life *life)
{
    int out = fcntl(life->task->become.out_fd, F_DUPFD_CLOEXEC, HELD_FROM);
    int err = fcntl(life->task->become.err_fd, F_DUPFD_CLOEXEC, HELD_FROM);
    int status = fcntl(life->task->status_fd, F_DUPFD_CLOEXEC, HELD_FROM);
    int fds[] = { KEEPER_OUT_FD, KEEPER_ERR_FD, KEEPER_STATUS_FD };

    (void)dup2(out, KEEPER_OUT_FD);
    (void)dup2(err, KEEPER_ERR_FD);
    (void)dup2(status, KEEPER_STATUS_FD);
    keep_only(fds, sizeof fds / sizeof *fds);
}

static void detach(const struct keeper_task *task)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)setsid();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, task->name, 0, 0, 0);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    (void)chdir("/");
}

/* --- the worker and what it leaves behind */

/* In a child that shares our memory until it has become the worker. */
static _Noreturn void become_worker(void *context)
{
    struct keeper_life *life = context;

    life->report.failure = become(&life->task->become, life->task->program);
    _exit(EXIT_FAILURE);
}

static void start_worker(struct keeper_life *life)
{
    pid_t pid;

    /* Not when vfork(2) returns: on a busy machine the worker has run for seconds by then. */
    life->report.started_ms = (int64_t)monotonic_now_ms();
    pid = cgroup_vfork(life->task->cgroup_fd, become_worker, life);
    if (pid < 0)
        life->report.failure = (struct become_failure){ .step = STEP_EXEC, .error = errno };
    if (!life->report.failure.error) {
        life->report.worker = pid;
        return;
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

/* A child of ours keeps its number until we reap it, so that no stranger is hit. */
static bool is_stray(const struct keeper_life *life, pid_t pid)
{
    return life->spare_strays && getpgid(pid) != life->report.worker;
}

/* Sends a signal to every child, unless it is 0. Returns how many there are. A grandchild becomes a
 * child when its parent is gone; a list that does not fit is gone through again. */
static int signal_children(struct keeper_life *life, int signal)
{
    char list[CHILDREN_BYTES + 1], *p = list, *end;
    int count = 0;
    pid_t pid;
    ssize_t n;

    if (life->children_fd < 0)
        life->children_fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    n = pread(life->children_fd, list, CHILDREN_BYTES, 0);

    list[n > 0 ? n : 0] = '\0';
    /* Only whole numbers: each has a space behind it. */
    for (; (end = strchr(p, ' ')); p = end + 1) {
        pid = (pid_t)strtol(p, NULL, 10);
        if (pid <= 1 || is_stray(life, pid))
            continue;
        count++;
        if (signal)
            (void)kill(pid, signal);
    }
    return count;
}

/* The worker is reaped like the others, but its end is written down first. */
static void note_end(struct keeper_life *life, const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        life->report.status = (struct exit_status){ .code = info->si_status };
    else
        life->report.status = (struct exit_status){ .signal = info->si_status };
    life->report.ended_ms = (int64_t)monotonic_now_ms();
    life->ended = true;
    life->clearing |= !life->stopping;
    write_record(life, KEEPER_ENDED);
}

/* Reaps whoever ended. Returns true when nothing is left that belongs to the worker. */
static bool reap(struct keeper_life *life)
{
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
            return errno == ECHILD;
        if (!info.si_pid)
            return life->ended && life->spare_strays && signal_children(life, 0) == 0;
        if (info.si_pid == life->report.worker && !life->ended)
            note_end(life, &info);
        (void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED);
    }
}

static bool is_over(const struct keeper_life *life)
{
    return life->report.phase == KEEPER_FAILED || life->report.phase == KEEPER_EMPTY;
}

static void look(struct keeper_life *life)
{
    if (is_over(life))
        return;
    if (reap(life)) {
        write_record(life, KEEPER_EMPTY);
        if (life->leaving)
            _exit(EXIT_SUCCESS);
        return;
    }
    if (life->clearing)
        (void)signal_children(life, SIGKILL);
}

static void obey(struct keeper_life *life, int order)
{
    int signal = order & 0xff;

    if (is_over(life)) {
        if (order & KEEPER_LEAVE)
            _exit(EXIT_SUCCESS);
        return;
    }
    life->stopping |= order & KEEPER_STOP;
    life->clearing |= order & (KEEPER_KILL | KEEPER_LEAVE);
    life->leaving |= order & KEEPER_LEAVE;
    if (!signal)
        return;
    if (life->ended) {
        (void)signal_children(life, order & KEEPER_STOP ? signal : 0);
        return;
    }
    /* A worker may have gone over to another group. */
    if (!(order & KEEPER_STOP) || kill(-life->report.worker, signal) < 0)
        (void)kill(life->report.worker, signal);
}

/* --- its life */

static _Noreturn void serve(struct keeper_life *life)
{
    siginfo_t info;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, keeper_order_signal());
    for (;;) {
        if (sigwaitinfo(&set, &info) == keeper_order_signal())
            obey(life, info.si_value.sival_int);
        look(life);
    }
}

_Noreturn void keeper_main(const struct keeper_task *task, int go_fd)
{
    struct keeper_life life = { .task = task, .report = { .keeper = getpid() }, .children_fd = -1 };

    detach(task);
    hold_all(task, go_fd);
    if (read(go_fd, &life.report.keeper_start, sizeof life.report.keeper_start) !=
        sizeof life.report.keeper_start)
        _exit(EXIT_SUCCESS);
    start_worker(&life);
    life.spare_strays = task->spare_strays;
    hold_own(&life);
    life.task = NULL;
    launch_forget();
    heap_forget_statics();
    write_record(&life, life.report.worker ? KEEPER_RUNS : KEEPER_FAILED);
    serve(&life);
}
