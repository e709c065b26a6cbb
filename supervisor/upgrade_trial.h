#ifndef OPS_UPGRADE_TRIAL_H
#define OPS_UPGRADE_TRIAL_H
/*
 * A new binary of opsd on trial, and the way back to the one before.
 *
 * From an upgrade on supervisors are started from the new binary. It has passed once one of them
 * has served for TRIAL_MS. TRIAL_DEATHS of them, or no service within TRIAL_READY_MS, and the one
 * before is taken again. Owns the two descriptors; looks at no clock.
 */
#include <stdbool.h>
#include <stdint.h>

enum { TRIAL_MS = 10000, TRIAL_READY_MS = 30000, TRIAL_DEATHS = 3 };

struct trial {
    int binary;      /* what supervisors are started from */
    int previous;    /* what they were started from before; -1: nothing is on trial */
    bool under_way;  /* the present supervisor is of the one on trial */
    unsigned deaths; /* of such supervisors */
};

/* Puts a binary on trial, which is the trial's from now on, in the place of one that may be. */
void trial_begin(struct trial *trial, int binary);

/* A supervisor was started. */
void trial_started(struct trial *trial);

/* It died. Returns true when that was once too often: from now on it is the one before. */
bool trial_died(struct trial *trial);

/* When the supervisor has served for long enough or, with ready_ms 0, has had enough time to get
 * ready; 0: never. */
int64_t trial_due_ms(const struct trial *trial, int64_t started_ms, int64_t ready_ms);

/* Its time to get ready is over: its death, which is to follow, is the last. */
void trial_give_up(struct trial *trial);

/* It has passed. */
void trial_pass(struct trial *trial);

#endif
