/* All instances, the manifest they come from, and the clocks that drive them. */
#include "fleet_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "guard_link.h"
#include "instance_logs.h"
#include "instant.h"
#include "json.h"
#include "log.h"
#include "record.h"
#include "schedule.h"
#include "text.h"

/* A journal that could not be written is tried again this often. */
enum { JOURNAL_AGAIN_MS = 1000 };

double fleet_chance(void)
{
    uint32_t bits = 0;

    (void)!getrandom(&bits, sizeof bits, GRND_NONBLOCK);
    return bits / 4294967296.0;
}

void fleet_clock_set(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        schedule_clock_set(fleet->instances[i]);
        renew_clock_set(fleet->instances[i]);
    }
    fleet_touch(fleet);
}

static void clock_ready(uv_poll_t *poll, int status, int events)
{
    struct fleet *fleet = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    if (read(fleet->clock_fd, &times, sizeof times) < 0 && errno == ECANCELED)
        fleet_clock_set(fleet);
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

int fleet_find_log_folder(struct fleet *fleet)
{
    const char *manifest = fleet->home->manifest, *slash = manifest ? strrchr(manifest, '/') : NULL;
    char *folder;
    int r;

    r = slash ? asprintf(&folder, "%.*s/logs", (int)(slash - manifest), manifest)
              : asprintf(&folder, "%s/logs", fleet->home->path);
    if (r < 0)
        return -ENOMEM;
    free(fleet->log_folder);
    fleet->log_folder = folder;
    return 0;
}

int fleet_init(struct fleet *fleet, uv_loop_t *loop, struct home *home, struct err *reterr)
{
    int r;

    *fleet = (struct fleet){ .loop = loop, .home = home, .clock_fd = -1, .journal = { .fd = -1 } };
    fleet->started_ms = (int64_t)monotonic_now_ms();
    r = fleet_find_log_folder(fleet);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    (void)uv_timer_init(loop, &fleet->timer);
    fleet->timer.data = fleet;
    r = pump_init(&fleet->pump, loop, home->fd);
    fleet->pump.sinks.owner = fleet;
    fleet->pump.sinks.rotated = instance_log_rotated;
    fleet->keepers.changed = instance_reported;
    if (r == 0)
        r = keepers_init(&fleet->keepers, loop, home->fd);
    if (r < 0)
        return err_set(reterr, r, "cannot live in %s: %s", home->path, strerror(-r));
    cgroups_open(&fleet->cgroups, home->fd);
    r = open_clock(fleet);
    return r < 0 ? err_set(reterr, r, "cannot set up the loop: %s", strerror(-r)) : 0;
}

void fleet_close(struct fleet *fleet)
{
    pump_close(&fleet->pump);
    renew_close(fleet);
    uv_close((uv_handle_t *)&fleet->timer, NULL);
    uv_close((uv_handle_t *)&fleet->clock_poll, NULL);
    (void)close(fleet->clock_fd);
    keepers_close(&fleet->keepers);
    cgroups_close(&fleet->cgroups, fleet->home->fd);
    listen_close(&fleet->listeners, fleet->leaving);
    journal_close(&fleet->journal);
    events_done(&fleet->events);
    sources_done(&fleet->sources);
    free(fleet->instances);
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
    events_gone(&fleet->events, instance);
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->instances[i] != instance)
            continue;
        memmove(&fleet->instances[i], &fleet->instances[i + 1],
                (--fleet->count - i) * sizeof(void *));
        break;
    }
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->instances[i]->other == instance)
            fleet->instances[i]->other = NULL;
    instance_free(instance);
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

static bool is_from(const struct instance *instance, const char *path)
{
    const struct fleet_source *source = sources_of(&instance->fleet->sources, instance->app->name);

    return source && text_same(source->path, path);
}

