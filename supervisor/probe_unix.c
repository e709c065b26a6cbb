/* Whether something accepts on a Unix socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "own.h"
#include "probe_kinds.h"

/* On a Unix socket connect(2) is done at once, or fails: also with EAGAIN, when more wait already
 * than the listener wants. */
static int try_type(const struct sockaddr_un *address, int type)
{
    OWN(close) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    return connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 1;
}

/* A path of any length, by way of proc(5): an address has room for 107 bytes only. */
static int begin(struct probe *probe)
{
    OWN(close) int at = open(probe->ask.text, O_PATH | O_CLOEXEC);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int r;

    if (at < 0)
        return -errno;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", at);
    r = try_type(&address, SOCK_STREAM);
    return r == -EPROTOTYPE ? try_type(&address, SOCK_SEQPACKET) : r;
}

static void end(struct probe *probe)
{
    free(probe);
}

const struct probe_kind probe_unix = {
    .every_ms = 100,
    .size = sizeof(struct probe),
    .begin = begin,
    .end = end,
};
