/* The table of replies. */
#include "replies.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct reply *const replies[] = {
    /* the shop */
    &reply_start, &reply_unknown, &reply_language,
    &reply_plans, &reply_plan, &reply_accesses, &reply_access, &reply_restore,
    &reply_buy, &reply_prolong, &reply_pay, &reply_invoice, &reply_cancel,
    /* document 003 */
    &reply_models, &reply_model, &reply_product, &reply_checkout,
};
/* clang-format on */

enum { REPLIES = sizeof replies / sizeof *replies };

const char *reply_bot(const struct reply *reply)
{
    return strcmp(reply->app, "tgadmin") == 0 ? "tgadmin" : "shop";
}

static bool is_of(const struct reply *reply, const char *bot)
{
    return strcmp(reply_bot(reply), bot) == 0;
}

static bool is_same(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

const struct reply *reply_by_command(const char *bot, const char *command)
{
    for (int i = 0; i < REPLIES; i++)
        if (is_of(replies[i], bot) && is_same(replies[i]->command, command))
            return replies[i];
    return NULL;
}

static const struct reply *reply_by_link(const char *bot, const char *link)
{
    for (int i = 0; i < REPLIES; i++)
        if (is_of(replies[i], bot) && is_same(replies[i]->link, link))
            return replies[i];
    return NULL;
}

const struct reply *reply_by_name(const char *app, const char *name)
{
    for (int i = 0; i < REPLIES; i++)
        if (is_same(replies[i]->app, app) && is_same(replies[i]->name, name))
            return replies[i];
    return NULL;
}

const struct reply *reply_named(const char *name)
{
    const struct reply *found = NULL;

    for (int i = REPLIES - 1; i >= 0; i--)
        if (is_same(replies[i]->name, name) && (!found || replies[i]->command || !found->command))
            found = replies[i];
    return found;
}

int replies_list(struct buf *ret)
{
    int r = 0;

    for (int i = 0; i < REPLIES && r == 0; i++)
        r = buf_printf(ret, "%s%s/%s", i ? ", " : "", replies[i]->app, replies[i]->name);
    return r;
}

const struct reply *reply_to_words(const char *bot)
{
    static const struct reply *const said[] = { &reply_unknown, &reply_models };

    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (is_of(said[i], bot))
            return said[i];
    return NULL;
}

void reply_follow(struct talk *talk, void (*otherwise)(struct talk *talk))
{
    const struct reply *reply = NULL;
    char link[CALLBACK_BYTES_MAX + 1];

    (void)snprintf(link, sizeof link, "%s", talk_arg(talk, 0));
    if (callback_divide(link, '_', &talk->words) == 0 && talk->words.argc) {
        reply = reply_by_link(talk->bot, talk->words.args[0]);
        talk->words.argc--;
        memmove(talk->words.args, talk->words.args + 1,
                CALLBACK_ARGS_MAX * sizeof talk->words.args[0]);
    }
    if (reply)
        talk_run(talk, reply);
    else
        otherwise(talk);
}
