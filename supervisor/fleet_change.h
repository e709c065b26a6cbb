#ifndef OPS_FLEET_CHANGE_H
#define OPS_FLEET_CHANGE_H
/*
 * What a new reading of the manifests would change, and changing it; and what people have changed
 * of what the manifests say (`scale`, `delete`, `--env`, `--update-env`), which is kept with them.
 *
 * problems is as in fleet_load.h.
 */
#include "fleet.h"

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
