#ifndef OPS_CRON_WORDS_H
#define OPS_CRON_WORDS_H
/*
 * A schedule as a person would say it: "at 09:00 and 17:30, on Monday-Friday, in January". Pure.
 */
#include "buf.h"
#include "cron.h"

/* Adds the sentence to to. Returns 0, -EMSGSIZE or -ENOMEM. */
int cron_words(const struct cron *cron, struct buf *to);

#endif
