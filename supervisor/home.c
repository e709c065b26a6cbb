/*
 * The home directory: the three things in it that make one supervisor the only one (the lock, the
 * socket's name, the way to both through a descriptor), and opsd's own log.
 */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"
#include "instant.h"
#include "log_rotate.h"
#include "own.h"

#define SOCKET_NAME "opsd.sock"
#define LOG_NAME "opsd.log"
#define SOCKET_NAME_NEW "opsd.sock.new"

/* Pending connections while the supervisor is busy elsewhere; the kernel cuts it at somaxconn. */
enum { SOCKET_BACKLOG = 256 };

/* Our own log, as those of workers are by default. */
enum { LOG_BYTES_MAX = 10 << 20, LOGS_KEPT = 5, LOG_LOOK_MS = 1000 };

/* Whoever only connects needs no right to list the directory; flock(2) refuses O_PATH. */
int home_open(struct home *home, bool create, struct err *reterr)
{
    int r, fd;

    if (create) {
        r = file_make_dirs(home->path, 0700);
        if (r < 0)
            return err_set(reterr, r,
                           "cannot make the home %s: %s; --home or OPS_HOME names another",
                           home->path, strerror(-r));
    }
    fd = open(home->path, O_DIRECTORY | O_CLOEXEC | (create ? O_RDONLY : O_PATH));
    if (fd < 0)
        return err_set(reterr, -errno, "%s: %s", home->path, strerror(errno));
    home->fd = fd;
    return 0;
}

int home_lock(const struct home *home)
{
    return flock(home->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* The name reaches into the directory through its descriptor, so its length never matters. */
static struct sockaddr_un socket_address(const struct home *home, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", home->fd,
                   name);
    return address;
}

static int socket_new(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 ? -errno : fd;
}

int home_connect(const struct home *home)
{
    struct sockaddr_un address = socket_address(home, SOCKET_NAME);
    OWN(close) int fd = socket_new();

    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    return take_fd(&fd);
}

/* Returns false when there is no socket of that name. */
static bool note_socket(struct home *home, const char *name)
{
    struct stat st;

    if (fstatat(home->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    home->socket_device = st.st_dev;
    home->socket_inode = st.st_ino;
    return true;
}

enum { MODE_CLOSED = 0700, MODE_PASS = 0710, SOCKET_CLOSED = 0600, SOCKET_SHARED = 0660 };

/* Of the home itself: only where nobody decided otherwise. */
static int set_passage(const struct home *home, gid_t group, mode_t mode)
{
    struct stat st;

    if (fstat(home->fd, &st) < 0)
        return -errno;
    if ((st.st_mode & 0777) != MODE_CLOSED && (st.st_mode & 0777) != MODE_PASS)
        return 0;
    if (mode == MODE_CLOSED && (st.st_mode & 0777) == mode)
        return 0;
    if ((st.st_gid != group && fchown(home->fd, (uid_t)-1, group) < 0) ||
        fchmod(home->fd, mode) < 0)
        return -errno;
    return 0;
}

/* Closed to all while it changes hands. */
static int set_socket(const struct home *home, const char *name, gid_t group, mode_t mode)
{
    struct stat st;

    if (fstatat(home->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (st.st_gid == group && (st.st_mode & 0777) == mode)
        return 0;
    if (fchmodat(home->fd, name, SOCKET_CLOSED, 0) < 0 ||
        fchownat(home->fd, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(home->fd, name, mode, 0) < 0)
        return -errno;
    return 0;
}

int home_share(struct home *home, gid_t group)
{
    int r = set_passage(home, group, MODE_PASS);

    if (r == 0)
        r = set_socket(home, SOCKET_NAME, group, SOCKET_SHARED);
    if (r < 0 && r != -ENOENT)
        return r;
    home->shared = true;
    home->shared_with = group;
    return 0;
}

void home_unshare(struct home *home)
{
    home->shared = false;
    (void)set_passage(home, getegid(), MODE_CLOSED);
    (void)set_socket(home, SOCKET_NAME, getegid(), SOCKET_CLOSED);
}

static int dress_socket(const struct home *home, const char *name)
{
    if (home->shared)
        return set_socket(home, name, home->shared_with, SOCKET_SHARED);
    return fchmodat(home->fd, name, SOCKET_CLOSED, 0) < 0 ? -errno : 0;
}

/* Bound under another name, made ready and only then renamed: whoever looks finds the old dead
 * socket or the new live one, and nobody can connect before the mode is right. */
int home_listen(struct home *home)
{
    struct sockaddr_un address = socket_address(home, SOCKET_NAME_NEW);
    OWN(close) int fd = socket_new();
    int r;

    if (fd < 0)
        return fd;
    if (unlinkat(home->fd, SOCKET_NAME_NEW, 0) < 0 && errno != ENOENT)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    r = dress_socket(home, SOCKET_NAME_NEW);
    if (r < 0)
        return r;
    if (listen(fd, SOCKET_BACKLOG) < 0)
        return -errno;
    (void)note_socket(home, SOCKET_NAME_NEW);
    if (renameat(home->fd, SOCKET_NAME_NEW, home->fd, SOCKET_NAME) < 0)
        return -errno;
    return take_fd(&fd);
}

bool home_resume_listening(struct home *home)
{
    return note_socket(home, SOCKET_NAME);
}

void home_stop_listening(const struct home *home)
{
    (void)unlinkat(home->fd, SOCKET_NAME, 0);
}

bool home_is_listening(const struct home *home)
{
    struct stat st;

    return fstatat(home->fd, SOCKET_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == home->socket_device && st.st_ino == home->socket_inode;
}

int home_watch(const struct home *home)
{
    OWN(close) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[32];

    if (fd < 0)
        return -errno;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/.", home->fd);
    if (inotify_add_watch(fd, path, IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR) < 0)
        return -errno;
    return take_fd(&fd);
}

/* What happened matters less than what is there now. */
void home_watch_read(int watch)
{
    char events[4096];

    while (read(watch, events, sizeof events) > 0)
        continue;
}

int home_detach(int home_fd)
{
    OWN(close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    OWN(close)
    int log = openat(home_fd, LOG_NAME, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (null < 0 || log < 0)
        return -errno;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        return -errno;
    return chdir("/") < 0 ? -errno : 0;
}

bool home_rotate_log(struct home *home)
{
    OWN(free) char *path = NULL;
    uint64_t now = monotonic_now_ms();
    struct stat st;

    if (now < home->look_at_log_ms)
        return false;
    home->look_at_log_ms = now + LOG_LOOK_MS;
    if (fstatat(home->fd, LOG_NAME, &st, 0) < 0 || st.st_size < LOG_BYTES_MAX)
        return false;
    return asprintf(&path, "%s/" LOG_NAME, home->path) >= 0 && log_rotate(path, LOGS_KEPT) == 0;
}

void home_done(struct home *home)
{
    free(home->path);
    free(home->manifest);
    free(home->socket_group);
    if (home->fd >= 0)
        (void)close(home->fd);
    *home = (struct home){ .fd = -1 };
}
