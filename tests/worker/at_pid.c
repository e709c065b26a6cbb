/*
 * at_pid PID PROGRAM [ARGUMENT...]: runs a program under a process id of one's choice.
 *
 * This is how a test meets a process id that was given to somebody else meanwhile, without waiting
 * for the kernel to count round. Leaves at once; 77: not allowed here.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    pid_t wanted = argc > 2 ? atoi(argv[1]) : 0;
    struct clone_args how = {
        .exit_signal = SIGCHLD,
        .set_tid = (uintptr_t)&wanted,
        .set_tid_size = 1,
    };
    long pid;

    if (wanted <= 1)
        return 2;
    pid = syscall(SYS_clone3, &how, sizeof how);
    if (pid < 0) {
        fprintf(stderr, "at_pid: %d: %s\n", wanted, strerror(errno));
        return errno == EPERM || errno == ENOSYS ? 77 : 1;
    }
    if (pid > 0)
        return 0;
    setsid();
    execvp(argv[2], argv + 2);
    _exit(127);
}
