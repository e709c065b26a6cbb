#ifndef OPS_WATCHER_OWN_H
#define OPS_WATCHER_OWN_H
/*
 * What opsd itself writes where an app may watch: to restart for that would go on for ever.
 * Pure: paths are compared, not looked up.
 */
#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. own_files_done releases it. */
struct own_files {
    char **folders, **files;
    size_t folder_count, file_count;
};

/* Copies a path; NULL is accepted, and adds nothing. A folder counts with all that is in it, a file
 * with what is made of its name: app.log.1, app.pid.new. Returns 0 or -ENOMEM. */
int own_files_add_folder(struct own_files *own, const char *path);
int own_files_add(struct own_files *own, const char *path);
void own_files_done(struct own_files *own);

bool own_files_hold(const struct own_files *own, const char *path);
bool own_files_same(const struct own_files *a, const struct own_files *b);

#endif
