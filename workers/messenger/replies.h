#ifndef OPS_REPLIES_H
#define OPS_REPLIES_H
/*
 * What the bots can say: each reply is a file of replies/ and a row of the table in replies.c.
 *
 * A reply is found by its command ("/plans"), by a deep link (https://t.me/BOT?start=plan_3), or by
 * a button (callback.h). It speaks for the bot of its app.
 */
#include <stddef.h>

#include "buf.h"
#include "talk.h"

struct reply {
    const char *app, *name;
    const char *command; /* with its slash; NULL: none */
    const char *link;    /* the word before _ in a deep link; NULL: none */
    void (*run)(struct talk *talk);
};

/* "shop" or "tgadmin". */
const char *reply_bot(const struct reply *reply);

/* Each returns NULL when there is none. */
const struct reply *reply_by_command(const char *bot, const char *command);
const struct reply *reply_by_name(const char *app, const char *name);
/* The first of that name: a command's, before others. */
const struct reply *reply_named(const char *name);

/* Their names, "APP/NAME" each, after one another with commas. */
int replies_list(struct buf *ret);

/* What is said to words that are no command, in a bot that has replies; NULL: it has none. */
const struct reply *reply_to_words(const char *bot);

/* For buttons. */
extern const struct reply reply_start, reply_unknown, reply_language;
extern const struct reply reply_plans, reply_plan, reply_accesses, reply_access, reply_restore;
extern const struct reply reply_buy, reply_prolong, reply_pay, reply_invoice, reply_cancel;
extern const struct reply reply_models, reply_model, reply_product, reply_checkout;

/* A deep link's payload ("plan_3") in talk->words leads to its reply; an unknown one, or none, to
 * otherwise. */
void reply_follow(struct talk *talk, void (*otherwise)(struct talk *talk));

#endif
