/* Which folders have to be watched for the paths that apps want to be watched. */
#include "watcher_walk.h"

#include <dirent.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "path.h"
#include "watcher_match.h"

enum {
    /* Each level has its folder open while those below are looked at. */
    DEPTH_MAX = 64,
};

static bool same_texts(texts a, texts b)
{
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

int watcher_walk_add(struct watcher_walk *walk, const char *path, texts leaves_out)
{
    struct watch_scope *grown;

    for (size_t s = 0; s < walk->count; s++)
        if (strcmp(walk->scopes[s].path, path) == 0 &&
            same_texts(walk->scopes[s].leaves_out, leaves_out))
            return 0;
    grown = realloc(walk->scopes, (walk->count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    walk->scopes = grown;
    grown[walk->count++] = (struct watch_scope){ .path = path, .leaves_out = leaves_out };
    return 0;
}

void watcher_walk_done(struct watcher_walk *walk)
{
    free(walk->scopes);
    walk->scopes = NULL;
    walk->count = 0;
}

static void complain(struct watcher_walk *walk, const char *path, int r)
{
    const char *why = strerror(-r);

    /* What is gone, or no folder any more, is seen from above. */
    if (walk->complained || r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
        return;
    walk->complained = true;
    if (r == -ENOSPC)
        why = walk->folders->count >= FOLDERS_MAX
                  ? "too many folders; leave some out with ignore_watch"
                  : "too many folders; raise fs.inotify.max_user_watches, or leave some out with "
                    "ignore_watch";
    log_error("not everything is watched", LOG_TEXT("path", path), LOG_TEXT("why", why));
}

static bool add(struct watcher_walk *walk, const char *path, bool follow)
{
    int r = folders_add(walk->folders, path, follow);

    if (r < 0)
        complain(walk, path, r);
    return r == 0;
}

static bool is_folder(const char *path, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* First watches, then looks: what comes up in between is seen at least once. */
static void walk_down(struct watcher_walk *walk, const struct watch_scope *scope, const char *path,
                      int depth)
{
    bool root = strcmp(path, scope->path) == 0;
    const char *relative = path_below(path, scope->path);
    char below[PATH_MAX];
    struct dirent *entry;
    DIR *folder;

    if (!relative || depth >= DEPTH_MAX || own_files_hold(walk->own, path) ||
        watch_leaves_out(scope->path, relative, scope->leaves_out) || !add(walk, path, root))
        return;
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        int n = snprintf(below, sizeof below, "%s/%s", path[1] ? path : "", entry->d_name);

        if (entry->d_name[0] != '.' && n < (int)sizeof below && is_folder(below, entry))
            walk_down(walk, scope, below, depth + 1);
    }
    if (folder)
        (void)closedir(folder);
}

static bool exists(const char *path, struct stat *st)
{
    return lstat(path, st) == 0;
}

/* Watches the folder that the last component of path is in. */
static bool add_above(struct watcher_walk *walk, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return add(walk, folder, true);
}

/*
 * From the top down: where a component is a symbolic link, or is missing, its folder tells when it
 * is another one or comes up. A file is told of by its folder, too. Returns false when nothing is
 * there to walk.
 */
static bool walk_to(struct watcher_walk *walk, const char *path)
{
    char part[PATH_MAX];
    struct stat st;

    for (size_t n = 1; path[n - 1]; n++) {
        if (n >= sizeof part)
            return false;
        if (path[n] && path[n] != '/')
            continue;
        memcpy(part, path, n);
        part[n] = '\0';
        if (exists(part, &st) && S_ISDIR(st.st_mode))
            continue;
        /* It may have come up just before that. */
        if (!add_above(walk, part) || !exists(part, &st))
            return false;
    }
    return true;
}

void watcher_walk_all(struct watcher_walk *walk)
{
    folders_begin(walk->folders);
    for (size_t s = 0; s < walk->count; s++) {
        const struct watch_scope *scope = &walk->scopes[s];
        struct stat st;

        if (walk_to(walk, scope->path) && stat(scope->path, &st) == 0 && S_ISDIR(st.st_mode))
            walk_down(walk, scope, scope->path, 0);
    }
    folders_sweep(walk->folders);
}

void watcher_walk_new(struct watcher_walk *walk, const char *path)
{
    for (size_t s = 0; s < walk->count; s++)
        if (path_below(path, walk->scopes[s].path))
            walk_down(walk, &walk->scopes[s], path, 0);
}
