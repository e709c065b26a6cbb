#ifndef OPS_TUNNEL_H
#define OPS_TUNNEL_H
/*
 * A program that makes the gateway reachable from outside and prints where: ssh to serveo.net, or
 * any other.
 *
 *     worker ── minder ── the program, on a terminal of its own
 *
 * The program wants a terminal (ssh prints nothing otherwise), somebody who reads what it prints
 * for as long as it lives, and must never outlive us. That is the minder: a process between, which
 * ends everything that the program ever started as soon as the worker is gone, however that died;
 * and the program dies with the minder, however that died.
 */
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum { TUNNEL_URL_MAX = 256, TUNNEL_LINE_MAX = 1024, TUNNEL_START_MAX = 64 };

struct tunnel {
    pid_t minder;               /* 0: there is none */
    pid_t pid;                  /* of the program; 0: not known yet */
    int output_fd;              /* what it prints; ends with it. For poll(2); -1: none */
    int hold_fd;                /* the minder reads it: closed means that we are gone */
    char url[TUNNEL_URL_MAX];   /* "" until it was printed */
    char last[TUNNEL_LINE_MAX]; /* the last line that said anything */
    char line[TUNNEL_LINE_MAX]; /* the one that is being printed */
    size_t line_length;
};

/* Starts command, split at white space, {port} in it replaced; no shell. Returns 0 or a negative
 * errno with reterr; that there is no such program shows as its last words. */
int tunnel_start(struct tunnel *tunnel, const char *command, const char *port, struct err *reterr);

/* Takes what was printed, without waiting, and looks for the address in it. Returns 0, or -EPIPE
 * once the program has ended. */
int tunnel_read(struct tunnel *tunnel, const regex_t *address);

/* Ends the program and all that it started. Accepts a zeroed tunnel and one that has ended. */
void tunnel_end(struct tunnel *tunnel);

/* --- one that a killed worker and its killed minder left behind --- */

/* What tells a process from a later one with the same pid: boot id and start time (proc(5)). False
 * when there is no such process. */
bool tunnel_identify(pid_t pid, char start[static TUNNEL_START_MAX]);

/* Ends the process group of pid if it is provably ours: same start, same command. Returns whether
 * it was. */
bool tunnel_end_leftover(pid_t pid, const char *start, const char *command, const char *port);

/* --- for the parts --- */

/* The minder's life; does not return. Only async-signal-safe calls, because it is a fork of a
 * process that may have threads (libcurl's resolver). */
_Noreturn void tunnel_mind(char *const *argv, int output_fd, int hold_fd);

#endif
