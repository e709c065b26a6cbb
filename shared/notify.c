/* The service's side of sd_notify(3). */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "own.h"

int notify_send(const char *assignments)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    OWN(close) int fd = -1;
    socklen_t length;
    size_t n;

    if (!path || !*path)
        return 0;
    n = strlen(path);
    if (n >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, n);
    /* A name that begins with @ is an abstract socket: the first byte is NUL, and no NUL ends it.
     */
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, assignments, strlen(assignments), MSG_NOSIGNAL, (struct sockaddr *)&address,
               length) < 0)
        return -errno;
    return 1;
}
