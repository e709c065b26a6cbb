#ifndef OPS_FLEET_LOAD_H
#define OPS_FLEET_LOAD_H
/*
 * From manifests to instances: which there are to be, and what changes when a manifest does.
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

/* What a new reading would change: [{"name","change":"new"|"gone"|"restart"|"live","fields":[…]}].
 * NULL on failure. */
cJSON *fleet_diff(struct fleet *fleet, struct buf *problems);

/* Makes it so: starts what is new, stops what is gone, restarts what has to be, and touches nothing
 * else. Returns what was changed, as fleet_diff; NULL on failure. */
cJSON *fleet_apply(struct fleet *fleet, struct buf *problems);

/* That many instances from now on. Returns 0, or -EINVAL or -ENOMEM with reterr. */
int fleet_scale(struct fleet *fleet, const char *name, int64_t count, struct err *reterr);

/* All instances of its app are stopped and then gone, until the app is started by name. Returns 0,
 * or -ENOMEM with nothing changed. */
int fleet_delete(struct fleet *fleet, struct instance *instance);

/* Brings back what was deleted: the app of that name, those of that namespace, or "all". It takes
 * effect with the next fleet_load_files. */
void fleet_undelete(struct fleet *fleet, const char *name);

/* The variables that app is started with besides its own, from its next start on: ["NAME=value"],
 * taken. */
int fleet_set_environment(struct fleet *fleet, const char *name, cJSON *variables);

/* The file that app comes from is read with the variables of env_NAME from now on; a script has
 * none. It takes effect with the next fleet_load_files. Returns as source_parse. */
int fleet_set_env_name(struct fleet *fleet, const char *name, const char *env_name,
                       struct buf *problems);

#endif
