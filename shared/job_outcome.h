#ifndef OPS_JOB_OUTCOME_H
#define OPS_JOB_OUTCOME_H
/*
 * What becomes of a job: pure decisions, without a clock, a database or a random number of their
 * own.
 */
#include <stdbool.h>
#include <stdint.h>

enum job_outcome {
    JOB_DONE,
    JOB_RETRY,       /* it failed */
    JOB_UNKNOWN,     /* nobody can tell whether it worked */
    JOB_INTERRUPTED, /* we were told to stop before it ended; as unknown, and no failure */
    JOB_WAIT,        /* told to wait: no attempt is used, the lane waits */
    JOB_HOLD,        /* held back: no attempt is used, the lane goes on */
    JOB_GIVE_BACK,   /* not even started */
    JOB_DEAD,
    JOB_CANCELLED,
    JOB_OUTCOMES
};

struct job_facts {
    int attempt; /* from 1 */
    int max_attempts;
    bool at_most_once; /* must not be done twice */
    int64_t wait_ms;   /* of JOB_WAIT and JOB_HOLD */
    uint32_t random;   /* any number: the jitter */
};

struct job_fate {
    const char *state; /* of ops.job: done, dead, cancelled, available */
    /* Of one that is available again: */
    int attempt;      /* what it counts as used */
    int64_t wait_ms;  /* not before */
    bool kept;        /* the reason is added to errors, and does not only become last_error */
    bool interrupted; /* said in errors */
    /* Of its lane: */
    int64_t lane_wait_ms; /* nothing of it before */
    int64_t lane_wake_ms; /* the job wants it again in so many ms; -1: no longer */
};

struct job_fate job_decide(enum job_outcome outcome, const struct job_facts *facts);

/* The pause after the n-th failure (from 1): doubles from one second, at most JOB_RETRY_MOST_MS, of
 * which the random half is left out, so that what failed together is not repeated together. */
int64_t job_retry_delay(int n, uint32_t random);

#endif
