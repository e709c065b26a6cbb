/*
 * Tells when files of an app have changed. What happens to a folder is taken for every app that it
 * is of interest to; the set of folders is made anew when something other than a new folder changed
 * what there is to watch.
 */
#include "watcher.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instant.h"
#include "own.h"
#include "path.h"
#include "watch.h"
#include "watcher_folders.h"
#include "watcher_match.h"
#include "watcher_own.h"
#include "watcher_walk.h"

enum { EVENTS_BYTES = 64 << 10 };

/* One app that is watched for. */
struct watched {
    char *name;
    char **paths, **leaves_out; /* the paths tidy; both end with NULL */
    int64_t delay_ms;
    int64_t first_ms, last_ms, due_ms; /* of the changes to be told of; due_ms 0: none */
    char path[PATH_MAX];               /* the first of them */
    char latest[PATH_MAX];             /* the last of them */
    int64_t before_ms;                 /* last_ms without that one; 0: it is the only one */
    char growing[PATH_MAX]; /* a file that has come up since and is being written; or empty */
};

struct watcher {
    uv_loop_t *loop;
    watcher_changed *changed;
    void *owner;
    struct folders folders;
    struct watch *events;
    uv_timer_t timer;
    struct watched *apps;
    size_t count;
    struct own_files own;
    struct watcher_walk walk;
    bool stale; /* the set of folders */
};

bool watcher_wants(const struct app *app)
{
    return app->watch && !app->scheduled;
}

/* --- when to tell */

static void timer_fired(uv_timer_t *timer);

static void arm(struct watcher *w)
{
    int64_t next = 0, now = (int64_t)monotonic_now_ms();

    for (size_t a = 0; a < w->count; a++)
        if (w->apps[a].due_ms && (!next || w->apps[a].due_ms < next))
            next = w->apps[a].due_ms;
    if (next)
        (void)uv_timer_start(&w->timer, timer_fired, next > now ? (uint64_t)(next - now) : 0, 0);
    else
        (void)uv_timer_stop(&w->timer);
}

static void tell(struct watcher *w, struct watched *one)
{
    one->due_ms = 0;
    one->growing[0] = '\0';
    w->changed(w->owner, one->name, one->path, one->last_ms);
}

/* A file that was begun may be waited for as long as changes that go on may. */
static bool is_put_off(struct watched *one, int64_t now)
{
    int64_t latest = one->first_ms + WATCHER_DELAYS_MAX * one->delay_ms;

    if (!one->growing[0] || now >= latest)
        return false;
    one->due_ms = now + one->delay_ms < latest ? now + one->delay_ms : latest;
    return true;
}

static void timer_fired(uv_timer_t *timer)
{
    struct watcher *w = timer->data;
    int64_t now = (int64_t)monotonic_now_ms();

    for (size_t a = 0; a < w->count; a++)
        if (w->apps[a].due_ms && w->apps[a].due_ms <= now && !is_put_off(&w->apps[a], now))
            tell(w, &w->apps[a]);
    arm(w);
}

static void note(struct watched *one, const char *path, int64_t now)
{
    int64_t delay = one->delay_ms, latest;

    if (!one->due_ms) {
        one->first_ms = now;
        one->last_ms = 0;
        one->latest[0] = '\0';
        (void)snprintf(one->path, sizeof one->path, "%s", path);
    }
    if (strcmp(one->latest, path) != 0) {
        one->before_ms = one->last_ms;
        (void)snprintf(one->latest, sizeof one->latest, "%s", path);
    }
    one->last_ms = now;
    latest = one->first_ms + WATCHER_DELAYS_MAX * delay;
    one->due_ms = now + delay < latest ? now + delay : latest;
}

/* --- what happened */

enum what {
    NOTHING,
    CHANGED,
    BEGUN,     /* a file that is not written yet */
    NO_MATTER, /* a socket or FIFO came up */
};

/* What has happened at path; *ret_leads: what is to be watched may be elsewhere now. */
static enum what judge(const char *path, uint32_t mask, bool *ret_leads)
{
    struct stat st;

    *ret_leads = mask & IN_ISDIR;
    if (!(mask & (IN_CREATE | IN_MOVED_TO)))
        return CHANGED;
    /* Gone again; that is another event. */
    if (lstat(path, &st) < 0)
        return mask & IN_CREATE ? NOTHING : CHANGED;
    *ret_leads |= S_ISLNK(st.st_mode);
    if (S_ISREG(st.st_mode))
        return mask & IN_CREATE && st.st_nlink == 1 ? BEGUN : CHANGED;
    return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode) ? CHANGED : NO_MATTER;
}

