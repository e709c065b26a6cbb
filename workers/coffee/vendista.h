#ifndef COFFEE_VENDISTA_H
#define COFFEE_VENDISTA_H
/*
 * Vendista's API, as far as coffee speaks it: get a token, read a page of transactions or of
 * terminals. All requests are GET and carry their secrets in the query string, so no URL is ever
 * logged. What an answer means is decided here, once.
 *
 * A page stays the bytes that came: the database reads its fields (coffee.store_sales).
 * Source: the service's own clients; parameters with other names are silently ignored by it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "http.h"

/* The most that the service puts into one page. */
enum { VENDISTA_PAGE_ITEMS = 1000 };

enum vendista_kind {
    VENDISTA_PAGE,   /* document is a page */
    VENDISTA_TOKEN,  /* token is the new one */
    VENDISTA_DENIED, /* 401, 404: the token is no longer valid, or the credentials are wrong */
    VENDISTA_UNPAID, /* 402: the owner has not paid for the service */
    VENDISTA_FAILED, /* anything else: later */
};

struct vendista_answer {
    enum vendista_kind kind;
    char *document;         /* of a page */
    char *ids;              /* of its items, in order, as PostgreSQL writes an array: {1,2,null} */
    char *token;            /* of VENDISTA_TOKEN; a secret */
    bool more;              /* another page follows */
    int64_t pages;          /* that the whole list has by its own account; 0: unknown */
    bool transient;         /* of VENDISTA_FAILED: asked again, it may answer better */
    int64_t retry_after_ms; /* how long it wants to be left alone; 0: it did not say */
    struct err why;         /* of all but a page and a token; names no secret */
};

/* What to read. Times are local to the service's zone, "2026-01-05T06:50:28". */
struct vendista_query {
    const char *token;
    const char *from, *to; /* transactions only */
    int page;              /* from 1 */
};

/* Each makes one request, once, and blocks for as long; none uses anything but http and its
 * arguments, so that each may run in a thread of its own. Returns 0 with *ret filled, which
 * vendista_done releases (OWN_VENDISTA), or -EINVAL (URL), -EMSGSIZE (credentials that fit into no
 * URL) or -ENOMEM with the reason in ret->why and the kind VENDISTA_FAILED. */
int vendista_sign_in(struct http *http, const char *login, const char *password,
                     struct vendista_answer *ret);
int vendista_transactions(struct http *http, const struct vendista_query *query,
                          struct vendista_answer *ret);
int vendista_terminals(struct http *http, const struct vendista_query *query,
                       struct vendista_answer *ret);

/* Milliseconds after which the request may be made again when it has failed tries times, besides
 * the pause that lies between all requests; -1: it is not to be made again. Pure. */
int64_t vendista_retry_ms(const struct vendista_answer *answer, int tries, uint32_t random);

void vendista_done(struct vendista_answer *answer);

#define OWN_VENDISTA __attribute__((cleanup(vendista_done)))

#endif
