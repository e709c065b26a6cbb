/*
 * Starting opsd for `opsctl start`. opsd makes a daemon of itself: the process started here ends
 * with 0 once the daemon answers, or with its reason on standard error.
 *
 * Nothing of the caller may live on in the daemon: not its open files, and not its standard error
 * either, which would keep `x=$(opsctl start all 2>&1)` waiting for ever. So the reason goes to a
 * memory file that is read afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opsctl.h"
#include "own.h"

/* Recovering a large fleet from its journal takes seconds; this is a hung one. */
enum { SPAWN_TIMEOUT_MS = 60000, READ_BYTES = 4096 };

const char *spawn_find_opsd(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof "opsd");
    char *slash;

    if (n > 0) {
        path[n] = '\0';
        slash = strrchr(path, '/');
        memcpy(slash + 1, "opsd", sizeof "opsd");
        if (access(path, X_OK) == 0)
            return path;
    }
    return "opsd";
}

/* In the child; returns only by _exit. */
static void exec_opsd(const char *program, const struct home *home, int reason)
{
    const char *manifest = home->manifest;
    const char *const argv[] = {
        program,    "--home",
        home->path, manifest ? "--manifest" : "--no-start",
        manifest,   manifest ? "--no-start" : NULL,
        NULL,
    };
    int null = open("/dev/null", O_RDWR);
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(reason, STDERR_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
        _exit(EXIT_FAILED);
    (void)execvp(program, (char *const *)argv);
    (void)dprintf(STDERR_FILENO, "%s: %s; install it beside opsctl or in PATH", program,
                  strerror(errno));
    _exit(EXIT_FAILED);
}

/* Returns 0 with the status as of waitid(2), or a negative errno. */
static int wait_for(pid_t pid, siginfo_t *ret)
{
    OWN(close) int fd = pidfd_open(pid, 0);
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    int n;

    if (fd < 0)
        return -errno;
    n = poll(&poll_fd, 1, SPAWN_TIMEOUT_MS);
    if (n <= 0)
        return n < 0 ? -errno : -ETIMEDOUT;
    return waitid(P_PIDFD, (id_t)fd, ret, WEXITED) < 0 ? -errno : 0;
}

/* Adds what opsd said, or how it ended without a word. */
static int add_reason(int fd, const siginfo_t *status, struct buf *reason)
{
    ssize_t n;
    char *room;

    while ((room = buf_room(reason, READ_BYTES))) {
        n = pread(fd, room, READ_BYTES, (off_t)reason->len);
        if (n <= 0)
            break;
        buf_grew(reason, (size_t)n);
    }
    if (!reason->len && status->si_code != CLD_EXITED)
        (void)buf_printf(reason, "opsd was ended by signal %d while it started", status->si_status);
    else if (!reason->len)
        (void)buf_printf(reason, "opsd did not start: it ended with exit code %d",
                         status->si_status);
    return -EIO;
}

static int failed(int error, const char *what, struct buf *reason)
{
    (void)buf_printf(reason, "%s: %s", what, strerror(error));
    return -error;
}

int spawn_opsd(const struct session *session, struct buf *reason)
{
    const struct home *home = &session->home;
    OWN(close) int said = -1;
    char path[PATH_MAX];
    const char *program = spawn_find_opsd(path);
    siginfo_t status;
    pid_t pid;
    int r;

    if (!home->manifest && !session->brings_its_own) {
        (void)buf_add_text(
            reason, "no ecosystem.json in this folder or above it: go to the project's folder");
        return -ENOENT;
    }
    said = memfd_create("opsd-reason", MFD_CLOEXEC);
    if (said < 0)
        return failed(errno, "memfd_create", reason);
    (void)fflush(NULL);
    pid = fork();
    if (pid < 0)
        return failed(errno, "fork", reason);
    if (pid == 0)
        exec_opsd(program, home, said);
    r = wait_for(pid, &status);
    if (r < 0)
        return failed(-r, "waiting for opsd to start", reason);
    if (status.si_code != CLD_EXITED || status.si_status != 0)
        return add_reason(said, &status, reason);
    return 0;
}
