#ifndef OPS_WATCHER_WALK_H
#define OPS_WATCHER_WALK_H
/*
 * Which folders have to be watched for the paths that apps want to be watched.
 *
 * Logs, once until the next watcher_walk_init, when one of them cannot be.
 */
#include <stdbool.h>
#include <stddef.h>

#include "manifest.h"
#include "watcher_folders.h"
#include "watcher_own.h"

/* One path, and what is left out below it; apps that agree on both share it. */
struct watch_scope {
    const char *path;
    texts leaves_out;
};

struct watcher_walk {
    struct folders *folders;
    const struct own_files *own;
    struct watch_scope *scopes;
    size_t count;
    bool complained;
};

/* Adds a scope. Returns 0 or -ENOMEM; watcher_walk_done releases all. */
int watcher_walk_add(struct watcher_walk *walk, const char *path, texts leaves_out);
void watcher_walk_done(struct watcher_walk *walk);

/* Makes the set of folders what it has to be. */
void watcher_walk_all(struct watcher_walk *walk);

/* A folder came up below one that is watched. */
void watcher_walk_new(struct watcher_walk *walk, const char *path);

#endif
