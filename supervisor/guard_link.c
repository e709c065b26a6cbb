/* The supervisor's side of the guard. */
#include "guard_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard.h"
#include "guard_message.h"
#include "own.h"
#include "slots.h"

enum {
    /* A guard that was scheduled away; beyond this it is stopped or swapped out. */
    PATIENCE_MS = 50,
    /* Everything that a large fleet stores at once; the kernel may grant less. */
    SEND_BYTES = 4 << 20,
};

static void polled(uv_poll_t *poll, int status, int events);

static void watch_for(struct guard_link *link)
{
    if (link->watched)
        (void)uv_poll_start(&link->poll, UV_READABLE | (link->behind ? UV_WRITABLE : 0), polled);
}

/* A guard that is dead is noticed by the watch; until then, and without one, notes are enough. */
static int send_message(struct guard_link *link, const struct guard_message *message)
{
    struct pollfd room = { .fd = link->fd, .events = POLLOUT };
    int r = -EAGAIN;

    if (link->fd < 0 || link->behind)
        return -EPIPE;
    r = guard_message_send(link->fd, message);
    if (r == -EAGAIN && poll(&room, 1, PATIENCE_MS) > 0)
        r = guard_message_send(link->fd, message);
    /* Of several descriptors one may have been closed meanwhile: the others are told anew. */
    if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -ETOOMANYREFS || r == -EBADF) {
        link->behind = true;
        watch_for(link);
    }
    return r;
}

void guard_link_flush(struct guard_link *link)
{
    if (link->gathered.length)
        (void)send_message(link, &link->gathered);
    link->gathered.length = 0;
}

static void gather(struct guard_link *link, const char *name, int fd)
{
    if (!link->gathered.length)
        guard_message_begin(&link->gathered, "store");
    if (guard_message_add(&link->gathered, name, fd) == 0)
        return;
    guard_link_flush(link);
    guard_message_begin(&link->gathered, "store");
    (void)guard_message_add(&link->gathered, name, fd);
}

static void send_word(struct guard_link *link, const char *verb, const char *name)
{
    struct guard_message message;

    guard_link_flush(link);
    guard_message_begin(&message, verb);
    if (name)
        (void)guard_message_add(&message, name, -1);
    (void)send_message(link, &message);
}

/* Tells the guard all names of a store beside those of its own. */
static void send_store(struct guard_link *link, const struct store *store)
{
    const struct store_item *item;

    for (size_t i = 0; i < store->count; i++) {
        item = &store->items[i];
        if (item->name[0] != '@' && fcntl(item->fd, F_GETFD) >= 0)
            gather(link, item->name, item->fd);
    }
    guard_link_flush(link);
}

/* The guard reads again. */
static void catch_up(struct guard_link *link)
{
    link->behind = false;
    send_word(link, "clear", NULL);
    send_store(link, &link->kept);
    send_store(link, &link->inherited);
    if (link->ready)
        send_word(link, "ready", NULL);
    if (link->leaving)
        send_word(link, "leaving", NULL);
    watch_for(link);
}

