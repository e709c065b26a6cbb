#ifndef OPS_BOT_PAUSE_H
#define OPS_BOT_PAUSE_H
/*
 * When a bot as a whole is left alone, told from its last answers: pure decisions, the time is an
 * argument. Jobs that wait use no attempt, so that an outage of the service costs none of them its
 * three.
 */
#include <stdbool.h>
#include <stdint.h>

#include "telegram_answer.h"

/* What is known of one bot; zeroed: nothing. */
struct bot_pause {
    int waits; /* answers in a row that said so */
    int64_t wait_ms;
    int failures; /* calls in a row that failed for no fault of theirs */
    int rounds;   /* pauses since the last call that did not */
    int64_t until_ms;
};

/* The call never left this host: Telegram has not seen it, and no attempt was made. */
bool answer_is_unsent(const struct telegram_answer *answer);

/* Takes note of an answer at now_ms (of any steady clock); random: any number, the jitter. Returns
 * for how many milliseconds nothing of the bot may start; 0: nothing new. */
int64_t bot_pause_after(struct bot_pause *pause, const struct telegram_answer *answer,
                        int64_t now_ms, uint32_t random);

/* Milliseconds until the pause for want of answers is over, at least 1. */
int64_t bot_pause_left(const struct bot_pause *pause, int64_t now_ms);

#endif
