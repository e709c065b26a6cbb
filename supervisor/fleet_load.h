#ifndef OPS_FLEET_LOAD_H
#define OPS_FLEET_LOAD_H
/*
 * From manifests to instances: which there are to be. What becomes of those that are there when a
 * manifest changes, or a person wants them otherwise, is in fleet_change.h.
 *
 * What is wrong with a manifest is found before anything is changed; problems then holds every
 * error, one a line.
 */
#include "fleet.h"

/* Reads the manifest and every other file again: new apps become instances, present ones use it
 * from their next start. */
int fleet_load_files(struct fleet *fleet, struct buf *problems);

/* The same from the copies that are kept in the home, whatever the files say by now. */
int fleet_load_kept(struct fleet *fleet, struct buf *problems);

/* Adds a source (sources_put), which is taken also on failure. names, when it is not NULL, gets the
 * names of its apps. */
int fleet_add_source(struct fleet *fleet, struct fleet_source *source, cJSON *names,
                     struct buf *problems);

#endif
