/* Putting a new process in the place of one that serves. */
#include "reload.h"

#include <errno.h>
#include <stddef.h>

/* What there is to look at. */
struct sight {
    const struct app *app;
    const struct machine *old, *new;
    int64_t now_ms;
};

int64_t reload_proven_at(const struct app *app, const struct machine *new)
{
    return new->started_ms + (app->ready == READY_AT_ONCE ? app->restart.min_uptime_ms : 0);
}

static bool new_is_proven(const struct sight *s)
{
    return s->new->state == STATE_ONLINE && s->now_ms >= reload_proven_at(s->app, s->new);
}

static bool old_is_gone(const struct sight *s)
{
    return !machine_runs(s->old);
}

static bool old_leaves(const struct sight *s)
{
    return s->old->state == STATE_STOPPING;
}

/* One that waits is still to be started. */
static bool new_is_gone(const struct sight *s)
{
    return !machine_runs(s->new) && s->new->state != STATE_WAITING;
}

static bool new_leaves(const struct sight *s)
{
    return s->new->state == STATE_STOPPING;
}

/* The first row of the present phase that holds. */
/* clang-format off */
static const struct rule {
    enum reload_phase phase;
    bool (*holds)(const struct sight *s);
    enum reload_phase next;
    enum reload_action action;
    enum reload_result result;
    const char *why;
} rules[] = {
    { RELOAD_TRYING, new_is_proven, RELOAD_RETIRING, RELOAD_DO_SWAP, RELOAD_UNDER_WAY, NULL },
    { RELOAD_TRYING, new_is_gone, RELOAD_NONE, RELOAD_DO_DROP_NEW, RELOAD_FAILED,
      "the new process ended before it was ready" },
    { RELOAD_TRYING, new_leaves, RELOAD_CLEARING, RELOAD_DO_STOP_NEW, RELOAD_FAILED,
      "the new process did not get ready" },
    { RELOAD_TRYING, old_is_gone, RELOAD_NONE, RELOAD_DO_PROMOTE, RELOAD_FAILED,
      "the old process ended before the new one was ready, which takes its place" },
    { RELOAD_TRYING, old_leaves, RELOAD_CLEARING, RELOAD_DO_STOP_NEW, RELOAD_FAILED,
      "the old process was stopped before the new one was ready" },
    { RELOAD_RETIRING, old_is_gone, RELOAD_NONE, RELOAD_DO_DROP_OLD, RELOAD_DONE, NULL },
    { RELOAD_CLEARING, new_is_gone, RELOAD_NONE, RELOAD_DO_DROP_NEW, RELOAD_FAILED, NULL },
};
/* clang-format on */

int reload_begin(struct reload *reload, const struct app *app, const struct machine *old,
                 enum reload_action *ret, struct err *reterr)
{
    if (reload->phase != RELOAD_NONE)
        return err_set(reterr, -EBUSY, "%s: reload in progress", app->name);
    *reload = (struct reload){ .result = RELOAD_DONE };
    *ret = RELOAD_DO_RESTART;
    if (old->state != STATE_ONLINE || app->scheduled)
        return 0;
    reload->phase = RELOAD_TRYING;
    reload->result = RELOAD_UNDER_WAY;
    *ret = RELOAD_DO_START_NEW;
    return 0;
}

static enum reload_action take(struct reload *reload, const struct rule *rule,
                               const struct sight *s)
{
    const char *said = s->new->reason.text;

    reload->phase = rule->next;
    reload->result = rule->result;
    reload->due_ms = 0;
    if (rule->why)
        (void)err_set(&reload->why, 0, "%s%s%.300s", rule->why, said[0] ? ": " : "", said);
    return rule->action;
}

enum reload_action reload_settle(struct reload *reload, const struct app *app,
                                 const struct machine *old, const struct machine *new,
                                 int64_t now_ms)
{
    const struct sight s = { app, old, new, now_ms };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].phase == reload->phase && rules[i].holds(&s))
            return take(reload, &rules[i], &s);
    reload->due_ms = reload->phase == RELOAD_TRYING && new->state == STATE_ONLINE
                         ? reload_proven_at(app, new)
                         : 0;
    return RELOAD_DO_NOTHING;
}