bool fleet_selects(const char *name, const struct instance *instance)
{
    size_t n = strlen(instance->app->name);
    int64_t number;

    if (!instance_is_member(instance))
        return false;
    if (strcmp(name, "all") == 0 || strcmp(name, instance->app->name) == 0 ||
        strcmp(name, instance->app->space) == 0)
        return true;
    if (name[0] == '/')
        return is_from(instance, name);
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
        if (instance_is_member(i) && strcmp(i->app->name, name) == 0 &&
            (!found || i->number < found->number))
            found = i;
    }
    return found;
}

struct instance *fleet_present_among(const struct fleet *fleet, size_t n, const char *name,
                                     int number)
{
    for (size_t k = 0; k < n; k++) {
        struct instance *i = fleet->instances[k];

        if (!i->run && !i->hidden && i->number == number && strcmp(i->app->name, name) == 0)
            return i;
    }
    return NULL;
}

struct instance *fleet_present(const struct fleet *fleet, const char *name, int number)
{
    return fleet_present_among(fleet, fleet->count, name, number);
}

struct instance *fleet_member(const struct fleet *fleet, const char *name, int number)
{
    struct instance *i = fleet_present(fleet, name, number);

    return i && instance_is_member(i) ? i : NULL;
}

static cJSON *left_line(void)
{
    cJSON *line = cJSON_CreateObject();

    (void)json_put_bool(line, "left", true);
    return line;
}

/* All that there is to say. */
static void add_records(struct journal *journal, void *context)
{
    const struct fleet *fleet = context;

    for (size_t i = 0; i < fleet->count; i++) {
        (void)record_changed(fleet->instances[i]);
        journal_add(journal, record_print(fleet->instances[i], true));
    }
    if (fleet->left)
        journal_add(journal, left_line());
}

int fleet_open_journal(struct fleet *fleet)
{
    return journal_begin(&fleet->journal, fleet->home->fd, fleet->started_ms, add_records, fleet);
}

static void write_down(struct fleet *fleet, struct instance *instance)
{
    if (record_changed(instance))
        journal_add(&fleet->journal, record_print(instance, false));
}

/* What was written down may happen. */
static void go_ahead(struct fleet *fleet)
{
    journal_flush(&fleet->journal, add_records, fleet);
    if (fleet->journal.failing)
        fleet->look_again_ms = (int64_t)monotonic_now_ms() + JOURNAL_AGAIN_MS;
    if (fleet->link)
        guard_link_flush(fleet->link);
    if (keepers_go(&fleet->keepers))
        fleet->look_again_ms = (int64_t)monotonic_now_ms() + KEEPERS_TURN_MS;
}

void fleet_commit(struct fleet *fleet)
{
    if (!fleet->recovered)
        return;
    for (size_t i = 0; i < fleet->count; i++)
        write_down(fleet, fleet->instances[i]);
    go_ahead(fleet);
}

void fleet_commit_starts(struct fleet *fleet)
{
    unsigned waiting = fleet->keepers.waiting;

    for (const struct keeper *k = fleet->keepers.first; k && waiting; k = k->next) {
        if (k->go_fd < 0)
            continue;
        waiting--;
        if (k->owner)
            write_down(fleet, k->owner);
    }
    go_ahead(fleet);
}

/* Before it is known what runs there is no journal to write it in, and it would not be true. */
void fleet_journal_left(struct fleet *fleet)
{
    if (!fleet->recovered)
        return;
    fleet->left = true;
    journal_add(&fleet->journal, left_line());
    journal_flush(&fleet->journal, add_records, fleet);
}

const struct app *fleet_app(const struct fleet *fleet, const char *name)
{
    struct generation *generation;

    return sources_find(&fleet->sources, name, &generation);
}

struct instance *fleet_run(struct fleet *fleet, const char *name, struct run *run)
{
    struct generation *generation;
    const struct app *app = sources_find(&fleet->sources, name, &generation);
    struct instance *instance = app ? instance_new(fleet, generation, app, 0) : NULL;

    if (!instance)
        return NULL;
    instance->run = run;
    if (fleet_add(fleet, instance) < 0) {
        instance_free(instance);
        return NULL;
    }
    return instance;
}
