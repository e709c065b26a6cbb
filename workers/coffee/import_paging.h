#ifndef COFFEE_IMPORT_PAGING_H
#define COFFEE_IMPORT_PAGING_H
/*
 * Which request of an import comes next, and what the answer to the last one means for it. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "vendista.h"

struct paging {
    int page;         /* that is asked for, from 1 */
    int pages_most;   /* a list that is longer does not end */
    bool sign_in;     /* a token is asked for instead */
    bool can_sign_in; /* login and password are known */
    int sign_ins;     /* tokens asked for because one was refused */
    int tries;        /* of the present request that failed */
    int64_t pause_ms; /* before the next request, at least */
};

enum paging_step {
    PAGING_PAGE,           /* a page came, and others follow */
    PAGING_LAST,           /* the last one came */
    PAGING_ENDLESS,        /* a page came, after more of them than there can be */
    PAGING_TOKEN,          /* a token came */
    PAGING_AGAIN,          /* asked again: with a new token, or after a pause */
    PAGING_FAILED,         /* no answer that helps, however often asked */
    PAGING_TOKENS_REFUSED, /* one after the other */
    PAGING_REFUSED,        /* wrong credentials */
    PAGING_UNPAID,
    PAGING_STEPS
};

/* The first request; the list cannot have more pages than pages_max. */
struct paging paging_begin(int pages_max, bool sign_in, bool can_sign_in);

/* Judges the answer to the present request and makes the next one the present one. */
enum paging_step paging_take(struct paging *paging, const struct vendista_answer *answer,
                             uint32_t random);

#endif
