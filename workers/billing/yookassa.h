#ifndef BILLING_YOOKASSA_H
#define BILLING_YOOKASSA_H
/*
 * YooKassa's API v3, as far as billing speaks it (https://yookassa.ru/developers/api): charge a
 * saved method, ask for one payment, list payments. What an answer means is decided here, once.
 *
 * Payments stay the bytes that came: the database reads their fields (billing.settle), to the last
 * digit.
 * Nothing here logs. The secret key is in no error text.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "http.h"

enum answer_kind {
    ANSWER_UNKNOWN,   /* it may or may not have acted: same key and body again, later */
    ANSWER_PAYMENT,   /* document is the payment */
    ANSWER_REFUSED,   /* the provider itself says: not done, and repeating it is no use */
    ANSWER_NOT_FOUND, /* no such payment */
    ANSWER_DENIED,    /* our credentials or rights: no other request will fare better */
    ANSWER_KINDS,
};

struct answer {
    enum answer_kind kind;
    const char *document; /* of ANSWER_PAYMENT, with id and status: the reply's body; else NULL */
    char reason[96];      /* of ANSWER_REFUSED: "request PARAMETER" or "request CODE", ASCII */
    struct err why;       /* of all but ANSWER_PAYMENT, ASCII */
    int64_t wait_ms;      /* the provider asks us to wait so long; else 0 */
};

/* Judges the answer to yookassa_charge or yookassa_ask; *ret lives as long as reply. Fails with
 * -ENOMEM only. */
int answer_read(const struct http_reply *reply, struct answer *ret);

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
    bool absence;       /* what is not listed will count as never made */
};

struct payment_page {
    char *document; /* a JSON object; its items are the payments */
    int count;      /* payments in it */
    bool sound;     /* each is an object with an id and a status: what is not in it is absent */
    char *cursor;   /* of the next page; NULL on the last */
};

/* Asks for the page at cursor (NULL: the first, which has the newest), repeating the request as
 * http_call does. Returns 0, or with the reason in reterr: -EACCES (as ANSWER_DENIED), -EAGAIN (no
 * usable answer), -EINVAL (URL), -ENOMEM. The caller calls page_done (OWN_PAGE). */
int yookassa_list(struct http *http, const struct payment_filter *filter, const char *cursor,
                  struct payment_page *ret, struct err *reterr);
void page_done(struct payment_page *page);

#define OWN_PAGE __attribute__((cleanup(page_done)))

#endif
