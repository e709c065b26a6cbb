#ifndef OPS_FLEET_PARTS_H
#define OPS_FLEET_PARTS_H
/*
 * What the fleet (fleet.c), reading its manifests (fleet_load.c) and changing it (fleet_change.c)
 * share.
 */
#include "fleet.h"

/* Where logs go: beside the manifest, else in the home. Once it is known which manifest is the
 * home's. Returns 0 or -ENOMEM. */
int fleet_find_log_folder(struct fleet *fleet);

/* False, with a problem, while opsd does not know what runs: then nothing may be started. */
bool fleet_is_known(const struct fleet *fleet, struct buf *problems);

/* The manifest beside the home becomes the first source, the first time that it is looked for. */
int fleet_put_manifest(struct fleet *fleet, struct buf *problems);

/* New readings of all files, as a list that is the caller's; what was not changed is not in it. */
int fleet_read_all(struct fleet *fleet, struct fleet_source **ret, struct buf *problems);

/* Takes such a list; fleet_keep_sources is to follow. */
int fleet_put_all(struct fleet *fleet, struct fleet_source *list);

/* Makes instances of what the sources say now; what is more than that stays until it is retired. */
int fleet_take_all(struct fleet *fleet);

/* Writes them into the home when they have changed, and logs when it cannot. */
void fleet_keep_sources(struct fleet *fleet);

#endif
