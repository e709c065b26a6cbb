/* What happens after an exit. */
#include "restart.h"

static bool is_good_end(const struct restart_policy *policy, struct exit_status status)
{
    if (status.signal)
        return false;
    if (policy->one_shot && status.code == 0)
        return true;
    for (size_t i = 0; i < policy->stop_exit_codes_count; i++)
        if (policy->stop_exit_codes[i] == status.code)
            return true;
    return false;
}

/* Remembers this exit and tells how many there were within the window, this one included. */
static int remember_exit(struct restart_history *history, int64_t window_ms, int64_t now_ms)
{
    unsigned kept = history->exits < RESTART_WINDOW_MAX ? history->exits : RESTART_WINDOW_MAX;
    int within = 1;

    for (unsigned i = 0; i < kept; i++)
        within += now_ms - history->exits_at[i] < window_ms;
    history->exits_at[history->exits++ % RESTART_WINDOW_MAX] = now_ms;
    return within;
}

int64_t restart_delay(const struct restart_policy *policy, struct restart_history *history,
                      int64_t uptime_ms, double chance)
{
    const struct backoff *b = &policy->backoff;
    double delay;

    if (policy->restart_delay_ms)
        return policy->restart_delay_ms;
    if (history->delay_ms <= 0 || uptime_ms >= b->reset_after_ms)
        delay = (double)b->initial_ms;
    else
        delay = history->delay_ms * b->factor;
    if (delay > (double)b->max_ms)
        delay = (double)b->max_ms;
    history->delay_ms = delay;
    return (int64_t)(delay + delay * b->jitter_percent / 100.0 * (2.0 * chance - 1.0));
}

/* Returns whether it was one too many. */
static bool count_exit(const struct restart_policy *policy, struct restart_history *history,
                       bool unstable, int64_t now_ms)
{
    int within = remember_exit(history, policy->restart_window_ms, now_ms);

    history->unstable = unstable ? history->unstable + 1 : 0;
    return (unstable && history->unstable >= policy->max_restarts) ||
           (policy->restart_window_ms && within >= policy->max_restarts);
}

struct restart_decision restart_decide(const struct restart_policy *policy,
                                       struct restart_history *history, const struct life *life,
                                       double chance)
{
    struct restart_decision decision = { .verdict = RESTART_AGAIN };
    struct exit_status status = life->status;
    bool later = !status.signal && status.code == EXIT_TRY_LATER;

    if (is_good_end(policy, status))
        return (struct restart_decision){ .verdict = RESTART_DONE };
    if (!status.signal && status.code == EXIT_MISCONFIGURED)
        return (struct restart_decision){ .verdict = RESTART_NEVER };
    if (!policy->autorestart)
        return (struct restart_decision){ .verdict = RESTART_DONE };

    decision.unstable = !later && (life->uptime_ms < policy->min_uptime_ms || !life->ready);
    if (!later && count_exit(policy, history, decision.unstable, life->ended_ms))
        decision.verdict = RESTART_GIVE_UP;
    else
        decision.delay_ms = restart_delay(policy, history, life->uptime_ms, chance);
    return decision;
}
