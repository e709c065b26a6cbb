/* The sockets that opsd opens for workers. */
#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "own.h"

enum { NAME_MAX_BYTES = 160 };

struct listener {
    struct listener *next;
    int fd;
    struct listen_socket socket;
    char text[]; /* socket.text is this */
};

/* As the guard knows it. */
static const char *kept_name(const char *text, char name[static NAME_MAX_BYTES])
{
    (void)snprintf(name, NAME_MAX_BYTES, "listen %s", text);
    return name;
}

static const char *unix_path(const struct listen_socket *socket)
{
    return socket->address.ss_family == AF_UNIX
               ? ((const struct sockaddr_un *)&socket->address)->sun_path
               : "";
}

/* Nobody accepts on it: what an opsd left behind that was killed together with its guard. */
static bool is_dead(const struct listen_socket *what)
{
    OWN(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)&what->address, what->length) < 0 &&
           errno == ECONNREFUSED;
}

static int open_socket(const struct listen_socket *what, struct err *reterr)
{
    const struct sockaddr *address = (const struct sockaddr *)&what->address;
    OWN(close) int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, r;

    if (fd < 0)
        return err_set(reterr, -errno, "listen: %s: %s", what->text, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* After opsd and its guard were killed, instances still listen on the one that we had. */
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    r = bind(fd, address, what->length);
    if (r < 0 && errno == EADDRINUSE && *unix_path(what) && is_dead(what)) {
        (void)unlink(unix_path(what));
        r = bind(fd, address, what->length);
    }
    if (r < 0 || listen(fd, SOMAXCONN) < 0)
        return err_set(reterr, -errno, "listen: %s: %s", what->text, strerror(errno));
    return take_fd(&fd);
}

static struct listener *find(const struct listeners *listeners, const char *text)
{
    for (struct listener *l = listeners->first; l; l = l->next)
        if (strcmp(l->text, text) == 0)
            return l;
    return NULL;
}

int listen_on(struct listeners *listeners, const struct listen_socket *what, struct err *reterr)
{
    struct listener *l = find(listeners, what->text);
    size_t n = strlen(what->text) + 1;
    char name[NAME_MAX_BYTES];

    if (l)
        return l->fd;
    l = calloc(1, sizeof *l + n);
    if (!l)
        return err_set(reterr, -ENOMEM, "out of memory");
    memcpy(l->text, what->text, n);
    l->socket = *what;
    l->socket.text = l->text;
    l->fd = listeners->link ? guard_link_take(listeners->link, kept_name(l->text, name)) : -1;
    if (l->fd < 0)
        l->fd = open_socket(&l->socket, reterr);
    if (l->fd < 0) {
        int r = l->fd;

        free(l);
        return r;
    }
    if (listeners->link)
        (void)guard_link_store(listeners->link, (const char *const[]){ kept_name(l->text, name) },
                               &l->fd, 1);
    l->next = listeners->first;
    listeners->first = l;
    return l->fd;
}

static void let_go(struct listeners *listeners, struct listener *l, bool for_good)
{
    char name[NAME_MAX_BYTES];

    if (for_good && listeners->link)
        guard_link_drop(listeners->link, kept_name(l->text, name));
    (void)close(l->fd);
    if (for_good && *unix_path(&l->socket))
        (void)unlink(unix_path(&l->socket));
    free(l);
}

static bool is_named_in(const struct manifest *manifest, const char *text)
{
    for (size_t a = 0; a < manifest->count; a++)
        for (size_t s = 0; s < manifest->apps[a].listen_count; s++)
            if (strcmp(manifest->apps[a].listen[s].text, text) == 0)
                return true;
    return false;
}

static bool is_named(const struct sources *sources, const char *text)
{
    for (const struct fleet_source *s = sources->first; s; s = s->next)
        if (s->generation && is_named_in(&s->generation->manifest, text))
            return true;
    return false;
}

void listen_forget(struct listeners *listeners, const struct sources *sources)
{
    struct listener **p = &listeners->first, *l;

    while ((l = *p)) {
        if (is_named(sources, l->text)) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        let_go(listeners, l, true);
    }
}

void listen_close(struct listeners *listeners, bool for_good)
{
    struct listener *l;

    while ((l = listeners->first)) {
        listeners->first = l->next;
        let_go(listeners, l, for_good);
    }
}
