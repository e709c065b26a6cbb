/* Starting, signalling and reaping processes. */
#include "spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"
#include "own.h"

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

static void run_child(const struct spawn *what, const char *program, int report)
{
    struct become_failure failure = become(&what->become, program);

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
    heap_come_along();
    pid = fork();
    if (pid != 0)
        (void)sigprocmask(SIG_SETMASK, before, NULL);
    return pid;
}

int spawn_process(const struct spawn *what, struct process *ret, struct err *reterr)
{
    OWN(free) char *program = spawn_find_program(what->file, what->become.env);
    OWN(close) int hear = -1;
    struct become_failure failure;
    int report[2], error;
    sigset_t before;
    ssize_t got;
    pid_t pid;

    if (!program)
        return become_explain(&what->become, what->file,
                              (struct become_failure){ STEP_EXEC, errno }, reterr);
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
        return become_explain(&what->become, program, failure, reterr);
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
    /* Killed, it ends at once. */
    (void)waitid(P_PID, (id_t)process->pid, &info, WEXITED);
    (void)close(process->pidfd);
    *process = (struct process){ .pidfd = -1 };
}
