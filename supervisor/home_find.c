/* Which home is meant, and which manifest. */
#include "home.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"
#include "path.h"

#define MANIFEST_NAME "ecosystem.json"
#define HOME_NAME ".ops"

static char *path_join(const char *folder, const char *name)
{
    OWN(free) char *path = NULL;

    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path_tidy(path);
}

static char *path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
}

static int path_absolute(const char *path, char **ret)
{
    OWN(free) char *folder = NULL;
    char *absolute;

    if (path[0] == '/') {
        absolute = path_tidy(path);
    } else {
        folder = getcwd(NULL, 0);
        if (!folder)
            return -errno;
        absolute = path_join(folder, path);
    }
    if (!absolute)
        return -ENOMEM;
    *ret = absolute;
    return 0;
}

/* folder/ecosystem.json when there is one. Returns 0 with *ret NULL when there is none. */
static int manifest_in(const char *folder, char **ret)
{
    OWN(free) char *path = path_join(folder, MANIFEST_NAME);

    if (!path)
        return -ENOMEM;
    *ret = access(path, F_OK) == 0 ? TAKE(path) : NULL;
    return 0;
}

/* The nearest ecosystem.json upward from the current folder, or *ret NULL. */
static int manifest_upward(char **ret)
{
    OWN(free) char *folder = getcwd(NULL, 0);
    char *slash;
    int r;

    if (!folder)
        return -errno;
    for (;;) {
        r = manifest_in(folder, ret);
        slash = strrchr(folder, '/');
        if (r < 0 || *ret || !slash || !folder[1])
            return r;
        slash[slash == folder] = '\0';
    }
}

/* A home called .ops belongs to the manifest beside it, wherever the caller stands. */
static int manifest_of_home(const char *home, char **ret)
{
    OWN(free) char *folder = path_parent(home);
    const char *slash = strrchr(home, '/');

    if (!folder)
        return -ENOMEM;
    return strcmp(slash + 1, HOME_NAME) == 0 ? manifest_in(folder, ret) : 0;
}

static int home_of_user(char **ret)
{
    const char *folder = getenv("HOME");
    const struct passwd *user;

    if (!folder || folder[0] != '/') {
        user = getpwuid(geteuid());
        folder = user ? user->pw_dir : "/";
    }
    *ret = path_join(folder, HOME_NAME);
    return *ret ? 0 : -ENOMEM;
}

static int home_beside(const char *manifest, char **ret)
{
    OWN(free) char *folder = path_parent(manifest);

    *ret = folder ? path_join(folder, HOME_NAME) : NULL;
    return *ret ? 0 : -ENOMEM;
}

static int find_manifest(const char *named, const char *home, char **ret)
{
    int r;

    if (named)
        return path_absolute(named, ret);
    r = home ? manifest_of_home(home, ret) : 0;
    return r < 0 || *ret ? r : manifest_upward(ret);
}

int home_find(const char *home, const char *manifest, struct home *ret, struct err *reterr)
{
    OWN(free) char *path = NULL;
    OWN(free) char *file = NULL;
    int r = 0;

    if (!home)
        home = getenv("OPS_HOME");
    if (home && home[0])
        r = path_absolute(home, &path);
    if (r == 0)
        r = find_manifest(manifest, path, &file);
    if (r == 0 && !path)
        r = file ? home_beside(file, &path) : home_of_user(&path);
    if (r < 0)
        return err_set(reterr, r, "cannot tell which home is meant: %s", strerror(-r));
    if (manifest && access(file, F_OK) < 0)
        return err_set(reterr, -errno, "cannot read the manifest %s: %s", file, strerror(errno));
    *ret = (struct home){ .path = TAKE(path), .manifest = TAKE(file), .fd = -1 };
    return 0;
}
