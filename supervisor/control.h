#ifndef OPS_CONTROL_H
#define OPS_CONTROL_H
/*
 * The control socket: connections, their lines in and out, and who may ask. What a request means is
 * for methods.h.
 *
 * Everything is bounded: connections, the length of a request, what waits to be sent. A client that
 * does not read is asked for no more requests, and closed once CONNECTION_QUEUE_MAX bytes wait for
 * it; streams (logs, runs) look at connection_backlog and hold back long before that.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "buf.h"
#include "commands.h"
#include "fleet.h"
#include "wire.h"

enum {
    CONNECTIONS_MAX = 256,
    /* Requests under way on one connection; each may hold files, a process, a list of workers. */
    ATTACHMENTS_MAX = 16,
    /* Whether a client that sends no more is still there. */
    HANGUP_CHECK_MS = 1000,
    /* A fleet of 4,096 workers in one answer is about 3 MiB; the end of a run's output, in lines
     * of one byte, ten times that. */
    CONNECTION_QUEUE_MAX = 64 << 20,
    /* Streams stop reading when this much waits, and go on below it. */
    CONNECTION_STREAM_QUEUE = 256 << 10,
    /* No request is taken while this much waits: more than a stream ever leaves, so that it can be
     * cancelled. */
    CONNECTION_ANSWERS_QUEUE = 16 << 20,
};

struct control;

/* What a method leaves behind on a connection until it is answered: a wait for a state, a view of
 * logs, a run. drop frees it, also when the client has gone; resume (may be NULL) is called when
 * the client has read what was sent. */
struct attachment {
    struct attachment *next;
    cJSON *id; /* of the request */
    void (*drop)(struct attachment *attachment);
    void (*resume)(struct attachment *attachment);
};

struct connection {
    uv_pipe_t pipe;
    struct control *control;
    struct connection *next;
    struct buf in;
    struct buf out; /* waits for the write under way, to go as one */
    bool writing;
    bool closing;
    bool read_all; /* the client sends no more; what it asked for is still answered */
    struct attachment *attachments;
};

struct control {
    struct fleet *fleet;
    uv_pipe_t *listener;
    struct connection *connections;
    /* Always one, so that memory running out does not leave a client at the door: libuv stops
     * listening until it is let in. */
    struct connection *spare;
    int count;
    bool closing;
    uv_timer_t hangups;
};

/* Serves the listening descriptor. Returns 0 or a negative errno. */
int control_open(struct control *control, struct fleet *fleet, int fd);

/* Serves another listening descriptor instead; connections stay. Returns 0 or a negative errno. */
int control_listen(struct control *control, int fd);

/* Closes everything; the memory of connections goes with their close callbacks. */
void control_close(struct control *control);

/* Answers; a notification from the client (id NULL) gets no answer. connection_notify sends it
 * something unasked.
 *
 * For want of memory, or when the client does not read, the connection is closed instead, and what
 * is attached to it is gone at once: who holds an attachment looks at connection->closing before it
 * is used again. */
void connection_result(struct connection *connection, const cJSON *id, cJSON *result);
void connection_fail(struct connection *connection, const cJSON *id, int code, const char *message,
                     cJSON *data);
void connection_notify(struct connection *connection, const char *method, cJSON *params);

/* Bytes that wait to be sent. */
size_t connection_backlog(const struct connection *connection);

/* Ties an attachment to the connection; takes a copy of id. */
void connection_attach(struct connection *connection, struct attachment *attachment,
                       const cJSON *id);

/* True when one more request may be under way. */
bool connection_has_room(const struct connection *connection);

/* Unties and drops it: its request is answered. Nothing is done when the connection is closing. */
void connection_detach(struct connection *connection, struct attachment *attachment);

#endif
