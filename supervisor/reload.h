#ifndef OPS_RELOAD_H
#define OPS_RELOAD_H
/*
 * Putting a new process in the place of one that serves: the new one must be ready before the old
 * one is asked to leave; when it never is, the old one stays.
 *
 * Pure: for as long as it lasts there are two machines, and reload_settle looks at both, as often
 * as one likes, and says what is to be done next. A worker that does not tell when it is ready has
 * to stay up for min_uptime instead.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "machine.h"

enum reload_phase {
    RELOAD_NONE,
    RELOAD_TRYING,   /* the old one serves, the new one has to get ready */
    RELOAD_RETIRING, /* the new one serves, the old one leaves */
    RELOAD_CLEARING, /* the old one serves on, the new one is taken away again */
};

enum reload_action {
    RELOAD_DO_NOTHING,
    RELOAD_DO_RESTART,   /* there is nothing to keep up: an ordinary restart does */
    RELOAD_DO_START_NEW, /* machine_start of the new one */
    RELOAD_DO_SWAP,      /* the new one takes the old one's place, whose machine_stop is called */
    RELOAD_DO_PROMOTE,   /* the new one takes the place of an old one that is gone */
    RELOAD_DO_STOP_NEW,  /* machine_stop of the new one */
    RELOAD_DO_DROP_NEW,  /* the new one is gone: forget it before its machine tries again */
    RELOAD_DO_DROP_OLD,  /* the old one is gone */
};

enum reload_result { RELOAD_UNDER_WAY, RELOAD_DONE, RELOAD_FAILED };

/* Plain data without pointers; all zero is none. */
struct reload {
    enum reload_phase phase;
    enum reload_result result; /* for whoever asked; FAILED is known before the phase is NONE */
    int64_t due_ms;            /* look again then; 0: when something happens */
    struct err why;            /* of RELOAD_FAILED */
};

/* From when on a new process that is online has proven that it serves. */
int64_t reload_proven_at(const struct app *app, const struct machine *new);

/* Begins. Returns 0, or -EBUSY, "reload in progress", and nothing changes. */
int reload_begin(struct reload *reload, const struct app *app, const struct machine *old,
                 enum reload_action *ret, struct err *reterr);

/* Looks at both, and says what to do now. Once the phase is RELOAD_NONE the result stands. */
enum reload_action reload_settle(struct reload *reload, const struct app *app,
                                 const struct machine *old, const struct machine *new,
                                 int64_t now_ms);

#endif
