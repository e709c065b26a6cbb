/* All instances, the manifest they come from, and the clocks that drive them. */
#include "fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "file.h"
#include "instant.h"
#include "manifest_file.h"
#include "text.h"

double fleet_chance(void)
{
    uint32_t bits = 0;

    (void)!getrandom(&bits, sizeof bits, GRND_NONBLOCK);
    return bits / 4294967296.0;
}

void generation_unref(struct generation *generation)
{
    if (!generation || --generation->references > 0)
        return;
    manifest_free(&generation->manifest);
    free(generation);
}

static void clock_ready(uv_poll_t *poll, int status, int events)
{
    struct fleet *fleet = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    /* ECANCELED: somebody set the wall clock. Ticks are counted anew from the new time, so that a
     * jump causes no burst and no gap. */
    if (read(fleet->clock_fd, &times, sizeof times) < 0 && errno == ECANCELED)
        for (size_t i = 0; i < fleet->count; i++)
            if (fleet->instances[i]->next_tick)
                instance_plan(fleet->instances[i], instant_now());
    fleet_touch(fleet);
}

static int open_clock(struct fleet *fleet)
{
    int r;

    fleet->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fleet->clock_fd < 0)
        return -errno;
    r = uv_poll_init(fleet->loop, &fleet->clock_poll, fleet->clock_fd);
    if (r < 0)
        return r;
    fleet->clock_poll.data = fleet;
    return uv_poll_start(&fleet->clock_poll, UV_READABLE, clock_ready);
}

static int make_folders(struct fleet *fleet, struct err *reterr)
{
    const char *slash;
    int r;

    if (asprintf(&fleet->folder, "%s/run", fleet->home->path) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    slash = fleet->home->manifest ? strrchr(fleet->home->manifest, '/') : NULL;
    r = slash ? asprintf(&fleet->log_folder, "%.*s/logs", (int)(slash - fleet->home->manifest),
                         fleet->home->manifest)
              : asprintf(&fleet->log_folder, "%s/logs", fleet->home->path);
    if (r < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = file_make_dirs(fleet->folder, 0700);
    return r < 0 ? err_set(reterr, r, "cannot make %s: %s", fleet->folder, strerror(-r)) : 0;
}

int fleet_init(struct fleet *fleet, uv_loop_t *loop, struct home *home, struct err *reterr)
{
    int r;

    *fleet = (struct fleet){ .loop = loop, .home = home, .clock_fd = -1 };
    fleet->started_ms = (int64_t)monotonic_now_ms();
    r = make_folders(fleet, reterr);
    if (r < 0)
        return r;
    (void)uv_timer_init(loop, &fleet->timer);
    fleet->timer.data = fleet;
    r = pump_init(&fleet->pump, loop);
    if (r == 0)
        r = open_clock(fleet);
    return r < 0 ? err_set(reterr, r, "cannot set up the loop: %s", strerror(-r)) : 0;
}

void fleet_close(struct fleet *fleet)
{
    pump_close(&fleet->pump);
    uv_close((uv_handle_t *)&fleet->timer, NULL);
    uv_close((uv_handle_t *)&fleet->clock_poll, NULL);
    (void)close(fleet->clock_fd);
    generation_unref(fleet->generation);
    free(fleet->instances);
    free(fleet->folder);
    free(fleet->log_folder);
}

int fleet_add(struct fleet *fleet, struct instance *instance)
{
    struct instance **list;

    if (fleet->count == fleet->room) {
        list = realloc(fleet->instances, (fleet->room * 2 + 16) * sizeof(void *));
        if (!list)
            return -ENOMEM;
        fleet->instances = list;
        fleet->room = fleet->room * 2 + 16;
    }
    fleet->instances[fleet->count++] = instance;
    return 0;
}

void fleet_remove(struct fleet *fleet, struct instance *instance)
{
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->instances[i] != instance)
            continue;
        memmove(&fleet->instances[i], &fleet->instances[i + 1],
                (--fleet->count - i) * sizeof(void *));
        instance_free(instance);
        return;
    }
}

void fleet_touch(struct fleet *fleet)
{
    fleet->dirty = true;
}

void fleet_leave(struct fleet *fleet)
{
    fleet->leaving = true;
    for (size_t i = 0; i < fleet->count; i++)
        fleet->instances[i]->stop_asked = true;
    fleet_touch(fleet);
}

