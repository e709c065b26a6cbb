/* opsd.sock while opsd runs. */
#include "control_socket.h"

#include <string.h>
#include <unistd.h>

#include "guard_link.h"
#include "home.h"
#include "log.h"
#include "watch.h"

/* The listening socket's name in the guard's store: clients wait in its queue during a restart. */
#define STORED_NAME "control"

/* A full disk, no memory: what failed is tried again. */
enum { RETRY_MS = 1000 };

/* A new listener, kept by the guard; -errno. */
static int listen_anew(struct control_socket *s)
{
    int fd = home_listen(s->fleet->home), r;

    if (fd < 0)
        return fd;
    r = guard_link_store(s->fleet->link, STORED_NAME, fd);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    return fd;
}

static int take_or_listen(struct control_socket *s)
{
    int fd = guard_link_take(s->fleet->link, STORED_NAME);

    if (fd >= 0 && home_resume_listening(s->fleet->home))
        return fd;
    if (fd >= 0) {
        guard_link_drop(s->fleet->link, STORED_NAME);
        (void)close(fd);
    }
    return listen_anew(s);
}

static void retried(uv_timer_t *timer);

/* Clients that are connected stay so. */
static void mend(struct control_socket *s)
{
    int r;

    if (home_is_listening(s->fleet->home))
        return;
    r = listen_anew(s);
    if (r >= 0)
        r = control_listen(s->control, r);
    if (r < 0) {
        log_error("cannot make opsd.sock again; trying again", LOG_TEXT("why", strerror(-r)));
        (void)uv_timer_start(&s->retry, retried, RETRY_MS, 0);
    } else {
        log_warn("opsd.sock was gone; it is there again");
    }
}

static void retried(uv_timer_t *timer)
{
    mend(timer->data);
}

static void home_changed(void *owner)
{
    struct control_socket *s = owner;

    home_watch_read(s->events);
    mend(s);
}

static int watch_home(struct control_socket *s)
{
    s->events = home_watch(s->fleet->home);
    if (s->events < 0)
        return s->events;
    return watch_open(s->fleet->loop, s->events, home_changed, s, &s->watch);
}

int control_socket_open(struct control_socket *s, struct control *control, struct fleet *fleet,
                        struct err *reterr)
{
    const char *home = fleet->home->path;
    int fd, r;

    *s = (struct control_socket){ .fleet = fleet, .control = control, .events = -1 };
    (void)uv_timer_init(fleet->loop, &s->retry);
    s->retry.data = s;
    fd = take_or_listen(s);
    if (fd < 0)
        return err_set(reterr, fd, "cannot listen in %s: %s", home, strerror(-fd));
    r = control_open(control, fleet, fd);
    if (r == 0)
        r = watch_home(s);
    return r < 0 ? err_set(reterr, r, "cannot serve %s: %s", home, uv_strerror(r)) : 0;
}

void control_socket_close(struct control_socket *s)
{
    /* First the name, then the socket, so that nobody connects to one that is about to close. */
    home_stop_listening(s->fleet->home);
    watch_close(&s->watch);
    (void)close(s->events);
    guard_link_drop(s->fleet->link, STORED_NAME);
    control_close(s->control);
    uv_close((uv_handle_t *)&s->retry, NULL);
}
