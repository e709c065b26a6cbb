/* Restarts for reasons of opsd's own. */
#include "renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "instance_files.h"
#include "instant.h"
#include "log.h"
#include "own.h"
#include "path.h"
#include "pid_file.h"
#include "text.h"
#include "tree_usage.h"
#include "watcher.h"

enum {
    /* PM2 looks every 30 s; a leak that takes a machine down may be quicker. */
    SAMPLE_MS = 5000,
};

/* It is, or is to be, up, and nobody is about to change that. */
static bool is_to_be_up(const struct instance *i)
{
    return i->machine.wanted && !i->stop_asked && !i->held && instance_is_member(i);
}

/* Restarts what runs; starts what ended, or was given up, although it is wanted. */
static void renew(struct instance *i, int64_t now_ms, const char *why)
{
    enum state state = i->machine.state;

    if (state == STATE_LAUNCHING || state == STATE_ONLINE)
        instance_act(i, machine_renew(&i->machine, i->app, now_ms, why));
    else if (state == STATE_ERRORED || state == STATE_BACKOFF || state == STATE_STOPPED)
        instance_act(i, machine_start(&i->machine));
    else
        return;
    log_info("restarted", LOG_TEXT("worker", i->app->name), LOG_INT("instance", i->number),
             LOG_TEXT("why", why));
    fleet_touch(i->fleet);
}

/* --- cron_restart */

static bool has_cron(const struct instance *i)
{
    return i->app->cron_restart_text && !i->app->scheduled && instance_is_member(i);
}

static bool find_rule(const struct instance *i, struct tick_rule *ret)
{
    *ret = (struct tick_rule){ .cron = &i->app->cron_restart };
    return zone_open(i->app->timezone, &ret->zone, NULL) == 0;
}

/* What came due while the machine slept or opsd was away is not made up for. */
static void look_at_cron(struct instance *i, int64_t now_ms, int64_t wall)
{
    struct ticks *ticks = &i->renewal.cron;
    struct tick_rule rule;
    int64_t tick;

    if (!has_cron(i) || !i->machine.wanted) {
        ticks->next = ticks->due = 0;
        return;
    }
    if (ticks->due > wall || !find_rule(i, &rule))
        return;
    if (!ticks->next) {
        ticks_plan(ticks, &rule, wall);
    } else if (ticks_take(ticks, &rule, wall, &tick) == TICKS_DUE && is_to_be_up(i)) {
        ticks_begin(ticks, tick);
        renew(i, now_ms, "cron_restart");
    }
}

void renew_clock_set(struct instance *i)
{
    struct tick_rule rule;

    if (i->renewal.cron.next && find_rule(i, &rule))
        ticks_clock_set(&i->renewal.cron, &rule, instant_now());
}

int64_t renew_next_cron(const struct instance *i)
{
    return i->machine.wanted && has_cron(i) ? i->renewal.cron.due : 0;
}

void renew_follow(struct instance *i, const struct app *app)
{
    if (!text_same(i->app->cron_restart_text, app->cron_restart_text) ||
        !text_same(i->app->timezone, app->timezone))
        i->renewal.cron.next = i->renewal.cron.due = 0;
}

/* --- watch */

/* A process that was begun after the change has it. */
static void look_at_changes(struct instance *i, int64_t now_ms)
{
    struct renewal *renewal = &i->renewal;
    char why[RENEW_PATH_MAX + sizeof " changed"];
    bool is_new = renewal->changed_ms >= i->machine.begun_ms;

    if (!renewal->changed_ms)
        return;
    renewal->changed_ms = 0;
    (void)snprintf(why, sizeof why, "%s changed", renewal->changed);
    if (is_new && is_to_be_up(i))
        renew(i, now_ms, why);
}

static void changed(void *owner, const char *name, const char *path, int64_t seen_ms)
{
    struct fleet *fleet = owner;

    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];
        const char *below = path_below(path, i->app->cwd);

        if (!instance_is_member(i) || strcmp(i->app->name, name) != 0)
            continue;
        i->renewal.changed_ms = seen_ms;
        (void)snprintf(i->renewal.changed, sizeof i->renewal.changed, "%s",
                       below && *below ? below : path);
    }
    fleet_touch(fleet);
}

void renew_loaded(struct fleet *fleet)
{
    fleet->renewer.stale = true;
    fleet_touch(fleet);
}

/* Each app once. Returns how many there are. */
static size_t list_watched(const struct fleet *fleet, const struct app **apps)
{
    size_t count = 0;

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (instance_is_member(i) && watcher_wants(i->app) && fleet_find(fleet, i->app->name) == i)
            apps[count++] = i->app;
    }
    return count;
}

static int list_own(const struct fleet *fleet, struct own_files *own)
{
    int r = own_files_add_folder(own, fleet->home->path);

    if (r == 0)
        r = own_files_add_folder(own, fleet->log_folder);
    for (size_t k = 0; k < fleet->count && r == 0; k++) {
        const struct app *app = fleet->instances[k]->app;
        OWN(free) char *pid_file = pid_file_path(fleet->instances[k]);
        const char *const files[] = { app->out_file, app->error_file, app->log_file, pid_file };

        for (size_t n = 0; n < sizeof files / sizeof *files && r == 0; n++)
            r = own_files_add(own, files[n]);
    }
    return r;
}

