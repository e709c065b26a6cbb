/* A new binary of opsd on trial, and the way back to the one before. */
#include "upgrade_trial.h"

#include <unistd.h>

void trial_begin(struct trial *trial, int binary)
{
    if (trial->previous < 0)
        trial->previous = trial->binary;
    else
        (void)close(trial->binary);
    trial->binary = binary;
    trial->deaths = 0;
}

void trial_started(struct trial *trial)
{
    trial->under_way = trial->previous >= 0;
}

static void roll_back(struct trial *trial)
{
    (void)close(trial->binary);
    trial->binary = trial->previous;
    trial->previous = -1;
}

bool trial_died(struct trial *trial)
{
    if (!trial->under_way || ++trial->deaths < TRIAL_DEATHS)
        return false;
    roll_back(trial);
    return true;
}

int64_t trial_due_ms(const struct trial *trial, int64_t started_ms, int64_t ready_ms)
{
    if (!trial->under_way)
        return 0;
    return ready_ms ? ready_ms + TRIAL_MS : started_ms + TRIAL_READY_MS;
}

void trial_give_up(struct trial *trial)
{
    trial->deaths = TRIAL_DEATHS;
}

void trial_pass(struct trial *trial)
{
    (void)close(trial->previous);
    trial->previous = -1;
    trial->under_way = false;
}
