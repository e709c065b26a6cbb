#ifndef OPS_SLOTS_H
#define OPS_SLOTS_H
/*
 * A child that gets a few descriptors of ours, and never sees the thousands of others.
 *
 * fork(2) copies the whole table of descriptors, and the child has to close what is not for it:
 * with a thousand workers more than all the rest of a start. So the child shares our table
 * (CLONE_FILES, clone(2)) until it takes a copy of the beginning of it (CLOSE_RANGE_UNSHARE,
 * close_range(2)). What is for it stands there, in the slots: numbers that nothing else uses.
 *
 * Until the child has its copy, the slots must stay as they are: slots_wait. The next fork waits by
 * itself, and what was for the child before stays open here until then.
 */
#include <stddef.h>
#include <sys/types.h>

enum {
    SLOTS_FIRST = 3,
    SLOTS_MAX = 41,
    /* What others gave us is moved up to here. A table of up to 64 takes no memory of its own (the
     * kernel's NR_OPEN_DEFAULT). */
    SLOTS_END = SLOTS_FIRST + SLOTS_MAX + 2,
};

/* Takes the slots; whatever was open there is closed. Once, at the start; more often does no harm.
 * Returns 0 or a negative errno. */
int slots_open(void);

/* Forks with the n descriptors, at most SLOTS_MAX. In the child it returns 0, and fds[i] is
 * SLOTS_FIRST + i there, or /dev/null where it is -1, as standard input, output and error are; else
 * the pid, and *ret_pidfd is the caller's, not to be closed before slots_wait or the next fork; or
 * a negative errno. The C library is not told of the child, which is to make system calls only. */
pid_t slots_fork(const int fds[], size_t n, int *ret_pidfd);

/* Waits, as vfork(2) does, until the last child has its own descriptors, or is gone; then lets go
 * of them here. */
void slots_wait(void);

#endif
