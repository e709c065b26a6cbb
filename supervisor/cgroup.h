#ifndef OPS_CGROUP_H
#define OPS_CGROUP_H
/*
 * Control groups, version 2 (cgroups(7)), where one may be made: each worker runs in one of its
 * own, beside all that its keeper does. Nothing leaves a group without the right to, so that what
 * escaped its keeper, because that was killed, is found and killed, too, and that nothing is left
 * is the kernel's word.
 *
 *     OURS/ops-HOME/NAME-0     OURS: the group that opsd was started in; HOME: the home's identity
 *
 * So several supervisors do not meet, and one that comes after a crash finds what there was; when
 * it is started elsewhere, by a link in the home. Where systemd handed us our group (Delegate=yes),
 * guard and supervisor move to OURS/ops-HOME/~opsd, since a group with processes in it cannot count
 * the memory of those below ("no internal processes").
 *
 * Where no group can be made, or one cannot be killed as a whole (before Linux 5.14), all this
 * does nothing, and says that nothing is left.
 */
#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct cgroups {
    int fd;                 /* of our folder; -1: none */
    int before_fd;          /* of the one that an earlier opsd made, in another group; -1: none */
    char *path;             /* of our folder; NULL: none */
    char own[NAME_MAX + 1]; /* the one of ours that we are in ourselves, and never kill; "": none */
};

/* Finds where ours may be made, and makes the folder of this home; there may be none. */
void cgroups_open(struct cgroups *cgroups, int home_fd);

/* For the supervisor, once: has a controller ("memory") count what each group uses, if the whole
 * group that we were started in is ours; guard is the only other process in it then. */
void cgroups_delegate(struct cgroups *cgroups, pid_t guard, const char *controller);

/* Leaves nothing behind if nothing runs any more. */
void cgroups_close(struct cgroups *cgroups, int home_fd);

/* Where a process that is about to start makes its group (cgroup_vfork.h): a borrowed descriptor,
 * or -1 when it is to do without. left: the group's name, if an earlier process may have left
 * something in it; else NULL. Returns 0, or -EBUSY when something still runs in that. */
int cgroups_folder(struct cgroups *cgroups, const char *left, int *ret_fd, struct err *reterr);

/* Kills all that is in it. */
void cgroup_kill(const struct cgroups *cgroups, const char *name);

/* Removes it; when something runs in it, kills that instead. Returns true when nothing is left. */
bool cgroup_clear(const struct cgroups *cgroups, const char *name);

/* Clears all groups that nobody owns. Returns true when none of those is left. */
bool cgroups_sweep(const struct cgroups *cgroups, bool (*is_owned)(void *context, const char *name),
                   void *context);

/* Where it is, or NULL when there is none; the caller frees it. */
char *cgroup_path(const struct cgroups *cgroups, const char *name);

struct cgroup_usage {
    int64_t cpu_ms;       /* with what ended; -1: unknown */
    int64_t memory_bytes; /* anonymous memory, as in tree_usage.h; -1: not counted here */
};

void cgroup_usage(const struct cgroups *cgroups, const char *name, struct cgroup_usage *ret);

#endif
