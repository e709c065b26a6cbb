#ifndef OPS_KEEPER_CHILDREN_H
#define OPS_KEEPER_CHILDREN_H
/*
 * The children of a keeper: its worker, and whatever of the worker's tree lost its parent, which is
 * a child of the keeper from then on. Makes system calls only.
 */
#include <sys/types.h>

struct keeper_children {
    int fd;        /* the kernel's list of them; -1: not open yet */
    pid_t only_of; /* those outside of that process group are left alone; 0: none is */
};

/* Sends a signal to each, unless it is 0. Returns how many there are. A grandchild becomes a child
 * when its parent is gone; a list that does not fit is gone through again. */
int keeper_children_signal(struct keeper_children *children, int signal);

#endif
