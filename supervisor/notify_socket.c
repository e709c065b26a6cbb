/* The supervisor's side of sd_notify(3). */
#include "notify_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "own.h"
#include "procfs.h"
#include "text.h"

/* "@name" as people write it is '\0' and the name. */
static int bind_address(int fd, const char *text)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t n = strlen(text);

    memcpy(address.sun_path + 1, text + 1, n - 1);
    return bind(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0
               ? -errno
               : 0;
}

int notify_socket_open(char address[static NOTIFY_ADDRESS_MAX], struct err *reterr)
{
    OWN(close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    uint64_t unguessable[2];
    int r, on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return err_set(reterr, -errno, "cannot make a notify socket: %s", strerror(errno));
    if (!address[0]) {
        if (getrandom(unguessable, sizeof unguessable, 0) != sizeof unguessable)
            return err_set(reterr, -EIO, "no randomness for a socket's name");
        (void)snprintf(address, NOTIFY_ADDRESS_MAX, "@opsd-%016llx%016llx",
                       (unsigned long long)unguessable[0], (unsigned long long)unguessable[1]);
    }
    r = bind_address(fd, address);
    if (r < 0)
        return err_set(reterr, r, "cannot bind the notify socket %s: %s", address, strerror(-r));
    return take_fd(&fd);
}

/* What is told by a whole line. */
static const struct {
    const char *line;
    size_t offset;
} words[] = {
    { "READY=1", offsetof(struct notify_message, ready) },
    { "RELOADING=1", offsetof(struct notify_message, reloading) },
    { "STOPPING=1", offsetof(struct notify_message, stopping) },
    { "WATCHDOG=1", offsetof(struct notify_message, watchdog) },
    { "WATCHDOG=trigger", offsetof(struct notify_message, trigger) },
};

/* The value of a line that assigns to name, or NULL. */
static const char *value_of(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncmp(line, name, n) == 0 && line[n] == '=' ? line + n + 1 : NULL;
}

static void parse_line(const char *line, struct notify_message *ret)
{
    const char *value;
    int64_t us;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(line, words[i].line) == 0)
            *(bool *)((char *)ret + words[i].offset) = true;
    if ((value = value_of(line, "STATUS")))
        ret->status = value;
    if ((value = value_of(line, "X_STATS")))
        ret->stats = value;
    value = value_of(line, "EXTEND_TIMEOUT_USEC");
    if (value && text_to_int(value, 1, INT64_MAX, &us) == 0)
        ret->extend_ms = us / 1000 + (us % 1000 != 0);
}

void notify_parse(char *text, struct notify_message *ret)
{
    char *rest = text, *line;

    *ret = (struct notify_message){ 0 };
    while ((line = strsep(&rest, "\n")))
        parse_line(line, ret);
}

/* The sender's pid, or 0. Descriptors that came along are closed: nobody asked for them. */
static pid_t sender_of(struct msghdr *message)
{
    struct ucred credentials;
    pid_t pid = 0;
    int fd;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
            pid = credentials.pid;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            for (size_t at = CMSG_LEN(0); at + sizeof fd <= c->cmsg_len; at += sizeof fd) {
                memcpy(&fd, (char *)c + at, sizeof fd);
                (void)close(fd);
            }
        }
    }
    return pid;
}

int notify_socket_peek(int fd, pid_t main_pid, char *text, struct notify_message *ret)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 253)];
        struct cmsghdr align;
    } control;
    struct iovec place = { text, NOTIFY_BYTES_MAX };
    struct msghdr message = { .msg_iov = &place,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };
    ssize_t n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    pid_t sender;

    if (n < 0)
        return -EAGAIN;
    *ret = (struct notify_message){ .sender = sender = sender_of(&message) };
    if (!sender || !main_pid || !procfs_descends(sender, main_pid))
        return 0;
    text[n] = '\0';
    notify_parse(text, ret);
    ret->sender = sender;
    return 1;
}

void notify_socket_drop(int fd)
{
    char byte;

    (void)!recv(fd, &byte, sizeof byte, MSG_DONTWAIT);
}
