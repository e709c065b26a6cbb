/* What a child does between fork and exec, in this order: what takes opsd's privileges or its view
 * of the file system comes before the change of user, what is the user's own right after it. */
#include "become.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

enum { NUMBER_TEXT_MAX = 24 };

static const struct {
    const char *name;
    int resource;
} limits[LIMIT_COUNT] = {
    [LIMIT_NOFILE] = { "nofile", RLIMIT_NOFILE }, [LIMIT_AS] = { "as", RLIMIT_AS },
    [LIMIT_CORE] = { "core", RLIMIT_CORE },       [LIMIT_NPROC] = { "nproc", RLIMIT_NPROC },
    [LIMIT_CPU] = { "cpu", RLIMIT_CPU },
};

/* Where a step has something to add to its error. */
struct progress {
    const struct become *what;
    const char *program;
    int which;
};

static int lead(struct progress *progress)
{
    return progress->what->own_session ? (int)setsid() : setpgid(0, 0);
}

static void take_default(int signal)
{
    /* The kernel's struct sigaction: SIG_DFL, no flags, no restorer, an empty mask. */
    static const unsigned long default_action[4];

    /* By the kernel's own call: signal(3) refuses 32 and 33, which C libraries keep for themselves,
     * and an opsd that was started with those ignored would pass that on. */
    (void)syscall(SYS_rt_sigaction, signal, default_action, NULL, sizeof(unsigned long));
}

void become_reset_signals(void)
{
    for (int i = 1; i < NSIG; i++)
        take_default(i);
}

static void reset_signals(void)
{
    /* What opsd handles or ignores, in any of its processes. */
    static const int ours[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGPIPE, SIGXFSZ };
    sigset_t none;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        take_default(ours[i]);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* An open(2) of its own of what fd is. */
static int open_again(int fd)
{
    char path[sizeof "/proc/self/fd/" + TEXT_INT_MAX] = "/proc/self/fd/";

    *text_put_int(path + strlen(path), fd) = '\0';
    return open(path, O_RDWR | O_CLOEXEC);
}

/* O_RDWR: without another writer it must not look like the end of a file. */
static int open_lines(const struct become *what)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    /* So that its owner may open it once more, /dev/stdin. */
    if (what->who && fchown(ends[0], what->who->uid, (gid_t)-1) < 0)
        return -1;
    return open_again(ends[0]);
}

static int open_input(struct progress *progress)
{
    const struct become *what = progress->what;
    int fd;

    if (what->input_empty && !what->reads_lines)
        return 0;
    fd = what->reads_lines ? open_lines(what) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 || dup2(fd, STDIN_FILENO) < 0 ? -1 : 0;
}

static int open_outputs(struct progress *progress)
{
    const struct become *what = progress->what;

    return dup2(what->out_fd, STDOUT_FILENO) < 0 ? -1 : dup2(what->err_fd, STDERR_FILENO);
}

static bool is_taken(const struct become *what, int fd)
{
    for (size_t i = 0; i < what->fd_count; i++)
        if (what->fds[i].to == fd)
            return true;
    return false;
}

/* fd, or a copy of it under a number that no other is to have. */
static int move_aside(const struct become *what, int fd)
{
    int from = STDERR_FILENO + 1;

    while (fd >= 0 && is_taken(what, fd)) {
        fd = fcntl(fd, F_DUPFD_CLOEXEC, from);
        from = fd + 1;
    }
    return fd;
}

/* Ours, which the program's is: exec keeps it. */
static void put_pid(char to[static PID_TEXT_MAX])
{
    char text[TEXT_INT_MAX];
    size_t n = (size_t)(text_put_int(text, getpid()) - text);

    memcpy(to, text, n);
    to[n] = '\0';
}

/* Sources are moved out of the way of all numbers first: one may be another's. What is duplicated
 * loses FD_CLOEXEC, everything else gets it. */
