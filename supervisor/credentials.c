/* Who a worker is, looked up in the user database. */
#include "credentials.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"
#include "text.h"

/* An entry of the database with its texts is at most this long; a group may have many members. */
enum { ENTRY_MAX = 1 << 20, GROUPS_MAX = 65536 };

void credentials_done(struct credentials *credentials)
{
    free(credentials->groups);
    free(credentials->user);
    free(credentials->group);
    free(credentials->home);
    free(credentials->shell);
    *credentials = (struct credentials){ 0 };
}

static void own_credentials(struct credentials *credentials)
{
    credentials_done(credentials);
}

/* The number that a text is; false for a name. */
static bool is_number(const char *text, int64_t *ret)
{
    return text_to_int(text, 0, (int64_t)UINT32_MAX - 1, ret) == 0;
}

/* Several errors only mean that there is no such entry (getpwnam(3)). */
static int answer_of(int error, bool found)
{
    if (error == ENOMEM || error == EMFILE || error == ENFILE || error == EIO)
        return -error;
    return found ? 0 : -ENOENT;
}

/* getpwnam_r(3) or getpwuid_r(3) with as much room as it takes: *text is the caller's to free. */
static int find_passwd(const char *user, struct passwd *ret, char **text)
{
    struct passwd *found = NULL;
    int64_t number;
    int error = ERANGE;

    for (size_t n = 1024; error == ERANGE && n <= ENTRY_MAX; n *= 4) {
        free(*text);
        *text = malloc(n);
        if (!*text)
            return -ENOMEM;
        error = is_number(user, &number) ? getpwuid_r((uid_t)number, ret, *text, n, &found)
                                         : getpwnam_r(user, ret, *text, n, &found);
    }
    return answer_of(error, found);
}

static int find_group(const char *group, struct group *ret, char **text)
{
    struct group *found = NULL;
    int64_t number;
    int error = ERANGE;

    for (size_t n = 1024; error == ERANGE && n <= ENTRY_MAX; n *= 4) {
        free(*text);
        *text = malloc(n);
        if (!*text)
            return -ENOMEM;
        error = is_number(group, &number) ? getgrgid_r((gid_t)number, ret, *text, n, &found)
                                          : getgrnam_r(group, ret, *text, n, &found);
    }
    return answer_of(error, found);
}

static int keep(const char *text, char **ret)
{
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

/* The user's name for getgrouplist, or NULL; fills in what the database says. */
static int settle_user(const char *user, bool has_group, struct credentials *who,
                       struct err *reterr)
{
    OWN(free) char *text = NULL;
    struct passwd entry;
    int64_t number = 0;
    int r = find_passwd(user, &entry, &text);

    if (r == -ENOENT && is_number(user, &number)) {
        if (!has_group)
            return err_set(reterr, -EINVAL, "uid: no user has the number %s: give gid, too", user);
        who->uid = (uid_t)number;
        return keep(user, &who->user) < 0 ? err_set(reterr, -ENOMEM, "out of memory") : 0;
    }
    if (r == -ENOENT)
        return err_set(reterr, r, "uid: no such user: %s", user);
    if (r < 0)
        return err_set(reterr, r, "uid: cannot look up %s: %s", user, strerror(-r));
    who->uid = entry.pw_uid;
    who->gid = entry.pw_gid;
    if (keep(entry.pw_name, &who->user) < 0 || keep(entry.pw_dir, &who->home) < 0 ||
        keep(entry.pw_shell, &who->shell) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

static int settle_group(const char *group, struct credentials *who, struct err *reterr)
{
    OWN(free) char *text = NULL;
    struct group entry;
    int64_t number = 0;
    int r = find_group(group, &entry, &text);

    if (r == 0)
        who->gid = entry.gr_gid;
    else if (r == -ENOENT && is_number(group, &number))
        who->gid = (gid_t)number;
    else if (r == -ENOENT)
        return err_set(reterr, r, "gid: no such group: %s", group);
    else
        return err_set(reterr, r, "gid: cannot look up %s: %s", group, strerror(-r));
    return keep(r == 0 ? entry.gr_name : group, &who->group) < 0
               ? err_set(reterr, -ENOMEM, "out of memory")
               : 0;
}

/* A number without an entry has no groups beside its own. */
static int settle_groups(struct credentials *who, struct err *reterr)
{
    int count = 16, room;

    who->groups = malloc((size_t)count * sizeof *who->groups);
    if (who->groups && !who->home) {
        who->groups[0] = who->gid;
        who->group_count = 1;
        return 0;
    }
    while (who->groups) {
        room = count;
        if (getgrouplist(who->user, who->gid, who->groups, &count) >= 0)
            break;
        count = count > room ? count : room * 2;
        if (count > GROUPS_MAX)
            return err_set(reterr, -E2BIG, "uid: %s is in more than %d groups", who->user,
                           GROUPS_MAX);
        free(who->groups);
        who->groups = malloc((size_t)count * sizeof *who->groups);
    }
    who->group_count = count;
    return who->groups ? 0 : err_set(reterr, -ENOMEM, "out of memory");
}

int credentials_find(const char *user, const char *group, struct credentials *ret,
                     struct err *reterr)
{
    OWN(credentials) struct credentials who = { .gid = getegid() };
    char own[16];
    int r;

    /* Nothing is asked for, so nothing is looked up: that would load what nsswitch.conf names. */
    if (!user && !group) {
        *ret = (struct credentials){ .uid = geteuid(), .gid = getegid() };
        return 0;
    }
    (void)snprintf(own, sizeof own, "%ju", (uintmax_t)geteuid());
    r = settle_user(user ? user : own, group || !user, &who, reterr);
    if (r == 0 && group)
        r = settle_group(group, &who, reterr);
    if (r == 0)
        r = settle_groups(&who, reterr);
    if (r < 0)
        return r;
    who.change = who.uid != geteuid() || who.gid != getegid();
    *ret = who;
    who = (struct credentials){ 0 };
    return 0;
}

int credentials_resolve(const char *user, const char *group, struct credentials *ret,
                        struct err *reterr)
{
    OWN(credentials) struct credentials who = { 0 };
    int r = credentials_find(user, group, &who, reterr);

    if (r < 0)
        return r;
    if (who.change && geteuid() != 0)
        return who.uid != geteuid()
                   ? err_set(reterr, -EPERM, "cannot become user %s: opsd does not run as root",
                             who.user)
                   : err_set(reterr, -EPERM, "cannot become group %s: opsd does not run as root",
                             who.group ? who.group : who.user);
    *ret = who;
    who = (struct credentials){ 0 };
    return 0;
}