static void take(struct watched *one, const char *path, enum what what, int64_t now)
{
    if (what == CHANGED) {
        if (strcmp(one->growing, path) == 0)
            one->growing[0] = '\0';
        note(one, path, now);
    } else if (what == BEGUN && one->due_ms) {
        (void)snprintf(one->growing, sizeof one->growing, "%s", path);
    } else if (what == NO_MATTER && one->due_ms && strcmp(one->latest, path) == 0) {
        /* What was deleted there was the socket's predecessor. */
        one->last_ms = one->before_ms;
        if (!one->last_ms)
            one->due_ms = 0;
    }
}

/* Whether something at path is of interest to an app, by one of its watched paths; *ret_above: it
 * is that path, or leads there. */
static bool concerns(const struct watched *one, const char *path, bool *ret_above)
{
    bool found = false;

    *ret_above = false;
    for (char **root = one->paths; *root; root++) {
        const char *relative = path_below(path, *root);

        *ret_above |= path_below(*root, path) != NULL;
        found |= relative && !watch_leaves_out(*root, relative, (texts)one->leaves_out);
    }
    return found || *ret_above;
}

static void happened(struct watcher *w, const char *path, uint32_t mask)
{
    int64_t now = (int64_t)monotonic_now_ms();
    enum what what = NOTHING;
    bool leads = false, looked = false, above;

    if (own_files_hold(&w->own, path))
        return;
    if (mask & IN_ISDIR && mask & IN_MOVED_FROM)
        folders_forget(&w->folders, path);
    for (size_t a = 0; a < w->count; a++) {
        if (!concerns(&w->apps[a], path, &above))
            continue;
        if (!looked)
            what = judge(path, mask, &leads);
        looked = true;
        take(&w->apps[a], path, what, now);
        w->stale |= above && leads;
    }
    if (looked && mask & IN_ISDIR && mask & (IN_CREATE | IN_MOVED_TO) && !w->stale)
        watcher_walk_new(&w->walk, path);
}

/* A watched folder itself is gone, or elsewhere. */
static void folder_left(struct watcher *w, const char *path)
{
    int64_t now = (int64_t)monotonic_now_ms();
    bool above;

    for (size_t a = 0; a < w->count; a++) {
        if (!concerns(&w->apps[a], path, &above) || !above)
            continue;
        note(&w->apps[a], path, now);
        w->stale = true;
    }
}

/* Too much happened at once, and nobody knows what. */
static void overflowed(struct watcher *w)
{
    int64_t now = (int64_t)monotonic_now_ms();

    w->stale = true;
    for (size_t a = 0; a < w->count; a++)
        note(&w->apps[a], w->apps[a].paths[0], now);
}

static void take_event(struct watcher *w, const struct inotify_event *event)
{
    char path[PATH_MAX];
    int n;

    if (event->mask & IN_Q_OVERFLOW) {
        overflowed(w);
        return;
    }
    for (struct folder *f = NULL; (f = folders_next(&w->folders, event->wd, f));) {
        /* What is done about it may forget folders below this one, but not this one. */
        n = snprintf(path, sizeof path, "%s%s%s", f->path[1] ? f->path : "", event->len ? "/" : "",
                     event->len ? event->name : "");
        if (n >= (int)sizeof path)
            continue;
        if (event->len)
            happened(w, path, event->mask);
        else if (event->mask & (IN_IGNORED | IN_MOVE_SELF))
            folder_left(w, f->path);
    }
    if (event->mask & IN_IGNORED)
        folders_gone(&w->folders, event->wd);
}

static void refresh(struct watcher *w)
{
    w->stale = false;
    watcher_walk_all(&w->walk);
}

