/* Starting, signalling and reaping processes. */
#include "spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own.h"

/* What the child tells before exec replaces it; the pipe is closed by exec itself. */
enum step { STEP_CWD, STEP_OUTPUT, STEP_EXEC };

struct failure {
    enum step step;
    int error;
};

static const char *const step_words[] = {
    [STEP_CWD] = "cannot enter the folder",
    [STEP_OUTPUT] = "cannot open the output",
    [STEP_EXEC] = "cannot run",
};

static const char *env_value(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

char *spawn_find_program(const char *file, char *const *env)
{
    const char *path = env_value(env, "PATH"), *end;
    char *found;
    struct stat st;

    if (strchr(file, '/'))
        return strdup(file);
    for (path = path ? path : "/usr/bin:/bin"; *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, ':');
        if (asprintf(&found, "%.*s/%s", (int)(end - path), path, file) < 0)
            return NULL;
        if (stat(found, &st) == 0 && S_ISREG(st.st_mode) && access(found, X_OK) == 0)
            return found;
        free(found);
    }
    errno = ENOENT;
    return NULL;
}

static void reset_signals(void)
{
    /* The kernel's struct sigaction: SIG_DFL, no flags, no restorer, an empty mask. */
    static const unsigned long default_action[4];
    sigset_t none;

    /* By the kernel's own call: signal(3) refuses 32 and 33, which C libraries keep for themselves,
     * and an opsd that was started with those ignored would pass that on. */
    for (int i = 1; i < NSIG; i++)
        (void)syscall(SYS_rt_sigaction, i, default_action, NULL, sizeof(unsigned long));
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Ours does not block; a description of its own is opened by way of proc(5), which finds the FIFO
 * also when its name was deleted. O_RDWR: one without a reader must not block the open. */
static int open_output(const struct spawn *what, int fd, int target)
{
    char path[32];

    if (what->fifos) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return fd < 0 || dup2(fd, target) < 0 ? -1 : 0;
}

/* Runs in the child, between fork and exec: no allocation, no lock. */
static enum step become(const struct spawn *what, const char *program)
{
    int null;

    (void)setsid();
    reset_signals();
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        return STEP_OUTPUT;
    if (open_output(what, what->out_fd, STDOUT_FILENO) < 0 ||
        open_output(what, what->err_fd, STDERR_FILENO) < 0)
        return STEP_OUTPUT;
    if (chdir(what->cwd) < 0)
        return STEP_CWD;
    /* Everything else is ours alone and goes with exec, the reporting pipe too. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execve(program, what->argv, what->env);
    return STEP_EXEC;
}

static void run_child(const struct spawn *what, const char *program, int report)
{
    struct failure failure = { .step = become(what, program) };

    failure.error = errno;
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

/* A signal to the child before it is itself must not run our handlers in it. */
static pid_t fork_quietly(sigset_t *before)
{
    sigset_t all;
    pid_t pid;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, before);
    pid = fork();
    if (pid != 0)
        (void)sigprocmask(SIG_SETMASK, before, NULL);
    return pid;
}

static int explain(const struct spawn *what, const char *program, struct failure failure,
                   struct err *reterr)
{
    const char *thing = failure.step == STEP_CWD ? what->cwd : program;

    if (failure.step == STEP_OUTPUT)
        thing = "of the worker";
    return err_set(reterr, -failure.error, "%s %s: %s", step_words[failure.step], thing,
                   strerror(failure.error));
}

int spawn_process(const struct spawn *what, struct process *ret, struct err *reterr)
{
    OWN(free) char *program = spawn_find_program(what->file, what->env);
    OWN(close) int hear = -1;
    struct failure failure;
    int report[2], error;
    sigset_t before;
    ssize_t got;
    pid_t pid;

    if (!program)
        return explain(what, what->file, (struct failure){ STEP_EXEC, errno }, reterr);
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_set(reterr, -errno, "cannot make a pipe: %s", strerror(errno));
    hear = report[0];
    pid = fork_quietly(&before);
    if (pid == 0)
        run_child(what, program, report[1]);
    error = errno;
    (void)close(report[1]);
    if (pid < 0)
        return err_set(reterr, -error, "cannot fork: %s", strerror(error));
    do
        got = read(hear, &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == sizeof failure) {
        (void)waitpid(pid, NULL, 0);
        return explain(what, program, failure, reterr);
    }
    ret->pidfd = pidfd_open(pid, 0);
    ret->pid = pid;
    if (ret->pidfd < 0) {
        error = errno;
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        *ret = (struct process){ .pidfd = -1 };
        return err_set(reterr, -error, "cannot watch the process: %s", strerror(error));
    }
    (void)fcntl(ret->pidfd, F_SETFD, FD_CLOEXEC);
    return 0;
}

int process_signal(const struct process *process, int signal)
{
    /* 0, -1 and 1 would mean many others. */
    assert(process->pid > 1);
    /* A session leader cannot leave its group, and until it is reaped nobody else can get the
     * number; so the group is surely ours. */
    return kill(-process->pid, signal) < 0 ? -errno : 0;
}

bool process_ended(const struct process *process, struct exit_status *ret)
{
    siginfo_t info = { 0 };

    if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        info.si_pid == 0)
        return false;
    if (info.si_code == CLD_EXITED)
        *ret = (struct exit_status){ .code = info.si_status };
    else
        *ret = (struct exit_status){ .signal = info.si_status };
    return true;
}

void process_reap(struct process *process)
{
    siginfo_t info;

    (void)kill(-process->pid, SIGKILL);
    /* Not by its pidfd: in a loop that one does not block (PIDFD_NONBLOCK), and a zombie stays. */
    (void)waitid(P_PID, (id_t)process->pid, &info, WEXITED);
    (void)close(process->pidfd);
    *process = (struct process){ .pidfd = -1 };
}
