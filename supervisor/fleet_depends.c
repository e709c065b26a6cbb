/* Which instances each instance depends on, and whether they are as it needs them. */
#include "fleet_depends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- from names to instances */

static bool is_named(const struct instance *i, const struct dependency *dependency)
{
    return instance_is_member(i) && strcmp(i->app->name, dependency->name) == 0;
}

static size_t count_named(const struct fleet *fleet, const struct dependency *dependency)
{
    size_t count = 0;

    for (size_t i = 0; i < fleet->count; i++)
        count += is_named(fleet->instances[i], dependency);
    return count;
}

static void drop_needs(struct instance *i)
{
    free(i->needs);
    i->needs = NULL;
    i->needs_count = 0;
}

void fleet_forget_needs(struct instance *i)
{
    drop_needs(i);
    i->blocked = NULL;
}

static int resolve(struct fleet *fleet, struct instance *instance)
{
    const struct app *app = instance->app;
    size_t count = 0;

    drop_needs(instance);
    for (size_t d = 0; d < app->depends_count; d++)
        count += count_named(fleet, &app->depends_on[d]);
    if (!count)
        return 0;
    instance->needs = calloc(count, sizeof *instance->needs);
    if (!instance->needs)
        return -ENOMEM;
    for (size_t d = 0; d < app->depends_count; d++)
        for (size_t i = 0; i < fleet->count; i++)
            if (is_named(fleet->instances[i], &app->depends_on[d]))
                instance->needs[instance->needs_count++] = (struct need){ fleet->instances[i],
                                                                          &app->depends_on[d] };
    return 0;
}

/* Also after a failure: no need may point to an instance that is gone. */
int fleet_resolve(struct fleet *fleet)
{
    int r = 0;

    for (size_t i = 0; i < fleet->count; i++)
        if (resolve(fleet, fleet->instances[i]) < 0)
            r = -ENOMEM;
    renew_loaded(fleet);
    return r;
}

/* --- whether they are as needed */

static bool is_met(const struct need *need)
{
    const struct machine *m = &need->instance->machine;

    switch (need->dependency->condition) {
    case DEPENDENCY_COMPLETED:
        return m->completed;
    case DEPENDENCY_STARTED:
        return m->state == STATE_LAUNCHING || m->state == STATE_ONLINE || m->completed;
    default:
        return (m->state == STATE_ONLINE && m->ready) || m->state == STATE_SCHEDULED ||
               m->completed;
    }
}

/* It was stopped, is about to be, or is held itself for what it depends on; unless it had done its
 * work anyway. */
static bool is_lost(const struct need *need)
{
    const struct instance *i = need->instance;
    bool taken_away = i->stop_asked || !i->machine.wanted || i->held;

    return need->dependency->condition != DEPENDENCY_COMPLETED && taken_away &&
           !i->machine.completed;
}

static bool is_unmet(const struct need *need)
{
    return !is_met(need) || is_lost(need);
}

bool fleet_dependency_met(const struct instance *i, size_t d)
{
    for (size_t n = 0; n < i->needs_count; n++)
        if (i->needs[n].dependency == &i->app->depends_on[d] && is_unmet(&i->needs[n]))
            return false;
    return true;
}

static const char *first_need(const struct instance *i, bool (*test)(const struct need *need))
{
    for (size_t n = 0; n < i->needs_count; n++)
        if (test(&i->needs[n]))
            return i->needs[n].dependency->name;
    return NULL;
}

const char *fleet_unmet_need(const struct instance *i)
{
    return first_need(i, is_unmet);
}

const char *fleet_lost_need(const struct instance *i)
{
    return first_need(i, is_lost);
}

const char *fleet_replaced_need(const struct instance *i)
{
    for (size_t n = 0; n < i->needs_count; n++) {
        const struct need *need = &i->needs[n];

        if (need->dependency->restart &&
            (!is_met(need) || machine_outlived(&i->machine, &need->instance->machine)))
            return need->dependency->name;
    }
    return NULL;
}

static bool depends_on(const struct instance *i, const struct instance *other)
{
    for (size_t n = 0; n < i->needs_count; n++)
        if (i->needs[n].instance == other &&
            i->needs[n].dependency->condition != DEPENDENCY_COMPLETED)
            return true;
    return false;
}

bool fleet_has_running_dependents(const struct fleet *fleet, const struct instance *instance)
{
    for (size_t k = 0; k < fleet->count; k++)
        if (machine_runs(&fleet->instances[k]->machine) &&
            depends_on(fleet->instances[k], instance))
            return true;
    return false;
}
