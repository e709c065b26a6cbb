/* The manifest's socket_group: who besides root and the owner may ask opsd. */
#include "socket_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "credentials.h"
#include "log.h"
#include "own.h"
#include "text.h"

enum { PEER_GROUPS = 64 /* as many as most have; more are asked for again */ };

/* --- which group */

/* True when one of ours is that group. */
static bool is_member(gid_t group)
{
    int n = getgroups(0, NULL);
    OWN(free) gid_t *groups = n > 0 ? calloc((size_t)n, sizeof *groups) : NULL;

    n = groups ? getgroups(n, groups) : 0;
    for (int i = 0; i < n; i++)
        if (groups[i] == group)
            return true;
    return getegid() == group;
}

/* Looks up a group, by its name or number. own: it is for our own socket, which only root can give
 * to a group that it is no member of. Returns 0, -ENOENT, -EPERM, or what the look-up failed with.
 */
static int find_group(const char *group, bool own, gid_t *ret, struct err *reterr)
{
    struct credentials found = { 0 };
    struct err why;
    gid_t gid;
    int r;

    r = credentials_find(NULL, group, &found, &why);
    gid = found.gid;
    credentials_done(&found);
    if (r == -ENOENT)
        return err_set(reterr, r, "there is no group \"%s\"; make it with: groupadd %s", group,
                       group);
    if (r < 0)
        return err_set(reterr, r, "cannot look up the group \"%s\": %s", group, strerror(-r));
    if (own && geteuid() != 0 && !is_member(gid))
        return err_set(reterr, -EPERM,
                       "opsd is not in the group \"%s\", and so cannot let its members in; add its "
                       "user to it, and start opsd anew in a new login",
                       group);
    *ret = gid;
    return 0;
}

int socket_group_check(const struct manifest *manifest, bool own, struct buf *problems)
{
    struct err why;
    gid_t gid;
    int r;

    if (!manifest->socket_group)
        return 0;
    r = find_group(manifest->socket_group, own, &gid, &why);
    if (r == 0)
        return 0;
    buf_clear(problems);
    (void)buf_printf(problems, "socket_group: %s (line %d)\n", why.text,
                     manifest->socket_group_line);
    return -EINVAL;
}

static const char *group_of(const struct sources *sources)
{
    for (const struct fleet_source *s = sources->first; s; s = s->next)
        if (s->generation && s->generation->manifest.socket_group)
            return s->generation->manifest.socket_group;
    return NULL;
}

/* --- letting it in */

/* Where a folder above the home is closed to it the group gets no further. Lists of access control
 * may say otherwise, so this only warns. */
static void warn_of_closed_folders(const char *home, gid_t group)
{
    OWN(free) char *path = strdup(home);
    struct stat st;
    char *slash;

    while (path && (slash = strrchr(path, '/')) && slash > path) {
        *slash = '\0';
        if (stat(path, &st) == 0 && !(st.st_mode & S_IXOTH) &&
            !(st.st_gid == group && st.st_mode & S_IXGRP))
            log_warn("socket_group cannot get to the home through this folder: let it pass "
                     "(chmod o+x), or choose another home",
                     LOG_TEXT("folder", path), LOG_TEXT("home", home));
    }
}

static void let_in(struct home *home, const char *group)
{
    struct err why;
    gid_t gid;
    int r = find_group(group, true, &gid, &why);

    if (r == 0) {
        r = home_share(home, gid);
        if (r < 0)
            (void)err_set(&why, r, "cannot give the home to it: %s", strerror(-r));
    }
    if (r < 0) {
        home_unshare(home);
        log_error("socket_group is not let in", LOG_TEXT("group", group),
                  LOG_TEXT("why", why.text));
        return;
    }
    warn_of_closed_folders(home->path, gid);
    log_info("socket_group may ask for everything", LOG_TEXT("group", group));
}

void socket_group_follow(struct home *home, const struct sources *sources)
{
    const char *group = group_of(sources);

    if (home->followed && text_same(group, home->socket_group))
        return;
    home->followed = true;
    free(home->socket_group);
    home->socket_group = group ? strdup(group) : NULL;
    if (group)
        let_in(home, group);
    else
        home_unshare(home);
}

/* --- who asks */

static bool has_group(const gid_t *groups, size_t n, gid_t group)
{
    for (size_t i = 0; i < n; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* Those that it had when it connected (SO_PEERGROUPS, Linux 4.13). */
static bool peer_has_group(int fd, gid_t group)
{
    gid_t few[PEER_GROUPS];
    OWN(free) gid_t *many = NULL;
    socklen_t n = sizeof few;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &n) == 0)
        return has_group(few, n / sizeof *few, group);
    /* The size that it takes is in n then. */
    many = errno == ERANGE ? malloc(n) : NULL;
    return many && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &n) == 0 &&
           has_group(many, n / sizeof *many, group);
}

bool socket_group_admits(const struct home *home, int fd)
{
    struct ucred peer;
    socklen_t n = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    return home->shared && (peer.gid == home->shared_with || peer_has_group(fd, home->shared_with));
}
