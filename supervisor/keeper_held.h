#ifndef OPS_KEEPER_HELD_H
#define OPS_KEEPER_HELD_H
/*
 * What a keeper holds for whoever comes after opsd and its guard were killed (KEEPER_OUT_FD and its
 * kin), taken from it. keeper and start are its identity; one that is gone is -ESRCH.
 */
#include <stdint.h>
#include <sys/types.h>

/* Opens a pipe or a file of it anew. Returns the descriptor or a negative errno. */
int keeper_held_open(pid_t keeper, int64_t start, int fd);

/* A copy of a socket of it, which cannot be opened anew: pidfd_getfd(2). Returns the descriptor;
 * -ENOTSOCK when it holds none there; -EPERM, -EACCES or -ENOSYS where the machine's rules for
 * ptrace(2) are against it (Yama, or the seccomp filter of a container); or another negative errno.
 */
int keeper_held_copy(pid_t keeper, int64_t start, int fd);

/* Sends an enum keeper_order to a keeper that is not taken over yet. Returns 0 or a negative errno.
 */
int keeper_held_order(pid_t keeper, int64_t start, int order);

#endif
