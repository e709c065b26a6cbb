#ifndef OPS_GUARD_H
#define OPS_GUARD_H
/*
 * The guard: the process that is opsd to the outside. It starts the supervisor, starts it again
 * when it dies, and keeps descriptors for it, so that the next one gets all that the last one had.
 *
 * It parses nothing but the messages below, allocates nothing but names, and sleeps until a signal
 * or a message comes: what can break is elsewhere.
 *
 * Messages from the supervisor, one packet each, the first line a verb, then one name a line:
 *   store     keep these descriptors (SCM_RIGHTS, as many as names) under these names
 *   drop      close them
 *   clear     close everything but the guard's own (names with @): all comes anew
 *   ready     the supervisor serves
 *   leaving   it was asked to stop everything and end; another supervisor must go on with that
 *   upgrade   start supervisors from this binary (one descriptor) from now on
 *
 * The supervisor's exit code is an answer too: 0 ends the guard as well, GUARD_AGAIN asks for the
 * next one at once (after an upgrade), anything else is a death. A death before anybody was told
 * that opsd serves ends the guard with the same code: the problem is on the caller's screen.
 */
#include "opsd_options.h"
#include "store.h"

enum { GUARD_AGAIN = 64 };

/* The guard's own: the home, whose lock lives as long as somebody has it open; where to write the
 * byte that says that opsd serves, there until that was done; the way to a running supervisor. */
#define GUARD_HOME "@home"
#define GUARD_STARTED "@started"
#define GUARD_LINK "@link"

/* Runs until the supervisor leaves or cannot be started; returns the exit code. store holds
 * GUARD_HOME at least, and what the supervisor gets. */
int guard_run(const struct options *options, struct store *store);

#endif
