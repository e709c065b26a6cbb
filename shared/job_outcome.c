/*
 * The table of outcomes, and the growing pause between attempts.
 */
#include "job_outcome.h"

#include "limits.h"

enum ends {
    ENDS_DONE,
    ENDS_DEAD,
    ENDS_CANCELLED,
    AGAIN,          /* available */
    AGAIN_IF_LEFT,  /* available while attempts are left, else dead */
    AGAIN_IF_TWICE, /* available unless it must not be done twice */
    AGAIN_IF_BOTH,
};

/* clang-format off */
static const struct {
    enum ends ends;
    bool uses_attempt;
    bool kept, interrupted;
    bool holds_lane; /* it stays the lane's head: the lane waits as long as the job */
} rows[JOB_OUTCOMES] = {
    /*                     ends             attempt kept   interrupted lane */
    [JOB_DONE]        = { ENDS_DONE,        true,  false, false, false },
    [JOB_RETRY]       = { AGAIN_IF_LEFT,    true,  true,  false, true },
    [JOB_UNKNOWN]     = { AGAIN_IF_BOTH,    true,  true,  false, true },
    [JOB_INTERRUPTED] = { AGAIN_IF_TWICE,   false, true,  true,  true },
    [JOB_WAIT]        = { AGAIN,            false, false, false, true },
    [JOB_HOLD]        = { AGAIN,            false, false, false, false },
    [JOB_GIVE_BACK]   = { AGAIN,            false, false, false, true },
    [JOB_DEAD]        = { ENDS_DEAD,        true,  false, false, false },
    [JOB_CANCELLED]   = { ENDS_CANCELLED,   true,  false, false, false },
};
/* clang-format on */

int64_t job_retry_delay(int n, uint32_t random)
{
    int64_t delay = JOB_RETRY_FIRST_MS;

    for (int i = 1; i < n && delay < JOB_RETRY_MOST_MS; i++)
        delay *= 2;
    if (delay > JOB_RETRY_MOST_MS)
        delay = JOB_RETRY_MOST_MS;
    return delay - (int64_t)(random % (uint32_t)(delay / 2 + 1));
}

static const char *state_of(enum ends ends, const struct job_facts *facts)
{
    bool left = facts->attempt < facts->max_attempts;
    bool twice = !facts->at_most_once;

    switch (ends) {
    case ENDS_DONE:
        return "done";
    case ENDS_CANCELLED:
        return "cancelled";
    case ENDS_DEAD:
        return "dead";
    case AGAIN_IF_LEFT:
        return left ? "available" : "dead";
    case AGAIN_IF_TWICE:
        return twice ? "available" : "dead";
    case AGAIN_IF_BOTH:
        return left && twice ? "available" : "dead";
    case AGAIN:
        break;
    }
    return "available";
}

struct job_fate job_decide(enum job_outcome outcome, const struct job_facts *facts)
{
    struct job_fate fate = {
        .state = state_of(rows[outcome].ends, facts),
        .attempt = facts->attempt - !rows[outcome].uses_attempt,
        .kept = rows[outcome].kept,
        .interrupted = rows[outcome].interrupted,
        .lane_wake_ms = -1,
    };

    if (fate.state[0] != 'a')
        return fate;
    if (outcome == JOB_RETRY || outcome == JOB_UNKNOWN)
        fate.wait_ms = job_retry_delay(facts->attempt, facts->random);
    else if (outcome == JOB_WAIT || outcome == JOB_HOLD)
        fate.wait_ms = facts->wait_ms > 0 ? facts->wait_ms : 0;
    fate.lane_wake_ms = fate.wait_ms;
    fate.lane_wait_ms = rows[outcome].holds_lane ? fate.wait_ms : 0;
    return fate;
}
