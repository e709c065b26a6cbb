#ifndef OPS_OPSCTL_CLIENT_H
#define OPS_OPSCTL_CLIENT_H
/*
 * One connection to opsd: requests out, messages in, a line each (wire.h).
 *
 * Blocking; every wait is a poll(2) with a limit. What arrives is not trusted: a line that is no
 * message, too long, or cut off by the end of the connection is an error that says so.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "home.h"

enum {
    /* The longest answer: `stat` of 4,096 workers with a few kilobytes of text each. */
    CLIENT_LINE_MAX = 64 << 20,
    /* A request is taken over by the kernel at once unless opsd hangs. */
    CLIENT_SEND_TIMEOUT_MS = 5000,
};

struct client {
    int fd;
    int64_t last_id;
    struct buf in;
    size_t start;      /* of the first line in `in` that was not handed out */
    size_t scanned;    /* up to here there is no newline */
    bool watch_output; /* client_next also ends when nobody reads standard output any more */
};

/* An answer (id, and result or error) or a notification (method, params). All borrow from json,
 * which message_done deletes. */
struct message {
    cJSON *json;
    const char *method; /* NULL: an answer */
    const cJSON *params, *result, *error;
    int64_t id; /* 0: an error for what could not be read as a request */
};

void message_done(struct message *message);
#define OWN_MESSAGE __attribute__((cleanup(message_done)))

/* Returns 0; -ENOENT or -ECONNREFUSED when no opsd runs; -EACCES; other errnos. home is open. */
int client_connect(struct client *client, const struct home *home);
void client_done(struct client *client);

/* Sends a request; takes params. *ret_id is what the answer will carry. Returns 0, -EINVAL (longer
 * than WIRE_REQUEST_MAX), -ENOMEM or -ETIMEDOUT. A connection that opsd closed is no error here:
 * what it said before is still to be read. */
int client_send(struct client *client, const char *method, cJSON *params, int64_t *ret_id);

/* Waits for the next message; timeout_ms 0 is no limit. Signals that are blocked are let in while
 * it waits. Returns 0, -ETIMEDOUT, -EINTR, -EPIPE (see watch_output), -ECONNRESET (opsd closed the
 * connection), -EPROTO (no message), -EMSGSIZE or -ENOMEM, each with its sentence. */
int client_next(struct client *client, int64_t timeout_ms, struct message *ret, struct err *reterr);

/* True when client_next would return without waiting. */
bool client_has_next(struct client *client);

#endif
