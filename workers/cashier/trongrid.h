#ifndef CASHIER_TRONGRID_H
#define CASHIER_TRONGRID_H
/*
 * TronGrid, as far as cashier speaks it: the height of the chain, transfers to an address,
 * receipts. What an answer means is decided here, once.
 *
 * The list is an index that may lag, repeat, or show what a fork took away: it says where to look.
 * What was paid is what the receipt says. Both are read strictly: whatever is not understood is no
 * answer, and never taken for "nothing there".
 *
 * Nothing here logs. The key is in no error text.
 * Sources: developers.tron.network (TronGrid v1, /wallet and /walletsolidity); java-tron for errors
 * in answers of 200; trongrid issues 7, 16 and 23 for what the index does.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "http.h"
#include "json.h"
#include "tron_address.h"

/* The most that one page holds. */
enum { TRON_PAGE_ITEMS = 200 };
enum { TRON_TXID_DIGITS = 64 };

/* Where to ask and which token counts. The texts are borrowed. */
struct trongrid {
    struct http *http;
    const char *url, *key; /* key "": none is sent */
    const char *contract_text;
    unsigned char contract[TRON_ADDRESS_BYTES];
};

/* --- questions: each is started, and http_collect has the answer. They return what http_submit
 * does, or -EMSGSIZE. tag comes back in the reply. */

int trongrid_ask_height(const struct trongrid *tron, void *tag);

/* Transfers to address from since on (milliseconds), oldest first; fingerprint is that of the page
 * before with the same since, or NULL. */
struct trongrid_list {
    const char *address;
    int64_t since;
    const char *fingerprint;
};
int trongrid_ask_list(const struct trongrid *tron, const struct trongrid_list *list, void *tag);

/* solid: from blocks that no fork can take away any more. */
int trongrid_ask_receipt(const struct trongrid *tron, const char *txid, bool solid, void *tag);

/* --- answers */

enum trongrid_verdict {
    TRONGRID_USELESS, /* no answer, an error, something else than expected */
    TRONGRID_ANSWER,  /* json is what was asked for, as far as its envelope goes */
    TRONGRID_LIMITED, /* asked too often: the same again after wait_ms */
    TRONGRID_DENIED,  /* the key is not accepted: no other question will fare better */
};

struct trongrid_answer {
    enum trongrid_verdict verdict;
    cJSON *json;     /* of TRONGRID_ANSWER: an object */
    struct err why;  /* of all others, one line */
    int64_t wait_ms; /* of TRONGRID_LIMITED, as the server asks, else 0 */
};

/* Returns 0 with *ret filled, which trongrid_answer_done releases, or -ENOMEM. */
int trongrid_answer_read(const struct http_reply *reply, struct trongrid_answer *ret);
void trongrid_answer_done(struct trongrid_answer *answer);

#define OWN_TRONGRID_ANSWER __attribute__((cleanup(trongrid_answer_done)))

/* The readers return -EBADMSG with reterr filled for what they do not understand. */

int trongrid_read_height(const cJSON *answer, int64_t *ret, struct err *reterr);

/* One page: its items, how many, and how to go on. Borrows from answer. */
struct trongrid_page {
    const cJSON *items;
    int count;
    const char *fingerprint; /* of the next page, or NULL */
};
int trongrid_read_page(const cJSON *answer, struct trongrid_page *ret, struct err *reterr);

/* What one item of a page says. */
struct trongrid_item {
    char txid[TRON_TXID_DIGITS + 1]; /* lower case */
    int64_t time;                    /* milliseconds */
    bool ours; /* a Transfer of our token, of more than nothing, to the recipient */
};
int trongrid_read_item(const struct trongrid *tron, const cJSON *item,
                       const unsigned char recipient[static TRON_ADDRESS_BYTES],
                       struct trongrid_item *ret, struct err *reterr);

struct trongrid_receipt {
    bool known;     /* the node has the transaction in a block */
    bool succeeded; /* else it changed nothing */
    int64_t block;
    int64_t time;      /* milliseconds; 0: not said */
    const cJSON *logs; /* borrowed from the answer; NULL: none */
};
int trongrid_read_receipt(const cJSON *answer, const char *txid, struct trongrid_receipt *ret,
                          struct err *reterr);

/* What a transaction moved to one recipient: the sum of its transfers there. */
struct trongrid_sum {
    char *amount; /* decimal digits, in the token's smallest unit; NULL: nothing */
    unsigned char from[TRON_ADDRESS_BYTES]; /* of the first transfer */
};
/* A receipt that did not succeed moved nothing. The caller frees ret->amount. Returns 0, -EBADMSG
 * or -ENOMEM. */
int trongrid_read_sum(const struct trongrid *tron, const struct trongrid_receipt *receipt,
                      const unsigned char recipient[static TRON_ADDRESS_BYTES],
                      struct trongrid_sum *ret, struct err *reterr);

#endif
