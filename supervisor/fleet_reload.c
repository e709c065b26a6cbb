/* Reload: of one instance there are two for a while. */
#include "fleet_reload.h"

#include <errno.h>
#include <string.h>

#include "fleet_depends.h"
#include "instant.h"
#include "log.h"
#include "record.h"

/* One that no process of the instance has: those of an earlier reload may still be leaving. */
static int free_variant(const struct fleet *fleet, const struct instance *i)
{
    int variant = i->variant + 1;

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *other = fleet->instances[k];

        if (!other->run && other->number == i->number && other->variant >= variant &&
            strcmp(other->app->name, i->app->name) == 0)
            variant = other->variant + 1;
    }
    return variant;
}

/* Makes the one that is to take over, i->other, and starts it. Without memory there is none. */
static void start_new(struct fleet *fleet, struct instance *i)
{
    struct instance *new = instance_new(fleet, i->generation, i->app, i->number);

    if (!new || fleet_add(fleet, new) < 0) {
        if (new)
            instance_free(new);
        return;
    }
    new->hidden = true;
    new->variant = free_variant(fleet, i);
    new->ticks = i->ticks;
    new->zone = i->zone;
    new->zone_version = i->zone_version;
    i->other = new;
    instance_act(new, machine_start(&new->machine));
}

/* What people know of the old one is the new one's from now on. */
static void swap(struct fleet *fleet, struct instance *old, struct instance *new)
{
    new->id = old->id;
    old->id = fleet->next_id++;
    new->hidden = false;
    old->hidden = true;
    new->machine.wanted = old->machine.wanted;
    new->machine.restarts = old->machine.restarts + 1;
    new->machine.unstable_restarts = old->machine.unstable_restarts;
    new->exits = old->exits;
    new->exit_count = old->exit_count;
    old->exits = NULL;
    old->exit_count = 0;
    new->last_run = old->last_run;
    new->reload = old->reload;
    new->other = old;
    old->other = NULL;
    old->reload = (struct reload){ 0 };
    (void)fleet_resolve(fleet);
    log_info("reloaded", LOG_TEXT("worker", new->app->name), LOG_INT("instance", new->number),
             LOG_INT("pid", new->pid));
}

static void drop_other(struct fleet *fleet, struct instance *i)
{
    struct instance *other = i->other;

    i->other = NULL;
    if (!other)
        return;
    record_gone(other);
    fleet_remove(fleet, other);
}

static void act(struct fleet *fleet, struct instance *i, enum reload_action action, int64_t now_ms)
{
    struct instance *other = i->other;

    switch (action) {
    case RELOAD_DO_NOTHING:
        return;
    case RELOAD_DO_RESTART:
        instance_act(i, machine_restart(&i->machine, i->app, now_ms));
        break;
    case RELOAD_DO_START_NEW:
        start_new(fleet, i);
        break;
    case RELOAD_DO_SWAP:
        swap(fleet, i, other);
        /* Only once that is written down: an opsd that is killed now must not leave one that has
         * to stop in the place of the one that serves. */
        i->stop_asked = true;
        break;
    case RELOAD_DO_PROMOTE:
        swap(fleet, i, other);
        other->other = NULL;
        /* Not removed at once: settle() goes on with it. */
        i->retiring = true;
        if (!other->machine.wanted)
            instance_act(other, machine_stop(&other->machine, other->app, now_ms));
        break;
    case RELOAD_DO_STOP_NEW:
        instance_act(other, machine_stop(&other->machine, other->app, now_ms));
        break;
    case RELOAD_DO_DROP_NEW:
    case RELOAD_DO_DROP_OLD:
        drop_other(fleet, i);
        break;
    }
    fleet_touch(fleet);
}

int fleet_reload_instance(struct fleet *fleet, struct instance *i, struct err *reterr)
{
    enum reload_action action = RELOAD_DO_NOTHING;
    int r;

    r = reload_begin(&i->reload, i->app, &i->machine, &action, reterr);
    if (r < 0)
        return r;
    act(fleet, i, action, (int64_t)monotonic_now_ms());
    if (action == RELOAD_DO_START_NEW && !i->other) {
        i->reload = (struct reload){ 0 };
        return err_set(reterr, -ENOMEM, "out of memory");
    }
    return 0;
}

void fleet_settle_reload(struct fleet *fleet, struct instance *i, int64_t now_ms)
{
    const struct machine *old = &i->machine, *new = i->other ? &i->other->machine : NULL;
    enum reload_action action;

    if (i->reload.phase == RELOAD_NONE || !new)
        return;
    if (i->reload.phase == RELOAD_RETIRING) {
        old = new;
        new = &i->machine;
    }
    action = reload_settle(&i->reload, i->app, old, new, now_ms);
    act(fleet, i, action, now_ms);
    if (i->reload.result == RELOAD_FAILED && action == RELOAD_DO_DROP_NEW)
        log_warn("not reloaded; the old process serves on", LOG_TEXT("worker", i->app->name),
                 LOG_TEXT("why", i->reload.why.text));
}
