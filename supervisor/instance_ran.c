/* What the present process of an instance was started with. */
#include "instance_ran.h"

#include "fleet.h"

static void set(struct instance *i, struct generation *generation, const struct app *app)
{
    generation_unref(i->ran_generation);
    i->ran_generation = generation_ref(generation);
    i->ran = app;
    i->ran_reading = generation->reading;
}

void instance_ran_begin(struct instance *i)
{
    set(i, i->generation, i->app);
}

void instance_ran_adopt(struct instance *i)
{
    const struct app *app;

    for (struct fleet_source *s = i->fleet->sources.past; s; s = s->next) {
        app = source_find(s, i->app->name);
        if (app && s->generation->reading == i->ran_reading &&
            i->generation->reading != i->ran_reading) {
            set(i, s->generation, app);
            return;
        }
    }
    instance_ran_begin(i);
}

void instance_ran_end(struct instance *i)
{
    /* The home keeps that reading for as long as somebody runs by it. */
    i->fleet->sources.prune |= i->ran_generation != i->generation;
    generation_unref(i->ran_generation);
    i->ran_generation = NULL;
    i->ran = NULL;
    i->ran_reading = 0;
}
