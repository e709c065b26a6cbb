#ifndef COFFEE_IMPORT_ORDER_H
#define COFFEE_IMPORT_ORDER_H
/*
 * What a job of the queue `import` asks for: {"user_id", "what", "historical", "since"}. Pure.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "vendista.h"

struct import_what {
    const char *name;
    int (*ask)(struct http *, const struct vendista_query *, struct vendista_answer *);
    bool sales;    /* of the owner; else the list of his machines */
    int pages_max; /* a longer list is none, but goes on for ever */
};

struct import_order {
    const struct import_what *what;
    char user[24];
    char since[16]; /* the day of "history"; else "" */
    bool historical;
};

/* Returns NULL, or one sentence that says why the payload orders nothing. */
const char *import_order_read(const cJSON *payload, struct import_order *ret);

#endif
