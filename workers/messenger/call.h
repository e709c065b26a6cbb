#ifndef OPS_CALL_H
#define OPS_CALL_H
/*
 * A reply by a person's order: the code that the service runs, on a connection that is waited for.
 * For call_command and call_inline_reply.
 */
#include "replies.h"
#include "telegram_ask.h"
#include "worker.h"

/* What such a command needs, for WORKER_NEEDS. */
#define CALL_NEEDS TELEGRAM_ASK_NEEDS, "TRANSLATION"

/* Says to a customer (his id as text) what the reply says; words are its arguments. Prints what is
 * enqueued. A dry run asks Telegram only what changes nothing there. Returns 0 or a negative errno,
 * logged. */
int call_reply(struct run *run, const char *customer, const struct reply *reply,
               const struct callback *words);

/* For a reply that there is not: logs what there is. Returns -ENOENT. */
int call_unknown(struct run *run, const char *asked);

#endif
