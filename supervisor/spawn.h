#ifndef OPS_SPAWN_H
#define OPS_SPAWN_H
/*
 * Commands that opsd runs for itself: it forks, signals and reaps them here. Workers are started by
 * their keepers (keepers.h).
 *
 * A process is held as a pidfd (pidfd_open(2)), so that no signal can reach a stranger that was
 * given the same number; it is reaped only through here. Each one is the leader of its own session
 * and process group.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "become.h"
#include "err.h"
#include "restart.h"

struct process {
    pid_t pid; /* 0: none */
    int pidfd; /* -1: none */
};

struct spawn {
    const char *file;     /* with a slash, or looked up in the PATH of env */
    struct become become; /* without fds: nothing is passed on to such a command */
};

/* Where a program is: file itself when it has a slash, else looked up as execvp(3) does, but in the
 * PATH of env. Returns a path to free, or NULL with errno. */
char *spawn_find_program(const char *file, char *const *env);

/* Forks and executes. Returns 0 once the program runs; else a negative errno, and reterr names the
 * step and the file that failed. Nothing is left behind on failure. */
int spawn_process(const struct spawn *what, struct process *ret, struct err *reterr);

/* Sends a signal to the process and everything in its group. Returns 0 or -ESRCH. */
int process_signal(const struct process *process, int signal);

/* Looks whether it ended. Returns true with how; the process still is a zombie then, so that its
 * number cannot be taken by another before process_reap. */
bool process_ended(const struct process *process, struct exit_status *ret);

/* Kills what is left of the group and gives the number back; waits for the process if it has not
 * ended yet. */
void process_reap(struct process *process);

#endif
