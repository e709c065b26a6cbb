#ifndef OPS_CGROUP_TEXT_H
#define OPS_CGROUP_TEXT_H
/*
 * What the kernel says of control groups, version 2 (cgroups(7)), as text: where they are mounted,
 * which one is ours, what one of them counts. Pure.
 */
#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads /proc/PID/cgroup: the path of its group in the hierarchy of version 2. Returns false when
 * it has none there, or one that cannot be reached from here (above the root of our namespace). */
bool cgroup_text_own(const char *text, char ret[static PATH_MAX]);

/* Goes through /proc/PID/mountinfo (proc(5)): prints the folder of the group `own` in the next
 * mount of version 2 that shows it, and sets *mountinfo behind that. There are several where
 * containers are, and one beside those of version 1 in a hybrid set-up. Returns false when there is
 * none any more. */
bool cgroup_text_next_folder(const char **mountinfo, const char *own, char ret[static PATH_MAX]);

/* Reads a file with a line `key number` for each key, such as cgroup.events and cpu.stat. Returns
 * false when key is not in it. */
bool cgroup_text_number(const char *text, const char *key, int64_t *ret);

/* True when word is one of those that a line of words, such as cgroup.controllers, has. */
bool cgroup_text_has(const char *text, const char *word);

#endif
