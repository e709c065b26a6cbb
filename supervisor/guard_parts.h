#ifndef OPS_GUARD_PARTS_H
#define OPS_GUARD_PARTS_H
/*
 * What the guard knows, for the two files that it is made of: guard.c, its life, and
 * guard_orders.c, what the supervisor tells it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard.h"
#include "guard_message.h"
#include "upgrade_trial.h"

struct guard {
    struct options options;
    struct store *store;
    int signals; /* signalfd(2) */
    int link;    /* to the supervisor; -1: none */
    struct trial trial;
    pid_t pid;          /* of the supervisor; ours until it is reaped, so safe to signal. 0: none */
    int64_t started_ms; /* monotonic, as all here */
    int64_t ready_ms;   /* 0: it does not serve yet */
    int64_t start_at_ms; /* when to start the next; 0: not */
    unsigned quick;      /* supervisors in a row that died quickly */
    int leaving;         /* the signal to leave, for the next supervisor too; 0: none */
    bool over;
    int code; /* to leave with, once over */
};

/* Does what a message says; the descriptors that nobody wants are closed. */
void guard_obey(struct guard *guard, struct guard_message *message);

#endif
