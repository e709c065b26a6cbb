/* The life of a keeper. */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_vfork.h"
#include "instant.h"
#include "keeper_children.h"
#include "launch.h"
#include "procfs.h"

/* Dismissed at once as a rule, a keeper whose worker has ended looks this often whether there is
 * still a home from which somebody might come to do so. */
enum { ORPHAN_LOOKS_S = 2 };

struct keeper_life {
    const struct keeper_task *task; /* until the worker runs */
    struct keeper_report report;
    unsigned written; /* records so far */
    struct keeper_children children;
    bool ended;    /* the worker has */
    bool stopping; /* opsd said so, and says when it has waited long enough */
    bool clearing; /* whatever there is is killed */
    bool leaving;
};

int keeper_order_signal(void)
{
    return SIGRTMIN;
}

static void say(struct keeper_life *life, enum keeper_phase phase)
{
    life->report.phase = phase;
    keeper_write(KEEPER_STATUS_FD, &life->report, ++life->written);
}

static void detach(const struct keeper_task *task)
{
    (void)setsid();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, task->name, 0, 0, 0);
    (void)chdir("/");
}

/* --- the worker and what it leaves behind */

/* In a child that shares our memory until it has become the worker. */
static _Noreturn void become_worker(void *context)
{
    struct keeper_life *life = context;

    /* It was started in between. */
    if (procfs_clock() != life->report.worker_start)
        life->report.worker_start = 0;
    life->report.failure = become(&life->task->become, life->task->program);
    _exit(EXIT_FAILURE);
}

static void start_worker(struct keeper_life *life)
{
    pid_t pid;

    /* Not when vfork(2) returns: on a busy machine the worker has run for seconds by then. */
    life->report.started_ms = (int64_t)monotonic_now_ms();
    life->report.worker_start = procfs_clock();
    pid = cgroup_vfork(life->task->cgroups_fd, life->task->cgroup, become_worker, life);
    if (pid < 0)
        life->report.failure = (struct become_failure){ .step = STEP_EXEC, .error = errno };
    if (!life->report.failure.error) {
        life->report.worker = pid;
        return;
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

/* The worker is reaped like the others, but its end is written down first; at once as the end of
 * all where nothing else is a child of ours by now: most leave nothing behind. */
static void note_end(struct keeper_life *life, const siginfo_t *info)
{
    bool alone = !life->children.only_of && keeper_children_signal(&life->children, 0) == 1;

    if (info->si_code == CLD_EXITED)
        life->report.status = (struct exit_status){ .code = info->si_status };
    else
        life->report.status = (struct exit_status){ .signal = info->si_status };
    life->report.ended_ms = (int64_t)monotonic_now_ms();
    life->ended = true;
    life->clearing |= !life->stopping;
    say(life, alone ? KEEPER_EMPTY : KEEPER_ENDED);
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
            return life->ended && life->children.only_of &&
                   keeper_children_signal(&life->children, 0) == 0;
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
        if (life->report.phase != KEEPER_EMPTY)
            say(life, KEEPER_EMPTY);
        if (life->leaving)
            _exit(EXIT_SUCCESS);
        return;
    }
    if (life->clearing)
        (void)keeper_children_signal(&life->children, SIGKILL);
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
    /* Not closed: its number would go to what is opened next. */
    if (order & KEEPER_HEARD)
        (void)dup2(STDIN_FILENO, KEEPER_READY_FD);
    if (!signal)
        return;
    if (life->ended) {
        (void)keeper_children_signal(&life->children, order & KEEPER_STOP ? signal : 0);
        return;
    }
    /* A worker may have gone over to another group. */
    if (!(order & KEEPER_STOP) || kill(-life->report.worker, signal) < 0)
        (void)kill(life->report.worker, signal);
}

/* --- its life */

/* The next signal; or 0, where one was not to be awaited for ever, after a while. */
static int await_signal(bool for_ever, siginfo_t *info)
{
    const struct timespec a_while = { .tv_sec = ORPHAN_LOOKS_S };
    sigset_t set;
    int signal;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, keeper_order_signal());
    signal = for_ever ? sigwaitinfo(&set, info) : sigtimedwait(&set, info, &a_while);
    return signal < 0 && errno == EAGAIN ? 0 : signal;
}

static void leave_with_the_home(void)
{
    struct stat file;

    if (fstat(KEEPER_STATUS_FD, &file) == 0 && file.st_nlink == 0)
        _exit(EXIT_SUCCESS);
}

static _Noreturn void serve(struct keeper_life *life)
{
    siginfo_t info;
    int signal;

    for (;;) {
        signal = await_signal(!is_over(life), &info);
        if (signal == keeper_order_signal())
            obey(life, info.si_value.sival_int);
        else if (signal == 0)
            leave_with_the_home();
        look(life);
    }
}

/* What was for the worker must not live on in here: others wait for the end of it. */
static void keep_own_only(void)
{
    (void)close_range(KEEPER_GO_FD, ~0U, 0);
    launch_forget();
}

_Noreturn void keeper_main(const struct keeper_task *task)
{
    struct keeper_life life = { .task = task,
                                .report = { .keeper = getpid() },
                                .children = { .fd = -1 } };
    int64_t *start = &life.report.keeper_start;

    detach(task);
    if (read(KEEPER_GO_FD, start, sizeof *start) != sizeof *start)
        _exit(EXIT_SUCCESS);
    start_worker(&life);
    life.children.only_of = task->spare_strays ? life.report.worker : 0;
    life.task = NULL;
    keep_own_only();
    say(&life, life.report.worker ? KEEPER_RUNS : KEEPER_FAILED);
    serve(&life);
}
