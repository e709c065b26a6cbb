#ifndef OPS_WATCHER_FOLDERS_H
#define OPS_WATCHER_FOLDERS_H
/*
 * The folders that one inotify(7) descriptor watches, by path and by watch number.
 *
 * A folder that can be reached by two paths has one number and two entries. Numbers are not given
 * out again, so an event that was queued before its folder was forgotten is about nothing.
 */
#include <stdbool.h>
#include <stddef.h>

enum {
    /* All of them are gone through at once when a manifest is read, which takes a moment. */
    FOLDERS_MAX = 16384,
    FOLDERS_BUCKETS = 1024,
};

struct folder {
    struct folder *next_number, *next_path; /* in the same bucket */
    int number;
    bool kept;
    char path[];
};

struct folders {
    int fd; /* -1: not open */
    size_t count;
    struct folder *by_number[FOLDERS_BUCKETS], *by_path[FOLDERS_BUCKETS];
};

/* Returns 0 or a negative errno: -EMFILE when the user has too many (fs.inotify). */
int folders_open(struct folders *folders);
void folders_close(struct folders *folders);

/* Watches a folder, or goes on to, and marks it as kept. A path that leads to another folder than
 * before is watched anew. follow: also when the last component is a symbolic link. Returns 0, or a
 * negative errno: -ENOSPC when there are too many already, -ENOTDIR for what is no folder. */
int folders_add(struct folders *folders, const char *path, bool follow);

/* The next entry with that number; last NULL: the first one. NULL: no more. */
struct folder *folders_next(const struct folders *folders, int number, const struct folder *last);

/* The kernel has stopped watching it. */
void folders_gone(struct folders *folders, int number);

/* Forgets a path and all below. */
void folders_forget(struct folders *folders, const char *path);

/* Between these two every folder that is to stay is added; the others are forgotten. */
void folders_begin(struct folders *folders);
void folders_sweep(struct folders *folders);

#endif
