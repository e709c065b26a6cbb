/* Buying and prolonging: what it costs, before an address is taken for it. */
#include "replies.h"

enum { OFFER_ID, OFFER_TITLE, OFFER_PRICE, OFFER_DAYS, OFFER_ACCESS };

static void offer(struct talk *talk, const struct rows *rows)
{
    const char *access;

    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    access = rows_text(rows, 0, OFFER_ACCESS);
    talk_say(talk,
             access ? _("You prolong <b>{{title}}</b> by {{days}} days for {{price}} USDT.\n"
                        "The offer stands for 30 minutes.")
                    : _("You buy <b>{{title}}</b> for {{days}} days: {{price}} USDT.\n"
                        "The offer stands for 30 minutes."),
             FIELDS("title", rows_text(rows, 0, OFFER_TITLE), "days",
                    rows_text(rows, 0, OFFER_DAYS), "price", rows_text(rows, 0, OFFER_PRICE)));
    talk_button(talk, &(struct button){ .label = _("Pay with USDT (TRC-20)"),
                                        .reply = &reply_pay,
                                        .args = { rows_text(rows, 0, OFFER_ID), access } });
    talk_button(talk, &(struct button){ .label = _("All plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void run_buy(struct talk *talk)
{
    const char *plan = talk_arg_id(talk, 0);

    if (plan)
        talk_ask(talk, offer, MESSENGER_SQL_OFFER, talk->customer, plan, NULL, talk->now);
    else
        talk_stale(talk);
}

const struct reply reply_buy = {
    .app = "cashier",
    .name = "buy",
    .link = "buy",
    .run = run_buy,
};

static void run_prolong(struct talk *talk)
{
    const char *access = talk_arg_id(talk, 0);

    if (access)
        talk_ask(talk, offer, MESSENGER_SQL_OFFER, talk->customer, NULL, access, talk->now);
    else
        talk_stale(talk);
}

const struct reply reply_prolong = {
    .app = "cashier",
    .name = "prolong",
    .link = "prolong",
    .run = run_prolong,
};