static int watch(struct fleet *fleet, const struct app *const *apps, size_t count)
{
    struct watcher **watcher = &fleet->renewer.watcher;
    struct own_files own = { 0 };
    int r = 0;

    if (!*watcher)
        r = watcher_open(fleet->loop, changed, fleet, watcher);
    if (r == 0)
        r = list_own(fleet, &own);
    if (r == 0)
        r = watcher_set(*watcher, apps, count, &own);
    own_files_done(&own);
    return r;
}

static void watch_again(struct fleet *fleet)
{
    OWN(free) const struct app **apps = calloc(fleet->count + 1, sizeof(void *));
    size_t count = apps ? list_watched(fleet, apps) : 0;
    int r = apps ? 0 : -ENOMEM;

    fleet->renewer.stale = false;
    if (count)
        r = watch(fleet, apps, count);
    else
        watcher_close(&fleet->renewer.watcher);
    if (r < 0)
        log_error("cannot watch files; nothing is restarted when they change",
                  LOG_TEXT("why", strerror(-r)));
}

/* --- max_memory_restart */

static bool has_limit(const struct instance *i)
{
    return i->app->max_memory && instance_is_member(i) && i->machine.state == STATE_ONLINE &&
           i->keeper_pid;
}

static size_t count_limited(const struct fleet *fleet)
{
    size_t count = 0;

    for (size_t k = 0; k < fleet->count; k++)
        count += has_limit(fleet->instances[k]);
    return count;
}

static void note_memory(struct instance *i, int64_t bytes)
{
    i->renewal.memory_bytes = bytes;
    i->renewal.looked = true;
}

/* By its control group, where those count memory. */
static bool sample_group(struct instance *i)
{
    OWN(free) char *file = instance_file_name(i);
    struct cgroup_usage usage = { .memory_bytes = -1 };

    if (file)
        cgroup_usage(&i->fleet->cgroups, file, &usage);
    if (usage.memory_bytes >= 0)
        note_memory(i, usage.memory_bytes);
    return usage.memory_bytes >= 0;
}

/* Those of which no group knows: all of them by one look at all processes. */
static void sample(struct fleet *fleet, size_t count)
{
    OWN(free) struct tree_usage *trees = calloc(count, sizeof *trees);
    OWN(free) struct instance **whose = calloc(count, sizeof(void *));
    size_t n = 0;

    for (size_t k = 0; k < fleet->count && trees && whose; k++) {
        struct instance *i = fleet->instances[k];

        if (!has_limit(i) || sample_group(i))
            continue;
        whose[n] = i;
        trees[n++].root = i->keeper_pid;
    }
    /* Without memory for it, the next time tells. */
    if (!n || tree_usage(trees, n) < 0)
        return;
    while (n--)
        note_memory(whose[n], trees[n].memory_bytes);
}

void renew_begin(struct fleet *fleet, int64_t now_ms)
{
    struct renewer *renewer = &fleet->renewer;
    size_t count = count_limited(fleet);

    if (renewer->stale)
        watch_again(fleet);
    if (count && renewer->next_sample_ms && renewer->next_sample_ms <= now_ms)
        sample(fleet, count);
    if (!count)
        renewer->next_sample_ms = 0;
    else if (renewer->next_sample_ms <= now_ms)
        renewer->next_sample_ms = now_ms + SAMPLE_MS;
}

int64_t renew_next(const struct fleet *fleet)
{
    return fleet->renewer.next_sample_ms;
}

static void explain(int64_t bytes, int64_t limit, char *why, size_t n)
{
    bool large = limit >= 10 << 20;
    int64_t unit = large ? 1 << 20 : 1 << 10;
    const char *name = large ? "MB" : "kB";

    /* Rounded up, so that the two never look the same. */
    (void)snprintf(why, n, "its memory was %lld %s, more than max_memory_restart (%lld %s)",
                   (long long)((bytes + unit - 1) / unit), name, (long long)(limit / unit), name);
}

static void look_at_memory(struct instance *i, int64_t now_ms)
{
    struct renewal *renewal = &i->renewal;
    char why[128];

    if (renewal->memory_begun_ms != i->machine.begun_ms) {
        renewal->memory = (struct memory_limit){ 0 };
        renewal->memory_begun_ms = i->machine.begun_ms;
    }
    if (!renewal->looked)
        return;
    renewal->looked = false;
    if (!memory_limit_look(&renewal->memory, renewal->memory_bytes, i->app->max_memory) ||
        !is_to_be_up(i))
        return;
    explain(renewal->memory_bytes, i->app->max_memory, why, sizeof why);
    renew(i, now_ms, why);
}

void renew_look(struct instance *i, int64_t now_ms, int64_t wall)
{
    look_at_changes(i, now_ms);
    look_at_memory(i, now_ms);
    look_at_cron(i, now_ms, wall);
}

void renew_close(struct fleet *fleet)
{
    watcher_close(&fleet->renewer.watcher);
}