bool fleet_selects(const char *name, const struct instance *instance)
{
    size_t n = strlen(instance->app->name);
    int64_t number;

    if (instance->run)
        return false;
    if (strcmp(name, "all") == 0 || strcmp(name, instance->app->name) == 0 ||
        strcmp(name, instance->app->space) == 0)
        return true;
    if (text_to_int(name, 0, INT32_MAX, &number) == 0)
        return number == instance->id;
    return strncmp(name, instance->app->name, n) == 0 && name[n] == ':' &&
           text_to_int(name + n + 1, 0, INT32_MAX, &number) == 0 && number == instance->number;
}

struct instance *fleet_find(const struct fleet *fleet, const char *name)
{
    struct instance *found = NULL, *i;

    for (size_t k = 0; k < fleet->count; k++) {
        i = fleet->instances[k];
        if (!i->run && strcmp(i->app->name, name) == 0 && (!found || i->number < found->number))
            found = i;
    }
    return found;
}

/* --- reading the manifest */

static int read_manifest(struct fleet *fleet, struct manifest *ret, struct buf *problems)
{
    if (fleet->home->manifest)
        return manifest_load(fleet->home->manifest, ret, problems);
    (void)buf_printf(problems, "no ecosystem.json here or above; name one with --manifest\n");
    return -ENOENT;
}

/* Gives a present instance its app in the new generation. */
static void adopt(struct instance *instance, struct generation *generation, const struct app *app)
{
    generation->references++;
    generation_unref(instance->generation);
    instance->generation = generation;
    instance->app = app;
    free(instance->needs);
    instance->needs = NULL;
    instance->blocked = NULL;
}

static struct instance *find_member(struct fleet *fleet, const char *name, int number)
{
    for (size_t i = 0; i < fleet->count; i++)
        if (!fleet->instances[i]->run && fleet->instances[i]->number == number &&
            strcmp(fleet->instances[i]->app->name, name) == 0)
            return fleet->instances[i];
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* A tick that is due but not begun must survive another reading of the same schedule. */
static bool same_schedule(const struct app *a, const struct app *b)
{
    return a->scheduled == b->scheduled && same_text(a->schedule_text, b->schedule_text) &&
           same_text(a->timezone, b->timezone);
}

static int take_app(struct fleet *fleet, struct generation *generation, const struct app *app)
{
    struct instance *instance;

    for (int number = 0; number < instance_count(app); number++) {
        instance = find_member(fleet, app->name, number);
        if (instance) {
            if (!same_schedule(instance->app, app))
                instance->next_tick = instance->next_due = 0;
            adopt(instance, generation, app);
        } else {
            instance = instance_new(fleet, generation, app, number);
            if (!instance || fleet_add(fleet, instance) < 0)
                return -ENOMEM;
        }
        if (app->scheduled)
            (void)zone_open(app->timezone, &instance->zone, NULL);
    }
    return 0;
}

/* Turns the names in depends_on into lists of instances. */
static int resolve_needs(struct fleet *fleet, struct instance *instance)
{
    const struct app *app = instance->app;
    size_t n = 0;

    free(instance->needs);
    instance->needs = NULL;
    if (!app->depends_count)
        return 0;
    for (size_t d = 0; d < app->depends_count; d++, n++)
        for (size_t i = 0; i < fleet->count; i++)
            n += strcmp(fleet->instances[i]->app->name, app->depends_on[d].name) == 0;
    instance->needs = calloc(n, sizeof(void *));
    if (!instance->needs)
        return -ENOMEM;
    n = 0;
    for (size_t d = 0; d < app->depends_count; d++, n++)
        for (size_t i = 0; i < fleet->count; i++)
            if (!fleet->instances[i]->run &&
                strcmp(fleet->instances[i]->app->name, app->depends_on[d].name) == 0)
                instance->needs[n++] = fleet->instances[i];
    return 0;
}

int fleet_load(struct fleet *fleet, struct buf *problems)
{
    struct generation *generation = calloc(1, sizeof *generation);
    int r;

    if (!generation)
        return -ENOMEM;
    r = read_manifest(fleet, &generation->manifest, problems);
    if (r < 0) {
        free(generation);
        return r;
    }
    generation->references = 1;
    for (size_t a = 0; a < generation->manifest.count && r == 0; a++)
        r = take_app(fleet, generation, &generation->manifest.apps[a]);
    for (size_t i = 0; i < fleet->count && r == 0; i++)
        r = resolve_needs(fleet, fleet->instances[i]);
    generation_unref(fleet->generation);
    fleet->generation = generation;
    fleet_touch(fleet);
    return r;
}

struct instance *fleet_run(struct fleet *fleet, const struct app *app, struct run *run)
{
    struct instance *instance = instance_new(fleet, fleet->generation, app, 0);

    if (!instance)
        return NULL;
    instance->run = run;
    if (fleet_add(fleet, instance) < 0) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}
