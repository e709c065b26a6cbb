/* What opsd itself writes where an app may watch. */
#include "watcher_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

static int add(char ***list, size_t *count, const char *path)
{
    char **grown;

    if (!path)
        return 0;
    grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    *list = grown;
    grown[*count] = path_tidy(path);
    if (!grown[*count])
        return -ENOMEM;
    ++*count;
    return 0;
}

int own_files_add_folder(struct own_files *own, const char *path)
{
    return add(&own->folders, &own->folder_count, path);
}

int own_files_add(struct own_files *own, const char *path)
{
    return add(&own->files, &own->file_count, path);
}

static void release(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void own_files_done(struct own_files *own)
{
    release(own->folders, own->folder_count);
    release(own->files, own->file_count);
    *own = (struct own_files){ 0 };
}

bool own_files_hold(const struct own_files *own, const char *path)
{
    for (size_t i = 0; i < own->folder_count; i++)
        if (path_below(path, own->folders[i]))
            return true;
    for (size_t i = 0; i < own->file_count; i++) {
        size_t n = strlen(own->files[i]);

        if (strncmp(path, own->files[i], n) == 0 && (!path[n] || path[n] == '.'))
            return true;
    }
    return false;
}

static bool same_list(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return a_count == b_count;
}

bool own_files_same(const struct own_files *a, const struct own_files *b)
{
    return same_list(a->folders, a->folder_count, b->folders, b->folder_count) &&
           same_list(a->files, a->file_count, b->files, b->file_count);
}
