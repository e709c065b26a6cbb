/* Which changed files are a reason to restart an app. */
#include "watcher_match.h"

#include <fnmatch.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Never a program or its configuration: what version control, package managers and interpreters
 * keep for themselves, and what editors write beside a file while they save it. */
static const char *const always[] = {
    ".*", "node_modules", "__pycache__", "*~", "#*#", "*.sw[a-z]", "4913", "*___jb_*___", NULL,
};

static bool fits_component(const char *pattern, const char *path)
{
    char name[NAME_MAX + 1];
    size_t n;

    for (; *path; path += path[n] ? n + 1 : n) {
        n = strcspn(path, "/");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, path);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

/* Some beginning of the path, up to the end of a component. */
static bool fits_beginning(const char *pattern, const char *path)
{
    char part[PATH_MAX];

    for (size_t n = strcspn(path, "/");; n += 1 + strcspn(path + n + 1, "/")) {
        if (n >= sizeof part)
            return false;
        memcpy(part, path, n);
        part[n] = '\0';
        if (n && fnmatch(pattern, part, 0) == 0)
            return true;
        if (!path[n])
            return false;
    }
}

static bool fits_anywhere(const char *pattern, const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (fits_beginning(pattern, p))
            return true;
    }
    return false;
}

static bool fits(const char *given, const char *watched, const char *relative)
{
    char pattern[PATH_MAX], path[PATH_MAX];
    size_t n;

    while (strncmp(given, "./", 2) == 0)
        given += 2;
    n = strlen(given);
    while (n > 1 && given[n - 1] == '/')
        n--;
    if (n >= sizeof pattern)
        return false;
    memcpy(pattern, given, n);
    pattern[n] = '\0';
    if (pattern[0] == '/') {
        (void)snprintf(path, sizeof path, "%s/%s", watched, relative);
        return fits_beginning(pattern, path);
    }
    if (strncmp(pattern, "**/", 3) == 0)
        return fits_anywhere(pattern + 3, relative);
    return fits_beginning(pattern, relative) || fits_component(pattern, relative);
}

bool watch_leaves_out(const char *watched, const char *relative, texts patterns)
{
    for (size_t i = 0; always[i]; i++)
        if (fits_component(always[i], relative))
            return true;
    for (; patterns && *patterns; patterns++)
        if (fits(*patterns, watched, relative))
            return true;
    return false;
}