/* The guard never says anything: what can be read is its end. */
static bool is_over(const struct guard_link *link)
{
    char byte;
    ssize_t n = recv(link->fd, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct guard_link *link = poll->data;

    if ((status < 0 || (events & UV_READABLE)) && is_over(link)) {
        (void)uv_poll_stop(poll);
        link->died(link);
    } else if (link->behind && (events & UV_WRITABLE)) {
        catch_up(link);
    }
}

/* The guard of an earlier opsd may give any number. */
static int out_of_the_slots(int fd)
{
    int raised = fcntl(fd, F_DUPFD_CLOEXEC, SLOTS_END);

    if (raised >= 0)
        (void)close(fd);
    return raised < 0 ? -errno : raised;
}

int guard_link_open(struct guard_link *link, int fd, int store)
{
    int size = SEND_BYTES, r;

    *link = (struct guard_link){ .fd = -1 };
    if (fd >= 0 && fd < SLOTS_END)
        fd = out_of_the_slots(fd);
    if (fd < -1)
        return fd;
    link->fd = fd;
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
            (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    r = store >= 0 ? store_load(store, &link->inherited) : 0;
    return r < 0 ? r : store_raise(&link->inherited, SLOTS_END);
}

int guard_link_watch(struct guard_link *link, uv_loop_t *loop,
                     void (*died)(struct guard_link *link))
{
    int r;

    if (link->fd < 0)
        return 0;
    r = uv_poll_init(loop, &link->poll, link->fd);
    if (r < 0)
        return r;
    link->watched = true;
    link->poll.data = link;
    link->died = died;
    return uv_poll_start(&link->poll, UV_READABLE, polled);
}

/* --- descriptors */

int guard_link_store(struct guard_link *link, const char *name, int fd)
{
    int r = store_put(&link->kept, name, fd);

    if (r < 0)
        return r;
    store_drop(&link->inherited, name);
    gather(link, name, fd);
    return 0;
}

void guard_link_drop(struct guard_link *link, const char *name)
{
    bool kept = store_take(&link->kept, name) >= 0;

    if (!kept && store_find(&link->inherited, name) < 0)
        return;
    store_drop(&link->inherited, name);
    send_word(link, "drop", name);
}

int guard_link_take(struct guard_link *link, const char *name)
{
    int fd = store_find(&link->inherited, name);

    if (fd < 0 || store_put(&link->kept, name, fd) < 0)
        return -1;
    return store_take(&link->inherited, name);
}

void guard_link_drop_rest(struct guard_link *link)
{
    char name[STORE_NAME_MAX];

    for (size_t i = link->inherited.count; i-- > 0;) {
        /* The name goes with the item. */
        (void)snprintf(name, sizeof name, "%s", link->inherited.items[i].name);
        if (name[0] != '@')
            guard_link_drop(link, name);
    }
}

/* --- words */

void guard_link_ready(struct guard_link *link)
{
    link->ready = true;
    send_word(link, "ready", NULL);
    store_drop(&link->inherited, GUARD_STARTED);
}

bool guard_link_is_first(const struct guard_link *link)
{
    return store_find(&link->inherited, GUARD_STARTED) >= 0;
}

void guard_link_leaving(struct guard_link *link)
{
    if (!link->leaving)
        send_word(link, "leaving", NULL);
    link->leaving = true;
}

static int open_program(const char *path, struct err *reterr)
{
    OWN(close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(reterr, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(reterr, -EACCES, "%s: not a program", path);
    if (access(path, X_OK) < 0)
        return err_set(reterr, -errno, "%s: %s", path, strerror(errno));
    return take_fd(&fd);
}

int guard_link_upgrade(struct guard_link *link, const char *path, struct err *reterr)
{
    OWN(close) int fd = open_program(path, reterr);
    struct guard_message message;
    int r;

    if (fd < 0)
        return fd;
    guard_link_flush(link);
    guard_message_begin(&message, "upgrade");
    (void)guard_message_add(&message, "opsd", fd);
    r = send_message(link, &message);
    return r < 0 ? err_set(reterr, r, "the guard cannot be told; try again") : 0;
}

/* --- the guard is gone */

/* Until the program that takes over listens to signals, they have to wait. */
static void hold_signals(sigset_t *ret_before)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, ret_before);
}

int guard_link_become_guard(struct guard_link *link, const struct options *options)
{
    struct options next = *options;
    struct option_words words;
    struct store store = { 0 };
    int r = 0;
    sigset_t before;

    for (size_t i = 0; i < link->kept.count && r == 0; i++)
        r = store_put(&store, link->kept.items[i].name, link->kept.items[i].fd);
    for (size_t i = 0; i < link->inherited.count && r == 0; i++)
        r = store_put(&store, link->inherited.items[i].name, link->inherited.items[i].fd);
    next.link = next.store = -1;
    if (r == 0)
        r = store_save(&store, &next.guard_store);
    if (r == 0) {
        options_write(&next, &words);
        hold_signals(&before);
        (void)execv("/proc/self/exe", (char **)words.argv);
        r = -errno;
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        store_unsave(&store, next.guard_store);
    }
    store_forget(&store);
    return r;
}

/* --- the end */

void guard_link_forget(struct guard_link *link)
{
    if (link->fd >= 0)
        (void)close(link->fd);
    link->fd = -1;
    link->watched = false;
    store_forget(&link->kept);
    store_done(&link->inherited);
}

void guard_link_close(struct guard_link *link)
{
    if (link->watched)
        uv_close((uv_handle_t *)&link->poll, NULL);
    link->watched = false;
}
