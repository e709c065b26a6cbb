/* Descriptors watched for reading: by an epoll(7) of their own, one for each loop. libuv needs five
 * system calls to begin with one, and a start of a thousand workers begins with two thousand. */
#include "watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 64 };

struct watch {
    struct set *set;
    int fd;
    void (*ready)(void *owner); /* NULL: it was closed */
    void *owner;
    struct watch *next_closed;
};

/* All of one loop; it is there while one of them is. */
struct set {
    struct set *next;
    uv_loop_t *loop;
    uv_poll_t poll;
    int epoll_fd;
    size_t count;
    bool busy;            /* with events, which hold pointers to watches */
    struct watch *closed; /* meanwhile */
};

static struct set *sets;

static void poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_if_unused(struct set *set)
{
    struct set **p = &sets;

    if (set->count || set->busy)
        return;
    while (*p != set)
        p = &(*p)->next;
    *p = set->next;
    uv_close((uv_handle_t *)&set->poll, poll_closed);
    (void)close(set->epoll_fd);
}

static void polled(uv_poll_t *poll, int status, int polled_for)
{
    struct epoll_event events[EVENTS_A_TURN];
    struct set *set = poll->data;
    struct watch *watch;
    int n;

    (void)status;
    (void)polled_for;
    n = epoll_wait(set->epoll_fd, events, EVENTS_A_TURN, 0);
    set->busy = true;
    for (int i = 0; i < n; i++) {
        watch = events[i].data.ptr;
        if (watch->ready)
            watch->ready(watch->owner);
    }
    set->busy = false;
    while ((watch = set->closed)) {
        set->closed = watch->next_closed;
        free(watch);
    }
    close_if_unused(set);
}

static int set_new(uv_loop_t *loop, struct set **ret)
{
    struct set *set = calloc(1, sizeof *set);
    int r;

    if (!set)
        return -ENOMEM;
    set->loop = loop;
    set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = set->epoll_fd < 0 ? -errno : uv_poll_init(loop, &set->poll, set->epoll_fd);
    if (r < 0) {
        if (set->epoll_fd >= 0)
            (void)close(set->epoll_fd);
        free(set);
        return r;
    }
    set->poll.data = set;
    set->next = sets;
    sets = set;
    r = uv_poll_start(&set->poll, UV_READABLE, polled);
    if (r < 0)
        close_if_unused(set);
    else
        *ret = set;
    return r;
}

static int set_of(uv_loop_t *loop, struct set **ret)
{
    for (struct set *set = sets; set; set = set->next)
        if (set->loop == loop) {
            *ret = set;
            return 0;
        }
    return set_new(loop, ret);
}

int watch_open(uv_loop_t *loop, int fd, void (*ready)(void *owner), void *owner, struct watch **ret)
{
    struct watch *watch = calloc(1, sizeof *watch);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };
    int r = watch ? set_of(loop, &watch->set) : -ENOMEM;

    if (r < 0) {
        free(watch);
        return r;
    }
    if (epoll_ctl(watch->set->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        r = -errno;
        close_if_unused(watch->set);
        free(watch);
        return r;
    }
    watch->set->count++;
    watch->fd = fd;
    watch->ready = ready;
    watch->owner = owner;
    *ret = watch;
    return 0;
}

void watch_close(struct watch **watch)
{
    struct watch *w = *watch;
    struct set *set;

    *watch = NULL;
    if (!w)
        return;
    set = w->set;
    (void)epoll_ctl(set->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->ready = NULL;
    if (set->busy) {
        w->next_closed = set->closed;
        set->closed = w;
    } else {
        free(w);
    }
    set->count--;
    close_if_unused(set);
}
