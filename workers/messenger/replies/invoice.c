/* The invoice in USDT: opened by paying, and what has become of it. */
#include <string.h>

#include "replies.h"

enum {
    INVOICE_ID,
    INVOICE_TITLE,
    INVOICE_STATUS,
    INVOICE_AMOUNT,
    INVOICE_ADDRESS,
    INVOICE_EXPIRES,
    INVOICE_IS_OVER,
    INVOICE_CONFIRMATIONS,
    INVOICE_REQUIRED,
};

/* clang-format off */
static const struct {
    const char *status, *text;
} states[] = {
    { "PAYING",    _("Send exactly\n<code>{{amount}}</code> USDT\nin the network Tron (TRC-20) to\n"
                     "<code>{{address}}</code>\n\nby {{expires}}. Press to copy. One transfer, and "
                     "this amount: another one cannot be matched.") },
    { "PAID",      _("Your transfer of {{amount}} USDT is seen: {{confirmations}} of {{required}} "
                     "confirmations. I write to you when it is through.") },
    { "CONFIRMED", _("Your payment of {{amount}} USDT is confirmed. The links are on their way.") },
    { "REDEEMED",  _("Paid, and your access is there: see /accesses.") },
    { "EXPIRED",   _("Not paid in time. Please do not send anything for it now: buy anew.") },
};
/* clang-format on */

static const char *state_of(const struct rows *rows)
{
    const char *status = rows_text(rows, 0, INVOICE_STATUS);

    if (strcmp(status, "PAYING") == 0 && rows_bool(rows, 0, INVOICE_IS_OVER))
        status = "EXPIRED";
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i].status, status) == 0)
            return states[i].text;
    return "";
}

static void show(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_say(talk, _("You have no invoice. /plans shows what there is to buy."), NULL);
        talk_end(talk);
        return;
    }
    talk_say(
        talk, _("<b>Invoice {{id}}: {{title}}</b>\n\n"),
        FIELDS("id", rows_text(rows, 0, INVOICE_ID), "title", rows_text(rows, 0, INVOICE_TITLE)));
    talk_say(talk, state_of(rows),
             FIELDS("amount", rows_text(rows, 0, INVOICE_AMOUNT), "address",
                    rows_text(rows, 0, INVOICE_ADDRESS), "expires",
                    rows_text(rows, 0, INVOICE_EXPIRES), "confirmations",
                    rows_text(rows, 0, INVOICE_CONFIRMATIONS), "required",
                    rows_text(rows, 0, INVOICE_REQUIRED)));
    talk_button(talk, &(struct button){ .label = _("What has become of it?"),
                                        .reply = &reply_invoice,
                                        .args = { rows_text(rows, 0, INVOICE_ID) } });
    talk_end(talk);
}

static void run_invoice(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);

    if (!id && *talk_arg(talk, 0))
        talk_stale(talk);
    else
        talk_ask(talk, show, MESSENGER_SQL_INVOICE, talk->customer, id, talk->now);
}

const struct reply reply_invoice = {
    .app = "cashier",
    .name = "invoice",
    .command = "/invoice",
    .link = "invoice",
    .run = run_invoice,
};

/* --- paying --- */

static void opened(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_say(talk, _("This offer is over. Please choose a plan again."), NULL);
        talk_button(talk, &(struct button){ .label = _("All plans"), .reply = &reply_plans });
        talk_end(talk);
    } else if (!rows_text(rows, 0, 0)) {
        talk_say(talk,
                 _("Too many people are paying at this moment. Please try again in a few "
                   "minutes."),
                 NULL);
        talk_button(talk, &(struct button){ .label = _("Try again"),
                                            .reply = &reply_pay,
                                            .args = { talk_arg(talk, 0), talk_arg(talk, 1) } });
        talk_end(talk);
    } else {
        talk_ask(talk, show, MESSENGER_SQL_INVOICE, talk->customer, rows_text(rows, 0, 0),
                 talk->now);
    }
}

static void run_pay(struct talk *talk)
{
    const char *offer = talk_arg_id(talk, 0), *access = talk_arg_id(talk, 1);

    if (!offer || (*talk_arg(talk, 1) && !access))
        talk_stale(talk);
    else
        talk_ask(talk, opened, MESSENGER_SQL_PAY, talk->customer, offer, access, talk->now);
}

const struct reply reply_pay = {
    .app = "cashier",
    .name = "pay",
    .run = run_pay,
};