static void events_came(void *owner)
{
    static char bytes[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct watcher *w = owner;
    const struct inotify_event *event;
    ssize_t n;

    n = read(w->folders.fd, bytes, sizeof bytes);
    for (const char *p = bytes; n > 0 && p < bytes + n; p += sizeof *event + event->len) {
        event = (const struct inotify_event *)(const void *)p;
        take_event(w, event);
    }
    if (w->stale)
        refresh(w);
    arm(w);
}

/* --- which apps */

static void release_texts(char **list)
{
    for (char **text = list; text && *text; text++)
        free(*text);
    free(list);
}

static void release_apps(struct watched *apps, size_t count)
{
    for (size_t a = 0; a < count; a++) {
        free(apps[a].name);
        release_texts(apps[a].paths);
        release_texts(apps[a].leaves_out);
    }
    free(apps);
}

static char *copy_text(const char *text)
{
    return strdup(text);
}

/* NULL when memory ran out. */
static char **copy_texts(texts list, char *(*copy)(const char *text))
{
    char **copied;
    size_t n = 0;

    while (list[n])
        n++;
    copied = calloc(n + 1, sizeof *copied);
    for (size_t i = 0; i < n && copied; i++) {
        copied[i] = copy(list[i]);
        if (!copied[i]) {
            release_texts(copied);
            return NULL;
        }
    }
    return copied;
}

static const struct watched *find(const struct watcher *w, const char *name)
{
    for (size_t a = 0; a < w->count; a++)
        if (strcmp(w->apps[a].name, name) == 0)
            return &w->apps[a];
    return NULL;
}

/* One app, with what has happened for it already. */
static int begin(const struct watcher *w, const struct app *app, struct watched *ret)
{
    const struct watched *before = find(w, app->name);

    if (before)
        *ret = *before;
    ret->name = strdup(app->name);
    ret->paths = copy_texts(app->watch_paths, path_tidy);
    ret->leaves_out = copy_texts(app->watch_ignore, copy_text);
    ret->delay_ms = app->watch_delay_ms;
    return ret->name && ret->paths && ret->leaves_out ? 0 : -ENOMEM;
}

static bool same_texts(char *const *a, char *const *b)
{
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

static bool same_apps(const struct watcher *w, const struct watched *apps, size_t count)
{
    for (size_t a = 0; a < count && a < w->count; a++)
        if (strcmp(w->apps[a].name, apps[a].name) != 0 ||
            !same_texts(w->apps[a].paths, apps[a].paths) ||
            !same_texts(w->apps[a].leaves_out, apps[a].leaves_out) ||
            w->apps[a].delay_ms != apps[a].delay_ms)
            return false;
    return w->count == count;
}

static int list_scopes(struct watcher *w)
{
    int r = 0;

    watcher_walk_done(&w->walk);
    w->walk = (struct watcher_walk){ .folders = &w->folders, .own = &w->own };
    for (size_t a = 0; a < w->count; a++)
        for (char **path = w->apps[a].paths; *path && r == 0; path++)
            r = watcher_walk_add(&w->walk, *path, (texts)w->apps[a].leaves_out);
    return r;
}

/* Takes both. */
static int put(struct watcher *w, struct watched *apps, size_t count, struct own_files *own)
{
    int r;

    release_apps(w->apps, w->count);
    w->apps = apps;
    w->count = count;
    own_files_done(&w->own);
    w->own = *own;
    *own = (struct own_files){ 0 };
    r = list_scopes(w);
    refresh(w);
    arm(w);
    return r;
}

int watcher_set(struct watcher *w, const struct app *const *apps, size_t count,
                struct own_files *own)
{
    struct watched *list = calloc(count + 1, sizeof *list);
    int r = list ? 0 : -ENOMEM;
    bool same = false;

    for (size_t a = 0; a < count && r == 0; a++)
        r = begin(w, apps[a], &list[a]);
    if (r == 0)
        same = same_apps(w, list, count) && own_files_same(&w->own, own);
    if (r == 0 && !same)
        return put(w, list, count, own);
    release_apps(list, list ? count : 0);
    own_files_done(own);
    return r;
}

/* --- life */

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watcher_close(struct watcher **watcher)
{
    struct watcher *w = *watcher;

    *watcher = NULL;
    if (!w)
        return;
    watch_close(&w->events);
    folders_close(&w->folders);
    watcher_walk_done(&w->walk);
    own_files_done(&w->own);
    release_apps(w->apps, w->count);
    uv_close((uv_handle_t *)&w->timer, closed);
}

int watcher_open(uv_loop_t *loop, watcher_changed *changed, void *owner, struct watcher **ret)
{
    struct watcher *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return -ENOMEM;
    w->changed = changed;
    w->owner = owner;
    (void)uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    r = folders_open(&w->folders);
    if (r == 0)
        r = watch_open(loop, w->folders.fd, events_came, w, &w->events);
    if (r < 0)
        watcher_close(&w);
    else
        *ret = w;
    return r;
}
