#ifndef OPS_FLEET_RELOAD_H
#define OPS_FLEET_RELOAD_H
/*
 * Reload: of one instance there are two for a while. reload.h decides, this acts.
 */
#include "fleet.h"

/* Begins. Returns 0, or -EBUSY ("reload in progress") or -ENOMEM with reterr. instance->reload
 * tells how it goes; the instance that takes over gets that, too, with the id. */
int fleet_reload_instance(struct fleet *fleet, struct instance *instance, struct err *reterr);

/* Goes on with it; once a turn. May remove other instances from the list, but not this one. */
void fleet_settle_reload(struct fleet *fleet, struct instance *instance, int64_t now_ms);

#endif
