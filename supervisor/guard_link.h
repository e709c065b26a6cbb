#ifndef OPS_GUARD_LINK_H
#define OPS_GUARD_LINK_H
/*
 * The supervisor's side of the guard: descriptors it keeps for the supervisor that comes after a
 * crash, and what becomes of the supervisor when the guard dies.
 *
 * Nothing here waits for the guard longer than a moment: one that does not read is told everything
 * anew once it reads again. A link without a guard only takes notes, with which the supervisor can
 * become the guard itself.
 *
 * Forked children that do not execute (keepers) call guard_link_forget.
 */
#include <stdbool.h>
#include <uv.h>

#include "err.h"
#include "guard_message.h"
#include "opsd_options.h"
#include "store.h"

struct guard_link {
    int fd;                        /* -1: no guard */
    struct store inherited;        /* what nobody took yet, owned */
    struct store kept;             /* what the guard has beside; the descriptors are others' */
    struct guard_message gathered; /* what it was not told yet; of length 0: nothing */
    bool behind;                   /* the guard does not read; it is told all when it does */
    bool ready, leaving;           /* what it was told, or is to be */
    bool watched;
    uv_poll_t poll;
    void (*died)(struct guard_link *link);
    void *data; /* for died */
};

/* Takes the link to the guard and the list of the store (opsd_options.h); each may be -1. None of
 * the descriptors is in a slot then (slots.h). Returns 0 or a negative errno. */
int guard_link_open(struct guard_link *link, int fd, int store);

/* Begins to watch: died is called once, from the loop, when the guard is gone. Returns 0 or a
 * negative errno. */
int guard_link_watch(struct guard_link *link, uv_loop_t *loop,
                     void (*died)(struct guard_link *link));

/* Has the guard keep a copy of the descriptor under that name (store.h says what a name is); it
 * stays the caller's, and before it is closed its name is to be dropped. A name that is there is
 * replaced. The guard is told by the next guard_link_flush, or before it is told anything else.
 * Returns 0, -EINVAL or -ENOMEM; a guard that is not there is no error. */
int guard_link_store(struct guard_link *link, const char *name, int fd);
void guard_link_flush(struct guard_link *link);

/* Has the guard forget a name; one that is not there is no error. */
void guard_link_drop(struct guard_link *link, const char *name);

/* The descriptor that an earlier supervisor stored under the name: the caller's from now on, and
 * still kept. Returns -1 when there is none. */
int guard_link_take(struct guard_link *link, const char *name);

/* Whatever was inherited and not taken is of no use to anybody: closes it here and there. */
void guard_link_drop_rest(struct guard_link *link);

/* The supervisor serves. */
void guard_link_ready(struct guard_link *link);

/* Nobody was told yet that opsd serves: this supervisor is the first in its home. */
bool guard_link_is_first(const struct guard_link *link);

/* Everything is to be stopped; should this supervisor die meanwhile, the next goes on with it. */
void guard_link_leaving(struct guard_link *link);

/* Has the guard start supervisors from another program from now on; the caller then exits with
 * GUARD_AGAIN. Returns 0, or a negative errno with reterr when path is no program or the guard
 * cannot be told. */
int guard_link_upgrade(struct guard_link *link, const char *path, struct err *reterr);

/* Becomes the guard, the old one being gone, by executing this very program with all descriptors
 * that were kept. Children stay children. Returns only on failure, with a negative errno and
 * everything as it was. */
int guard_link_become_guard(struct guard_link *link, const struct options *options);

/* In a forked child: closes the link and what is inherited, and tells the guard nothing. */
void guard_link_forget(struct guard_link *link);

/* Ends the watch. The guard keeps what it has. */
void guard_link_close(struct guard_link *link);

#endif
