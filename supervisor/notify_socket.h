#ifndef OPS_NOTIFY_SOCKET_H
#define OPS_NOTIFY_SOCKET_H
/*
 * The supervisor's side of sd_notify(3): one datagram socket per instance.
 *
 * The socket tells whose message it is, the kernel's credentials (SO_PASSCRED, unix(7)) who sent
 * it: only the worker's own process or a descendant of it is listened to. That is looked up in
 * proc(5) when the message is looked at, so one whose sender has been reaped by then is ignored:
 * nothing could tell it from a stranger's. systemd-notify(1) waits until it was read (BARRIER=1, a
 * descriptor that we close); whatever else sends and exits at once has to be quicker than a turn of
 * the loop to be missed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum {
    /* Longer than any status line; X_STATS included. */
    NOTIFY_BYTES_MAX = 4096,
    NOTIFY_ADDRESS_MAX = 108,
};

struct notify_message {
    bool ready;
    bool reloading, stopping; /* its configuration; itself */
    bool watchdog;            /* WATCHDOG=1: it is alive */
    bool trigger;             /* WATCHDOG=trigger: it is not */
    int64_t extend_ms;        /* EXTEND_TIMEOUT_USEC, rounded up; 0: not in this message */
    const char *status;       /* NULL: not in this message; the texts live in the buffer given */
    const char *stats;        /* X_STATS, not checked yet */
    pid_t sender;             /* notify_socket_peek sets it; 0: outside of our namespace */
};

/* Makes the socket, in the abstract namespace (unix(7)): whoever the worker is can reach it, and no
 * length of the home's path matters. address is that of a socket which is gone, or empty; then it
 * receives the value for NOTIFY_SOCKET. Returns the descriptor or a negative errno. */
int notify_socket_open(char address[static NOTIFY_ADDRESS_MAX], struct err *reterr);

/* Looks at the first message, which stays, if main_pid (0: nobody) or a descendant of it sent it;
 * text holds NOTIFY_BYTES_MAX + 1 bytes. Returns 1, 0 for a message of somebody else (ignore it;
 * only the sender is set), or -EAGAIN when there is none. */
int notify_socket_peek(int fd, pid_t main_pid, char *text, struct notify_message *ret);

/* Takes the first message away. What came along with it is closed: a sender that waits for that
 * (BARRIER=1) goes on. */
void notify_socket_drop(int fd);

/* Reads assignments, one a line; pure. Cuts text into lines. Those that mean nothing here are
 * skipped: MAINPID=, ERRNO=, FDSTORE=1, whatever a later sd_notify may add. */
void notify_parse(char *text, struct notify_message *ret);

#endif
