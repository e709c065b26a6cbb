#ifndef OPS_CREDENTIALS_H
#define OPS_CREDENTIALS_H
/*
 * Who a worker is: `uid` and `gid` of the manifest, looked up in the user database.
 *
 * The look-up allocates and may ask a server (nsswitch.conf), so it is made before the fork; what
 * it found is put on between fork and exec (become.h).
 */
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

struct credentials {
    bool change; /* false: opsd is that user already, and nothing is to be done */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* all of the user's, gid among them */
    int group_count;
    char *user, *group; /* as they are called in messages */
    char *home, *shell; /* of the user database; NULL when the number is not in it */
};

/* Looks up a user and a group, each a name or a number; either may be NULL: the group is then the
 * user's own, the user opsd's. The caller releases ret with credentials_done.
 *
 * Returns 0, -ENOENT when there is none of that name, -EINVAL when a user's number is in no
 * database and no group was given, -ENOMEM, or what the look-up failed with. */
int credentials_find(const char *user, const char *group, struct credentials *ret,
                     struct err *reterr);

/* The same for a process that is to be started: also -EPERM when opsd, not being root, cannot
 * become that user. */
int credentials_resolve(const char *user, const char *group, struct credentials *ret,
                        struct err *reterr);

void credentials_done(struct credentials *credentials);

#endif
