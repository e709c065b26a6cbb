/* The folders that one inotify(7) descriptor watches. */
#include "watcher_folders.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "path.h"
#include "text.h"

/* A file counts as changed once it is closed, so that a program is not started half-written, and a
 * log that is held open is no change. */
enum {
    EVENTS = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF |
             IN_ONLYDIR | IN_EXCL_UNLINK,
};

static struct folder **number_bucket(struct folders *folders, int number)
{
    return &folders->by_number[(unsigned)number % FOLDERS_BUCKETS];
}

static struct folder **path_bucket(struct folders *folders, const char *path)
{
    return &folders->by_path[text_hash(path, 0) % FOLDERS_BUCKETS];
}

int folders_open(struct folders *folders)
{
    *folders = (struct folders){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) };
    return folders->fd < 0 ? -errno : 0;
}

static void unlink_folder(struct folders *folders, struct folder *folder)
{
    struct folder **p;

    for (p = number_bucket(folders, folder->number); *p != folder; p = &(*p)->next_number)
        ;
    *p = folder->next_number;
    for (p = path_bucket(folders, folder->path); *p != folder; p = &(*p)->next_path)
        ;
    *p = folder->next_path;
    folders->count--;
}

static void forget(struct folders *folders, struct folder *folder)
{
    unlink_folder(folders, folder);
    if (!folders_next(folders, folder->number, NULL))
        (void)inotify_rm_watch(folders->fd, folder->number);
    free(folder);
}

void folders_close(struct folders *folders)
{
    if (folders->fd < 0)
        return;
    folders_forget(folders, "/");
    (void)close(folders->fd);
    folders->fd = -1;
}

static struct folder *find(struct folders *folders, const char *path)
{
    struct folder *folder = *path_bucket(folders, path);

    while (folder && strcmp(folder->path, path) != 0)
        folder = folder->next_path;
    return folder;
}

static int insert(struct folders *folders, const char *path, int number)
{
    size_t n = strlen(path) + 1;
    struct folder *folder = malloc(sizeof *folder + n), **bucket;

    if (!folder)
        return -ENOMEM;
    memcpy(folder->path, path, n);
    folder->number = number;
    folder->kept = true;
    bucket = number_bucket(folders, number);
    folder->next_number = *bucket;
    *bucket = folder;
    bucket = path_bucket(folders, path);
    folder->next_path = *bucket;
    *bucket = folder;
    folders->count++;
    return 0;
}

int folders_add(struct folders *folders, const char *path, bool follow)
{
    struct folder *folder = find(folders, path);
    int number;

    if (!folder && folders->count >= FOLDERS_MAX)
        return -ENOSPC;
    number = inotify_add_watch(folders->fd, path, EVENTS | (follow ? 0 : IN_DONT_FOLLOW));
    if (number < 0)
        return -errno;
    if (folder && folder->number == number) {
        folder->kept = true;
        return 0;
    }
    if (folder)
        forget(folders, folder);
    return insert(folders, path, number);
}

struct folder *folders_next(const struct folders *folders, int number, const struct folder *last)
{
    struct folder *folder = last ? last->next_number
                                 : folders->by_number[(unsigned)number % FOLDERS_BUCKETS];

    while (folder && folder->number != number)
        folder = folder->next_number;
    return folder;
}

void folders_gone(struct folders *folders, int number)
{
    struct folder *folder;

    while ((folder = folders_next(folders, number, NULL))) {
        unlink_folder(folders, folder);
        free(folder);
    }
}

static void forget_some(struct folders *folders, const char *path, bool also_kept)
{
    for (size_t b = 0; b < FOLDERS_BUCKETS; b++)
        for (struct folder *folder = folders->by_number[b], *next; folder; folder = next) {
            next = folder->next_number;
            if (path_below(folder->path, path) && (also_kept || !folder->kept))
                forget(folders, folder);
        }
}

void folders_forget(struct folders *folders, const char *path)
{
    forget_some(folders, path, true);
}

void folders_begin(struct folders *folders)
{
    for (size_t b = 0; b < FOLDERS_BUCKETS; b++)
        for (struct folder *folder = folders->by_number[b]; folder; folder = folder->next_number)
            folder->kept = false;
}

void folders_sweep(struct folders *folders)
{
    forget_some(folders, "/", false);
}
