#ifndef OPS_CGROUP_VFORK_H
#define OPS_CGROUP_VFORK_H
/*
 * vfork(2) into a control group.
 *
 * A process that writes its number to cgroup.procs waits for every processor to have been idle once
 * (an RCU grace period): some 10 ms, ten times what starting a process costs. One that is born in
 * the group (CLONE_INTO_CGROUP, clone3(2), Linux 5.7) waits for nothing.
 */
#include <sys/types.h>

/* Does not return. */
typedef void (*cgroup_child)(void *context) __attribute__((noreturn));

/* Calls child(context) in a child that is in the group `name` of the folder, which is made if need
 * be, and shares our memory; we go on when it has executed a program, or is gone. Without a folder
 * (-1), or where the group cannot be entered, the child stays in our own. System calls only.
 * Returns the child's pid, or -1 with errno. */
pid_t cgroup_vfork(int folder_fd, const char *name, cgroup_child child, void *context);

#endif
