/* The two reasons to leave a bot alone: it is told to wait, or nobody answers it. */
#include "bot_pause.h"

#include "job_outcome.h"

/* So many chats in a row that are told to wait mean that the bot as a whole is to. */
enum { WAITS_IN_A_ROW = 3 };

/* So many answers in a row without sense are no matter of one message. */
enum { FAILURES_IN_A_ROW = 5 };

bool answer_is_unsent(const struct telegram_answer *answer)
{
    return answer->verdict == TELEGRAM_RETRY && answer->status == 0 && !answer->unknown;
}

static int64_t told_to_wait(struct bot_pause *pause, int64_t wait_ms)
{
    if (pause->waits++ == 0 || wait_ms < pause->wait_ms)
        pause->wait_ms = wait_ms;
    if (pause->waits < WAITS_IN_A_ROW)
        return 0;
    pause->waits = 0;
    return pause->wait_ms;
}

/* Each round is longer; those that were under way when it began belong to it. */
static int64_t failed(struct bot_pause *pause, int64_t now_ms, uint32_t random)
{
    int64_t ms;

    if (now_ms < pause->until_ms)
        return 0;
    ms = job_retry_delay(++pause->rounds, random);
    pause->until_ms = now_ms + ms;
    return ms;
}

int64_t bot_pause_after(struct bot_pause *pause, const struct telegram_answer *answer,
                        int64_t now_ms, uint32_t random)
{
    if (answer->verdict == TELEGRAM_WAIT)
        return told_to_wait(pause, answer->retry_after_ms);
    pause->waits = 0;
    if (answer->verdict == TELEGRAM_RETRY) {
        pause->failures++;
        return answer_is_unsent(answer) || pause->failures >= FAILURES_IN_A_ROW
                   ? failed(pause, now_ms, random)
                   : 0;
    }
    pause->failures = pause->rounds = 0;
    return 0;
}

int64_t bot_pause_left(const struct bot_pause *pause, int64_t now_ms)
{
    return pause->until_ms > now_ms ? pause->until_ms - now_ms : 1;
}
