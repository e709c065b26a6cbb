#ifndef OPS_MANIFEST_DEPENDS_H
#define OPS_MANIFEST_DEPENDS_H
/*
 * What the apps of a manifest say about each other: that names are unique, that what is depended
 * on exists, and that no app waits for itself. Profiles come in here, too: they decide who is
 * there.
 */
#include "manifest_fields.h"

/* Whether app is part of the fleet under profile (NULL: under none). */
bool app_is_in_profile(const struct app *app, const char *profile);

/* Reports names that two apps bear which one profile could bring together, and dependencies on
 * names that no app has. Apps without a name are passed over. Returns 0 or -ENOMEM. */
int apps_check_names(struct reader *reader, const struct app *apps, size_t count);

/* Drops dependencies on what is not among apps, and reports circles. Call it on the apps of one
 * profile, whose names are unique. Returns 0 or -ENOMEM. */
int apps_check_order(struct reader *reader, struct app *apps, size_t count);

/* Gives the apps that ask for it the name NAME-ENV, ENV being reader->env_name, also where others
 * depend on them; what that makes of names is checked again. Returns 0 or -ENOMEM. */
int apps_append_env(struct reader *reader, struct app *apps, size_t count);

#endif
