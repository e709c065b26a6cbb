#ifndef OPS_NOTIFY_H
#define OPS_NOTIFY_H
/*
 * The service's side of sd_notify(3): datagrams to the socket named by NOTIFY_SOCKET.
 */

/* Sends newline-separated assignments such as "READY=1". Returns 1 when sent, 0 when
 * NOTIFY_SOCKET is not set, else a negative errno. Never blocks. */
int notify_send(const char *assignments);

#endif
