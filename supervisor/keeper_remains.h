#ifndef OPS_KEEPER_REMAINS_H
#define OPS_KEEPER_REMAINS_H
/*
 * Clearing what a keeper that was killed leaves behind.
 *
 * Its worker is known by pid and start. Of other processes only two things together prove that they
 * are the worker's: they are of the keeper's session, and their environment names the instance's
 * notify socket, which nobody could guess. Numbers alone prove nothing once the keeper is gone:
 * they may be a stranger's by now.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper_remains {
    pid_t keeper; /* it led the session */
    pid_t worker; /* 0: it never ran */
    int64_t worker_start;
    const char *cookie; /* "NOTIFY_SOCKET=@opsd-..." */
};

/* Kills all of it. Returns true when there was something, or it cannot be told: look again. */
bool keeper_clear(const struct keeper_remains *remains);

#endif
