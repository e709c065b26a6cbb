#ifndef OPS_FLEET_DEPENDS_H
#define OPS_FLEET_DEPENDS_H
/*
 * Which instances each instance depends on (`depends_on`), and whether they are as it needs them.
 *
 * A need is taken away when somebody stops the worker, or when what that depends on is taken away.
 * A crash or a restart takes nothing away.
 */
#include "fleet.h"

/* One instance of a worker that another one depends on. */
struct need {
    struct instance *instance;
    const struct dependency *dependency; /* of the dependent's app */
};

/* Finds the needs of every instance; to be called whenever instances came, went or changed places.
 * Returns 0, or -ENOMEM when some were left without. */
int fleet_resolve(struct fleet *fleet);

/* Forgets those of one instance: its app is about to be another one, or it goes. */
void fleet_forget_needs(struct instance *instance);

/* Whether the condition of the app's d-th dependency holds. */
bool fleet_dependency_met(const struct instance *instance, size_t d);

/* The name of the first need for which it is so; NULL: of none. */
const char *fleet_unmet_need(const struct instance *instance);
const char *fleet_lost_need(const struct instance *instance); /* it was taken away */

/* The same for needs with "restart": true: gone, or served by another process than the one that was
 * there when this instance's process was begun. */
const char *fleet_replaced_need(const struct instance *instance);

/* Whether something runs that needs the instance to be there. */
bool fleet_has_running_dependents(const struct fleet *fleet, const struct instance *instance);

#endif
