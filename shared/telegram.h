#ifndef OPS_TELEGRAM_H
#define OPS_TELEGRAM_H
/*
 * The Bot API, asynchronously, on a libuv loop: many requests at a time over kept connections, with
 * HTTP/2 where the server has it.
 *
 * It sends and reads; it does not pace, repeat or queue. Rates are the queue's (ops.rate_take),
 * what an answer means is telegram_answer.h's, and what follows from that is the caller's.
 *
 * Ambiguity: the Bot API has no idempotency key. A request that is not repeatable leaves this host
 * at most once, and an answer that does not tell whether Telegram acted has unknown set.
 * The token is part of the URL, and so in no log and in no error text.
 */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "buf.h"
#include "err.h"
#include "telegram_answer.h"

struct telegram;

/* The answer belongs to the client and is gone after the callback; TAKE(answer->result) keeps what
 * it found. Not called from inside of telegram_call. */
typedef void telegram_done(struct telegram_answer *answer, void *tag);

struct telegram_request {
    const char *token;
    const char *method; /* "sendMessage" */
    const char *body;   /* a JSON object; NULL for none */
    int64_t timeout_ms; /* 0: TELEGRAM_TIMEOUT_MS */
    bool repeatable;    /* twice does no harm (reads, deletions) */
    telegram_done *done;
    void *tag;
};

/* base_url as TELEGRAM_API_URL has it; in_flight from 1 to HTTP_IN_FLIGHT_MAX. Returns 0, -EINVAL
 * or -ENOMEM. */
int telegram_open(uv_loop_t *loop, const char *base_url, int in_flight, struct telegram **ret,
                  struct err *reterr);

/* Copies what it needs. Returns 0, and done is called once; or, and done is not called, -EBUSY
 * (in_flight reached), -EINVAL (the token cannot be part of a URL) or -ENOMEM. */
int telegram_call(struct telegram *telegram, const struct telegram_request *request);

/* Adds the URL of a method to url, for whoever asks in another way (telegram_ask.h). Returns 0,
 * -EINVAL (the token cannot be part of a URL, or it is too long) or -ENOMEM. */
int telegram_url(const char *base_url, const char *token, const char *method, struct buf *url);

/* Gives up what is in flight without calling done, and frees everything once the loop has turned:
 * run the loop until it is empty. Accepts NULL. */
void telegram_close(struct telegram *telegram);

#endif
