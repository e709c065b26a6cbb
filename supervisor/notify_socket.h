#ifndef OPS_NOTIFY_SOCKET_H
#define OPS_NOTIFY_SOCKET_H
/*
 * The supervisor's side of sd_notify(3): one datagram socket per instance.
 *
 * The socket tells whose message it is, the kernel's credentials (SO_PASSCRED, unix(7)) who sent
 * it: only the worker's own process or a descendant of it is listened to.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

enum {
    /* Longer than any status line; X_STATS included. */
    NOTIFY_BYTES_MAX = 4096,
    NOTIFY_ADDRESS_MAX = 108,
};

struct notify_message {
    bool ready;
    const char *status; /* NULL: not in this message; the texts live in the buffer given */
    const char *stats;  /* X_STATS, not checked yet */
};

/* Makes the socket. It is the file folder/name where that fits a socket's address, else an
 * abstract one; address receives the value for NOTIFY_SOCKET. Returns the descriptor or a negative
 * errno. */
int notify_socket_open(const char *folder, const char *name,
                       char address[static NOTIFY_ADDRESS_MAX], struct err *reterr);

/* Takes one message that main_pid or a descendant of it sent; text holds NOTIFY_BYTES_MAX + 1
 * bytes. Returns 1, 0 for a message of somebody else (ignore it), or -EAGAIN when there is none. */
int notify_socket_read(int fd, pid_t main_pid, char *text, struct notify_message *ret);

/* Reads assignments, one a line; pure. Cuts text into lines. */
void notify_parse(char *text, struct notify_message *ret);

#endif
