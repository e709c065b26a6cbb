#ifndef OPS_STARTUP_H
#define OPS_STARTUP_H
/*
 * The systemd unit that starts opsd with the machine, as text. Pure.
 *
 * Of systemd.service(5): Type=notify, because opsd says when it serves; KillMode=process, because
 * opsd stops its workers itself, and one that died leaves them to its successor; Delegate=yes,
 * because it keeps their process tree; Restart=always, but not after an end that was asked for
 * (opsctl kill), which is exit code 0.
 */
#include <stdbool.h>

#include "buf.h"
#include "err.h"

struct startup {
    const char *opsd, *home, *manifest; /* absolute */
    const char *folder;                 /* the manifest's */
    const char *user;                   /* NULL: a user's own unit has none */
    const char *path;                   /* PATH, where workers look for programs; NULL: systemd's */
};

/* Adds the unit. Returns 0, -EINVAL when a path holds what a unit cannot, -EMSGSIZE or -ENOMEM. */
int startup_unit(const struct startup *startup, struct buf *to, struct err *reterr);

/* The unit's name for a manifest's folder: "ops-shop" for /srv/shop; every character that a unit's
 * name may not have becomes a dash (systemd.unit(5)). Returns 0, -EMSGSIZE or -ENOMEM. */
int startup_name(const char *folder, struct buf *to);

/* True when the name is one that a unit can have, without ".service". */
bool startup_is_name(const char *name);

/* True when a unit is one that startup_unit wrote for that home. */
bool startup_is_of(const char *unit, const char *home);

#endif
