#ifndef BILLING_YOOKASSA_H
#define BILLING_YOOKASSA_H
/*
 * YooKassa's API v3, as far as billing speaks it (https://yookassa.ru/developers/api): charge a
 * saved method, ask for one payment, list payments. What an answer means is decided here, once.
 *
 * Payments stay JSON text: the database reads their fields (billing.settle).
 * Nothing here logs. The secret key is in no error text.
 */
#include <stdint.h>

#include "err.h"
#include "http.h"

enum answer_kind {
    ANSWER_UNKNOWN,   /* it may or may not have acted: same key and body again, later */
    ANSWER_PAYMENT,   /* document is the payment */
    ANSWER_REFUSED,   /* certainly not done, and repeating it is no use */
    ANSWER_NOT_FOUND, /* no such payment */
    ANSWER_DENIED,    /* our credentials or rights: no other request will fare better */
    ANSWER_KINDS,
};

struct answer {
    enum answer_kind kind;
    char *document;  /* of ANSWER_PAYMENT, with id and status; else NULL */
    char reason[96]; /* of ANSWER_REFUSED: "request PARAMETER" or "request CODE", ASCII */
    struct err why;  /* of all but ANSWER_PAYMENT, ASCII */
    int64_t wait_ms; /* the provider asks us to wait so long; else 0 */
};

/* Judges the answer to yookassa_charge or yookassa_ask. The caller calls answer_done (OWN_ANSWER).
 * Fails with -ENOMEM only. */
int answer_read(const struct http_reply *reply, struct answer *ret);
void answer_done(struct answer *answer);

#define OWN_ANSWER __attribute__((cleanup(answer_done)))

/* Start a request, for http_collect to finish; row comes back by answer_row. They return what
 * http_submit does. request is the exact body: the provider compares it with what it got before
 * under this key, which it remembers for 24 hours. */
int yookassa_charge(struct http *http, const char *key, const char *request, int row);
int yookassa_ask(struct http *http, const char *payment_id, int row);
int answer_row(const struct http_reply *reply);

/* Which payments to list. Instants are RFC 3339. */
struct payment_filter {
    const char *status; /* NULL: any */
    const char *field;  /* "created_at" or "captured_at" */
    const char *from;   /* inclusive */
    const char *to;     /* inclusive; NULL: no end */
};

struct payment_page {
    char *items;  /* a JSON array */
    int count;    /* payments in it */
    char *cursor; /* of the next page; NULL on the last */
};

/* Asks for the page at cursor (NULL: the first, which has the newest), repeating the request as
 * http_call does. Returns 0, or with the reason in reterr: -EACCES (as ANSWER_DENIED), -EAGAIN (no
 * usable answer), -EINVAL (URL), -ENOMEM. The caller calls page_done (OWN_PAGE). */
int yookassa_list(struct http *http, const struct payment_filter *filter, const char *cursor,
                  struct payment_page *ret, struct err *reterr);
void page_done(struct payment_page *page);

#define OWN_PAGE __attribute__((cleanup(page_done)))

#endif
