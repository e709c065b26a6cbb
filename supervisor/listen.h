#ifndef OPS_LISTEN_H
#define OPS_LISTEN_H
/*
 * The sockets that opsd opens for workers (`listen` in the manifest): one for each address, however
 * many instances and however often they are restarted. A connection that comes while nobody accepts
 * waits in the socket's queue.
 */
#include "guard_link.h"
#include "manifest.h"
#include "sources.h"

struct listener;

struct listeners {
    struct listener *first;
    struct guard_link *link; /* keeps them for the next supervisor; NULL: none */
};

/* The descriptor for an address, opened when it is not yet; it stays ours. Returns it, or a
 * negative errno. */
int listen_on(struct listeners *listeners, const struct listen_socket *socket, struct err *reterr);

/* After an earlier opsd: takes what the guard keeps for the app or, when that was killed as well,
 * from the app's process worker (0: there is none), which with its start is held to be the one.
 * Where that is not permitted, listen_on puts another socket in its place. */
void listen_resume(struct listeners *listeners, const struct app *app, pid_t worker, int64_t start);

/* Closes those that no app names any more. */
void listen_forget(struct listeners *listeners, const struct sources *sources);

/* Closes all; for_good: also those that the guard keeps, and their files. */
void listen_close(struct listeners *listeners, bool for_good);

#endif
