/* Absolute paths as texts. */
#include "path.h"

#include <stdlib.h>
#include <string.h>

char *path_tidy(const char *path)
{
    char *tidy = malloc(strlen(path) + 2), *to = tidy;
    size_t n;

    for (; tidy && *path; path += n) {
        path += strspn(path, "/");
        n = strcspn(path, "/");
        if (!n || (n == 1 && *path == '.'))
            continue;
        *to++ = '/';
        memcpy(to, path, n);
        to += n;
    }
    if (tidy && to == tidy)
        *to++ = '/';
    if (tidy)
        *to = '\0';
    return tidy;
}

const char *path_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    if (n == 1)
        return path + 1;
    if (strncmp(path, folder, n) != 0)
        return NULL;
    return path[n] == '/' ? path + n + 1 : path[n] ? NULL : path + n;
}
