#ifndef OPS_PROBE_H
#define OPS_PROBE_H
/*
 * Asking from outside whether a worker is ready: does its port or socket accept, does its URL
 * answer, does a command exit 0. One probe is one try; it never blocks the loop and never outlives
 * probe_close in any way that the owner could notice.
 *
 * Whether what accepts on a port is the worker itself is not known here: a stranger that holds the
 * port makes a worker look ready that cannot have it.
 */
#include <stdint.h>
#include <uv.h>

#include "err.h"
#include "manifest.h"
#include "spawn.h"

enum { PROBE_ANSWER_MAX = 1024 }; /* bytes of an http answer up to the end of its first line */

struct probe;

/* What to ask, and whom to tell. */
struct probe_ask {
    uv_loop_t *loop;
    enum ready_kind kind;
    int number;       /* READY_TCP: the port */
    const char *text; /* READY_UNIX: the path; READY_HTTP: the URL; stays until probe_close */
    unsigned round;   /* counts the tries: where a name means two addresses they take turns */
    /* READY_EXEC: starts the command. Returns 0 or a negative errno. */
    int (*start)(void *owner, struct process *ret);
    /* Called once from the loop, unless the probe was closed; and never from probe_begin. */
    void (*answered)(void *owner, bool ready);
    void *owner;
};

/* How often that kind is asked, in ms; 0: it is not asked, the worker tells. */
int64_t probe_every(enum ready_kind kind);

/* Begins a try. Returns 1 when it is ready, 0 when the answer is still to come (ret is set then),
 * or a negative errno when it is not ready or could not be asked. */
int probe_begin(const struct probe_ask *ask, struct probe **ret);

/* Gives up a try, or forgets one that was answered; a command that runs is killed. Sets the pointer
 * to NULL, which is accepted too; may be called from answered. */
void probe_close(struct probe **probe);

/* An http URL in parts. */
struct probe_url {
    char host[64];      /* an address, or "localhost" */
    char authority[80]; /* host and port as written, for the Host field */
    int port;
    const char *path;   /* with the query, without the fragment; points into the URL */
    size_t path_length; /* 0: "/" */
};

/* Takes a URL apart, and says what is wrong with it: only plain http, only an address or localhost
 * (a name would have to be looked up, which blocks), no user. Returns 0 or -EINVAL. */
int probe_url_parse(const char *url, struct probe_url *ret, struct err *reterr);

/* Reads the status of an answer: 200 to 599, 0 while its line is not there or only what goes before
 * it (1xx), or -EPROTO. Pure. */
int probe_http_status(const char *bytes, size_t n);

#endif