static int pass_descriptors(struct progress *progress)
{
    const struct become *what = progress->what;
    int from[BECOME_FDS_MAX];

    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < what->fd_count; i++) {
        progress->which = what->fds[i].to;
        from[i] = move_aside(what, what->fds[i].from);
        if (from[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < what->fd_count; i++) {
        progress->which = what->fds[i].to;
        if (dup2(from[i], what->fds[i].to) < 0)
            return -1;
    }
    if (what->listen_pid)
        put_pid(what->listen_pid);
    return 0;
}

static int set_umask(struct progress *progress)
{
    const struct bounds *bounds = progress->what->bounds;

    if (bounds && bounds->umask != BOUND_INHERITED)
        (void)umask((mode_t)bounds->umask);
    return 0;
}

static int set_oom_score(struct progress *progress)
{
    const struct bounds *bounds = progress->what->bounds;
    char text[TEXT_INT_MAX];
    ssize_t n;
    int fd;

    if (!bounds || bounds->oom_score_adj == BOUND_INHERITED)
        return 0;
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    n = text_put_int(text, bounds->oom_score_adj) - text;
    return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -1;
}

static int set_nice(struct progress *progress)
{
    const struct bounds *bounds = progress->what->bounds;

    if (!bounds || bounds->nice == BOUND_INHERITED)
        return 0;
    return setpriority(PRIO_PROCESS, 0, bounds->nice);
}

static int set_limits(struct progress *progress)
{
    const struct bounds *bounds = progress->what->bounds;

    for (int i = 0; bounds && i < LIMIT_COUNT; i++) {
        int64_t value = bounds->limits[i];
        rlim_t number = value == LIMIT_NONE ? RLIM_INFINITY : (rlim_t)value;

        progress->which = i;
        if (value != LIMIT_INHERITED &&
            setrlimit((__rlimit_resource_t)limits[i].resource,
                      &(struct rlimit){ .rlim_cur = number, .rlim_max = number }) < 0)
            return -1;
    }
    return 0;
}

/* The C library's functions would look for threads, to change them, too; here there are none, and
 * its list of them is not ours to walk. */
static int change_group(struct progress *progress)
{
    const struct credentials *who = progress->what->who;

    if (!who || !who->change)
        return 0;
    if (syscall(SYS_setgroups, (size_t)who->group_count, who->groups) < 0)
        return -1;
    return (int)syscall(SYS_setresgid, who->gid, who->gid, who->gid);
}

static int change_user(struct progress *progress)
{
    const struct credentials *who = progress->what->who;

    return who && who->change ? (int)syscall(SYS_setresuid, who->uid, who->uid, who->uid) : 0;
}

static int give_up_privileges(struct progress *progress)
{
    const struct bounds *bounds = progress->what->bounds;

    return bounds && bounds->no_new_privs ? prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : 0;
}

static int enter_folder(struct progress *progress)
{
    return chdir(progress->what->cwd);
}

static int execute(struct progress *progress)
{
    return execve(progress->program, progress->what->argv, progress->what->env);
}

struct become_failure become(const struct become *what, const char *program)
{
    static const struct {
        enum become_step step;
        int (*take)(struct progress *progress); /* -1 with errno */
    } steps[] = {
        { STEP_LEAD, lead },
        { STEP_INPUT, open_input },
        { STEP_OUTPUT, open_outputs },
        { STEP_PASS, pass_descriptors },
        { STEP_EXEC, set_umask },
        { STEP_OOM, set_oom_score },
        { STEP_NICE, set_nice },
        { STEP_LIMIT, set_limits },
        { STEP_GROUP, change_group },
        { STEP_USER, change_user },
        { STEP_PRIVILEGES, give_up_privileges },
        { STEP_CWD, enter_folder },
        { STEP_EXEC, execute },
    };
    struct progress progress = { .what = what, .program = program };

    reset_signals();
    for (size_t i = 0;; i++)
        if (steps[i].take(&progress) < 0)
            return (struct become_failure){ steps[i].step, errno, progress.which };
}

/* As it is written in the manifest. */
static const char *print_limit(int64_t value, char to[static NUMBER_TEXT_MAX])
{
    if (value == LIMIT_NONE)
        return "unlimited";
    (void)snprintf(to, NUMBER_TEXT_MAX, "%jd", (intmax_t)value);
    return to;
}

/* What a caller that only explains did not give is left out of the words. */
static const struct bounds unknown_bounds = { .limits = { 0 } };
static const struct credentials unknown_user = { .user = (char *)"of the manifest" };

int become_explain(const struct become *what, const char *program, struct become_failure failure,
                   struct err *reterr)
{
    const struct bounds *bounds = what->bounds ? what->bounds : &unknown_bounds;
    const struct credentials *who = what->who ? what->who : &unknown_user;
    const char *why = strerror(failure.error);
    char number[NUMBER_TEXT_MAX];
    int r = -failure.error;

    switch (failure.step) {
    case STEP_CWD:
        return err_set(reterr, r, "cannot enter the folder %s: %s", what->cwd, why);
    case STEP_INPUT:
        return err_set(reterr, r, "cannot open the input of the worker: %s", why);
    case STEP_OUTPUT:
        return err_set(reterr, r, "cannot open the output of the worker: %s", why);
    case STEP_EXEC:
        return err_set(reterr, r, "cannot run %s: %s", program, why);
    case STEP_LEAD:
        return err_set(reterr, r, "cannot lead a process group: %s", why);
    case STEP_PASS:
        return err_set(reterr, r, "cannot pass descriptor %d: %s", failure.which, why);
    case STEP_OOM:
        return err_set(reterr, r, "cannot set oom_score_adj to %d: %s", bounds->oom_score_adj, why);
    case STEP_NICE:
        return err_set(reterr, r, "cannot set nice to %d: %s", bounds->nice, why);
    case STEP_LIMIT:
        if (failure.which < 0 || failure.which >= LIMIT_COUNT)
            break;
        return err_set(reterr, r, "cannot set the limit %s to %s: %s", limits[failure.which].name,
                       print_limit(bounds->limits[failure.which], number), why);
    case STEP_GROUP:
        return err_set(reterr, r, "cannot become group %s: %s", who->group ? who->group : who->user,
                       why);
    case STEP_USER:
        return err_set(reterr, r, "cannot become user %s: %s", who->user, why);
    case STEP_PRIVILEGES:
        return err_set(reterr, r, "cannot set no_new_privs: %s", why);
    }
    return err_set(reterr, r, "cannot start %s: %s", program, why);
}
