#ifndef OPS_RESTART_H
#define OPS_RESTART_H
/*
 * What happens after an exit. Pure: times are arguments, in milliseconds of a clock that never
 * jumps; chance is an argument too.
 *
 * PM2's fields, except that max_restarts really stops a crash loop: it counts exits younger than
 * min_uptime in a row, however long the delays between them are.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_TRY_LATER = 75,      /* sysexits.h EX_TEMPFAIL: no crash, does not use up the budget */
    EXIT_MISCONFIGURED = 78,  /* sysexits.h EX_CONFIG: trying again cannot help */
    RESTART_WINDOW_MAX = 128, /* exits remembered for restart_window */
};

struct backoff {
    int64_t initial_ms, max_ms; /* initial 0: at once */
    double factor;
    int64_t reset_after_ms; /* this long up: the delay starts from initial again */
    int jitter_percent;
};

struct restart_policy {
    bool autorestart;
    bool one_shot; /* a scheduled run or a task: exit 0 is a good end */
    int64_t min_uptime_ms;
    int max_restarts;
    int64_t restart_delay_ms; /* fixed; 0: backoff decides */
    struct backoff backoff;
    int64_t restart_window_ms; /* 0: off */
    const int *stop_exit_codes;
    size_t stop_exit_codes_count;
};

/* What one instance remembers between its exits; zeroed by a manual start or restart. */
struct restart_history {
    int unstable;    /* exits younger than min_uptime, in a row */
    double delay_ms; /* the last back-off delay before jitter; 0: none yet */
    unsigned exits;
    int64_t exits_at[RESTART_WINDOW_MAX];
};

/* How a process ended: waitid(2)'s si_status, told apart. */
struct exit_status {
    int code; /* valid when signal is 0 */
    int signal;
};

/* What there is to know of a process that ended. */
struct life {
    struct exit_status status;
    int64_t uptime_ms;
    bool ready; /* it once was: a failed start is unstable however long it took */
    int64_t ended_ms;
};

enum restart_verdict {
    RESTART_DONE,    /* a good end: leave it */
    RESTART_AGAIN,   /* start again after delay_ms */
    RESTART_GIVE_UP, /* errored: the budget is used up */
    RESTART_NEVER,   /* errored: exit 78 */
};

struct restart_decision {
    enum restart_verdict verdict;
    int64_t delay_ms;
    bool unstable;
};

/* Decides on an exit and updates history. chance: 0..1 for the jitter. */
struct restart_decision restart_decide(const struct restart_policy *policy,
                                       struct restart_history *history, const struct life *life,
                                       double chance);

/* How long to wait before the next try, and remembers it: of a program that lived uptime_ms, or
 * could not be started at all (0). */
int64_t restart_delay(const struct restart_policy *policy, struct restart_history *history,
                      int64_t uptime_ms, double chance);

#endif
