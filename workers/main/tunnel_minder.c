/*
 * The process between a worker and the tunnel's program: keeps the terminal, passes on what is
 * printed, and lets nothing outlive the worker.
 *
 * Sources: prctl(2) (PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER), ioctl_tty(2) (TIOCGPTPEER),
 * proc(5) (task/TID/children).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own.h"
#include "tunnel.h"

enum {
    /* For a program that says goodbye to its server. */
    LEAVE_MS = 1000,
    /* Between two looks at what is left; each look kills. */
    LOOK_MS = 10,
    OUTPUT_FD = 3,
    HOLD_FD = 4,
    CHUNK = 4096,
    EXIT_NO_PROGRAM = 127,
};

/* Wide enough that no address is broken into two lines. */
static const struct winsize size = { .ws_row = 50, .ws_col = 500 };

/* --- small things without stdio --- */

static void say(int fd, const char *text)
{
    (void)!write(fd, text, strlen(text));
}

static void say_pid(int fd, pid_t pid)
{
    char digits[24];
    size_t at = sizeof digits;

    digits[--at] = '\n';
    do
        digits[--at] = (char)('0' + pid % 10);
    while ((pid /= 10));
    (void)!write(fd, digits + at, sizeof digits - at);
}

/* --- the program --- */

_Noreturn static void run_program(char *const *argv, int terminal, pid_t minder)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The minder may have died before that. */
    if (getppid() != minder)
        _exit(EXIT_NO_PROGRAM);
    (void)setsid();
    (void)ioctl(terminal, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(terminal, fd);
    (void)syscall(SYS_close_range, 3, ~0U, 0);
    (void)execvp(argv[0], argv);
    say(STDOUT_FILENO, "cannot run ");
    say(STDOUT_FILENO, argv[0]);
    say(STDOUT_FILENO, errno == ENOENT ? ": there is no such program\n" : ": not permitted\n");
    _exit(EXIT_NO_PROGRAM);
}

static pid_t start_program(char *const *argv, int *ret_terminal)
{
    int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    pid_t self = getpid(), pid;
    int terminal;

    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return -1;
    terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return -1;
    (void)ioctl(terminal, TIOCSWINSZ, &size);
    pid = fork();
    if (pid == 0)
        run_program(argv, terminal, self);
    (void)close(terminal);
    *ret_terminal = master;
    return pid;
}

/* --- minding --- */

/* Returns when the program has ended or let go of its terminal, or the worker is gone. */
static void pass_on(int terminal, int program_fd)
{
    struct pollfd waits[] = { { .fd = terminal, .events = POLLIN },
                              { .fd = HOLD_FD, .events = POLLIN },
                              { .fd = program_fd, .events = POLLIN } };
    char chunk[CHUNK];
    ssize_t n;

    for (;;) {
        if (poll(waits, 3, -1) < 0 && errno != EINTR)
            return;
        if (waits[0].revents) {
            n = read(terminal, chunk, sizeof chunk);
            if (n <= 0)
                return;
            /* A worker that is busy elsewhere misses some of it; the program never waits. */
            (void)!write(OUTPUT_FD, chunk, (size_t)n);
        } else if (waits[1].revents || waits[2].revents) {
            return;
        }
    }
}

static void kill_children(void)
{
    char list[CHUNK], *at, *end;
    OWN(close) int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, list, sizeof list - 1);

    list[n > 0 ? n : 0] = '\0';
    for (at = list;; at = end) {
        long pid = strtol(at, &end, 10);

        if (end == at)
            return;
        (void)kill((pid_t)pid, SIGKILL);
    }
}

/* The program politely, then whatever it started: orphans are handed to us (subreaper), so that in
 * the end there is nobody left to wait for. */
static void end_all(pid_t program, int program_fd)
{
    struct pollfd ended = { .fd = program_fd, .events = POLLIN };

    (void)kill(-program, SIGTERM);
    (void)poll(&ended, 1, LEAVE_MS);
    (void)kill(-program, SIGKILL);
    for (;;) {
        pid_t reaped = waitpid(-1, NULL, WNOHANG);

        if (reaped < 0 && errno == ECHILD)
            return;
        if (reaped > 0)
            continue;
        kill_children();
        (void)poll(NULL, 0, LOOK_MS);
    }
}

static void take_places(int output_fd, int hold_fd)
{
    /* First out of each other's way. */
    int output = fcntl(output_fd, F_DUPFD_CLOEXEC, HOLD_FD + 1);
    int hold = fcntl(hold_fd, F_DUPFD_CLOEXEC, HOLD_FD + 1);

    (void)dup2(output, OUTPUT_FD);
    (void)dup2(hold, HOLD_FD);
    /* The worker's connections end with the worker, not with us. */
    (void)syscall(SYS_close_range, HOLD_FD + 1, ~0U, 0);
}

_Noreturn void tunnel_mind(char *const *argv, int output_fd, int hold_fd)
{
    int terminal = -1, program_fd;
    pid_t program;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_NAME, "tunnel_minder");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* It ends when the worker does, and not before. */
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, number == SIGCHLD ? SIG_DFL : SIG_IGN);
    take_places(output_fd, hold_fd);
    program = start_program(argv, &terminal);
    if (program < 0) {
        say(OUTPUT_FD, "0\nno terminal or no process is to be had\n");
        _exit(EXIT_NO_PROGRAM);
    }
    say_pid(OUTPUT_FD, program);
    program_fd = (int)syscall(SYS_pidfd_open, program, 0);
    pass_on(terminal, program_fd);
    end_all(program, program_fd);
    _exit(0);
}
