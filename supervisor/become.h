#ifndef OPS_BECOME_H
#define OPS_BECOME_H
/*
 * What a child does between fork and exec: nothing but system calls, no allocation, no lock, since
 * it is a copy of a program that may have been in the middle of either. Whatever has to be looked
 * up or built is prepared before the fork.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "credentials.h"
#include "err.h"
#include "manifest.h"

enum {
    BECOME_FDS_MAX = MANIFEST_LISTEN_MAX + 2, /* with the readiness pipe and Node's channel */
    PID_TEXT_MAX = 12,                        /* any pid, and its end */
};

/* A descriptor of ours, and the number (from 3 on) under which the program finds it. */
struct become_fd {
    int from, to;
};

struct become {
    char *const *argv;
    char *const *env;
    const char *cwd;
    int out_fd, err_fd;
    bool reads_lines; /* its standard input is a pipe that only it holds; else it is empty */
    bool input_empty; /* standard input is /dev/null already; it need not be opened */
    bool own_session; /* leads a session of its own; else only a process group */

    const struct become_fd *fds; /* at most BECOME_FDS_MAX, no number twice */
    size_t fd_count;
    char *listen_pid; /* the value of LISTEN_PID in env, PID_TEXT_MAX bytes; NULL: none */

    const struct credentials *who; /* NULL: opsd's */
    const struct bounds *bounds;   /* NULL: all inherited */
};

enum become_step {
    STEP_CWD,
    STEP_OUTPUT,
    STEP_EXEC,
    STEP_LEAD,
    STEP_PASS,
    STEP_OOM,
    STEP_NICE,
    STEP_LIMIT,
    STEP_GROUP,
    STEP_USER,
    STEP_PRIVILEGES,
    STEP_INPUT,
};

/* The step that failed, and its errno. */
struct become_failure {
    enum become_step step;
    int error;
    int which; /* of STEP_PASS the descriptor's number, of STEP_LIMIT the enum limit */
};

/* Every signal to its default: whatever ignores some and starts opsd does not mean the workers.
 * Once, at its start; what opsd changes after it is known to become. */
void become_reset_signals(void);

/* Becomes what it is to be, with default signals, and executes program. Returns only when that
 * failed. Of the descriptors from 3 on only those of fds stay. */
struct become_failure become(const struct become *what, const char *program);

/* Says for people what failed. Returns -failure.error. */
int become_explain(const struct become *what, const char *program, struct become_failure failure,
                   struct err *reterr);

#endif
