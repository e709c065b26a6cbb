/* The sockets that opsd opens for workers. */
#include "listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "own.h"
#include "procfs.h"

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

/* Beside the name, then in its place: whoever has connected to what was there stays so. */
static int bind_over(int fd, const struct listen_socket *what)
{
    struct sockaddr_un beside = *(const struct sockaddr_un *)&what->address;
    size_t n = strlen(beside.sun_path);

    if (n + sizeof ".new" > sizeof beside.sun_path)
        return -ENAMETOOLONG;
    memcpy(beside.sun_path + n, ".new", sizeof ".new");
    (void)unlink(beside.sun_path);
    if (bind(fd, (const struct sockaddr *)&beside, sizeof beside) < 0)
        return -errno;
    return rename(beside.sun_path, unix_path(what)) < 0 ? -errno : 0;
}

/* ours: what stands there is of an earlier opsd, and workers may still accept on it. */
static int bind_socket(int fd, const struct listen_socket *what, bool ours)
{
    const struct sockaddr *address = (const struct sockaddr *)&what->address;
    bool is_unix = address->sa_family == AF_UNIX;
    int on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!is_unix)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, address, what->length) == 0)
        return 0;
    return errno == EADDRINUSE && is_unix && (ours || is_dead(what)) ? bind_over(fd, what) : -errno;
}

static int open_socket(const struct listen_socket *what, bool ours, struct err *reterr)
{
    OWN(close) int fd = socket(what->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : bind_socket(fd, what, ours);

    if (r == 0 && listen(fd, SOMAXCONN) < 0)
        r = -errno;
    return r < 0 ? err_set(reterr, r, "listen: %s: %s", what->text, strerror(-r)) : take_fd(&fd);
}

/* --- those that there are */

static struct listener *find(const struct listeners *listeners, const char *text)
{
    for (struct listener *l = listeners->first; l; l = l->next)
        if (strcmp(l->text, text) == 0)
            return l;
    return NULL;
}

static struct listener *add(struct listeners *listeners, const struct listen_socket *what)
{
    size_t n = strlen(what->text) + 1;
    struct listener *l = calloc(1, sizeof *l + n);

    if (!l)
        return NULL;
    memcpy(l->text, what->text, n);
    l->socket = *what;
    l->socket.text = l->text;
    l->fd = -1;
    l->next = listeners->first;
    listeners->first = l;
    return l;
}

/* For the next supervisor, too. */
static void keep(struct listeners *listeners, struct listener *l, int fd)
{
    char name[NAME_MAX_BYTES];

    l->fd = fd;
    if (listeners->link)
        (void)guard_link_store(listeners->link, kept_name(l->text, name), l->fd);
}

int listen_on(struct listeners *listeners, const struct listen_socket *what, struct err *reterr)
{
    struct listener *l = find(listeners, what->text);
    bool ours = l != NULL;
    OWN(close) int fd = -1;

    if (l && l->fd >= 0)
        return l->fd;
    fd = open_socket(what, ours, reterr);
    if (fd < 0)
        return fd;
    if (!l)
        l = add(listeners, what);
    if (!l)
        return err_set(reterr, -ENOMEM, "out of memory");
    keep(listeners, l, take_fd(&fd));
    return l->fd;
}

/* --- after an earlier opsd */

/* Whether it is the socket that clients of the address reach. One that was bound beside its name
 * keeps that in mind. */
static bool listens_on(int fd, const struct listen_socket *what)
{
    struct sockaddr_storage address = { 0 };
    socklen_t n = sizeof address, size = sizeof(int);
    const char *path = unix_path(what);
    int listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&address, &n) < 0 ||
        address.ss_family != what->address.ss_family)
        return false;
    return *path
               ? strncmp(((const struct sockaddr_un *)&address)->sun_path, path, strlen(path)) == 0
               : memcmp(&address, &what->address, what->length) == 0;
}

/* What the process that is held so was given as that number. -1 when it may not be taken from it:
 * pidfd_getfd(2) is for whoever may trace the process. */
static int take_from(pid_t worker, int64_t start, int number, const struct listen_socket *what)
{
    OWN(close) int pidfd = pidfd_open(worker, 0);
    OWN(close) int fd = -1;

    if (pidfd >= 0 && procfs_is_alive(worker, start))
        fd = pidfd_getfd(pidfd, number, 0);
    return fd >= 0 && listens_on(fd, what) ? take_fd(&fd) : -1;
}

void listen_resume(struct listeners *listeners, const struct app *app, pid_t worker, int64_t start)
{
    char name[NAME_MAX_BYTES];

    for (size_t k = 0; k < app->listen_count; k++) {
        const struct listen_socket *what = &app->listen[k];
        struct listener *l = find(listeners, what->text);
        int fd = -1;

        if (l && l->fd >= 0)
            continue;
        if (listeners->link)
            fd = guard_link_take(listeners->link, kept_name(what->text, name));
        if (fd < 0 && worker)
            fd = take_from(worker, start, LISTEN_FDS_START + (int)k, what);
        /* Without a descriptor it says at least whose the address is. */
        if (!l && (fd >= 0 || worker))
            l = add(listeners, what);
        if (l && fd >= 0)
            keep(listeners, l, fd);
        else if (fd >= 0)
            (void)close(fd);
    }
}

static void let_go(struct listeners *listeners, struct listener *l, bool for_good)
{
    char name[NAME_MAX_BYTES];

    if (for_good && listeners->link)
        guard_link_drop(listeners->link, kept_name(l->text, name));
    if (l->fd >= 0)
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
