/*
 * What can be imported, and how a job says so.
 */
#include "import_order.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

/* A machine sells a few hundred cups a day, and a page holds a thousand. */
static const struct import_what whats[] = {
    { "last24h", vendista_transactions, true, 200 },
    { "daily", vendista_transactions, true, 200 },
    { "weekly", vendista_transactions, true, 1000 },
    { "history", vendista_transactions, true, 100000 },
    { "terminals", vendista_terminals, false, 100 },
};

static const struct import_what *what_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof whats / sizeof *whats; i++)
        if (strcmp(whats[i].name, name) == 0)
            return &whats[i];
    return NULL;
}

const char *import_order_read(const cJSON *payload, struct import_order *ret)
{
    struct import_order order = {
        .what = what_find(json_get_text(payload, "what")),
        .historical = json_get_bool(payload, "historical"),
    };
    const char *since = json_get_text(payload, "since");
    int64_t user;

    if (json_get_id(payload, "user_id", &user) < 0 || user <= 0)
        return "user_id: want the number of a user";
    if (!order.what)
        return "what: want last24h, daily, weekly, terminals or history";
    if (strcmp(order.what->name, "history") == 0) {
        if (!since || strlen(since) >= sizeof order.since)
            return "since: want a day such as 2026-01-31";
        order.historical = true;
        (void)snprintf(order.since, sizeof order.since, "%s", since);
    }
    (void)snprintf(order.user, sizeof order.user, "%lld", (long long)user);
    *ret = order;
    return NULL;
}
