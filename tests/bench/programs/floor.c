/*
 * The least that anything which keeps processes running has to do: the floor of the comparisons.
 *
 *     floor FOLDER COUNT PROGRAM [ARG...]
 *
 * Starts PROGRAM so many times with posix_spawn(3), each with two files of its own in FOLDER for
 * its output, then waits for SIGCHLD and starts again whichever ended. No log is read, nothing is
 * written down, nobody is answered.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_MAX = 4096, LOG_FLAGS = O_WRONLY | O_CREAT | O_APPEND };

static pid_t pids[COUNT_MAX]; /* 0: it has to be started */
static int count;

static void start(int which, const char *folder, char **argv)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char out[4096], err[4096];
    sigset_t none;

    (void)snprintf(out, sizeof out, "%s/%d-out.log", folder, which);
    (void)snprintf(err, sizeof err, "%s/%d-error.log", folder, which);
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out, LOG_FLAGS, 0600);
    (void)posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err, LOG_FLAGS, 0600);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    if (posix_spawn(&pids[which], argv[0], &files, &attributes, argv, environ) != 0) {
        (void)fprintf(stderr, "floor: cannot start %s\n", argv[0]);
        exit(EXIT_FAILURE);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
}

static void reap(void)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (int i = 0; i < count; i++)
            if (pids[i] == pid)
                pids[i] = 0;
}

int main(int argc, char **argv)
{
    struct signalfd_siginfo info;
    sigset_t ended;
    int fd;

    count = argc > 3 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (count < 1 || count > COUNT_MAX)
        return 2;
    (void)sigemptyset(&ended);
    (void)sigaddset(&ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &ended, NULL);
    fd = signalfd(-1, &ended, SFD_CLOEXEC);
    for (;;) {
        for (int i = 0; i < count; i++)
            if (!pids[i])
                start(i, argv[1], argv + 3);
        if (read(fd, &info, sizeof info) < 0)
            return EXIT_FAILURE;
        reap();
    }
}
