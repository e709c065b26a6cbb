/* The invoice in USDT: opened by paying, given up, and what has become of it. */
#include <string.h>

#include "replies.h"
#include "worker.h"

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
    if (strcmp(rows_text(rows, 0, INVOICE_STATUS), "PAYING") == 0)
        talk_button(talk, &(struct button){ .label = _("I do not want it any more"),
                                            .reply = &reply_cancel,
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

enum { UNPAID_ID, UNPAID_TITLE, UNPAID_AMOUNT };

static void list_unpaid(struct talk *talk, const struct rows *rows)
{
    talk_say(talk,
             _("You have unpaid invoices, as many as one person may. Pay one of them, or give one "
               "up:"),
             NULL);
    for (int row = 0; row < rows->count; row++)
        talk_button(
            talk, &(struct button){ .label = _("{{title}}: {{amount}} USDT"),
                                    .fields = FIELDS("title", rows_text(rows, row, UNPAID_TITLE),
                                                     "amount", rows_text(rows, row, UNPAID_AMOUNT)),
                                    .reply = &reply_invoice,
                                    .args = { rows_text(rows, row, UNPAID_ID) } });
    talk_end(talk);
}

static void say_enough(struct talk *talk)
{
    talk_ask(talk, list_unpaid, MESSENGER_SQL_UNPAID, talk->customer);
}

static void say_over(struct talk *talk)
{
    talk_say(talk, _("This offer is over. Please choose a plan again."), NULL);
    talk_button(talk, &(struct button){ .label = _("All plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void say_try_again(struct talk *talk, const struct rows *rows)
{
    (void)rows;
    talk_say(talk,
             _("Too many people are paying at this moment. Please try again in a few minutes."),
             NULL);
    talk_button(talk, &(struct button){ .label = _("Try again"),
                                        .reply = &reply_pay,
                                        .args = { talk_arg(talk, 0), talk_arg(talk, 1) } });
    talk_end(talk);
}

static void say_full(struct talk *talk)
{
    talk_ask(talk, say_try_again, MESSENGER_SQL_POOL_EMPTY, setting_text("TELEGRAM_ADMIN_CHAT_ID"),
             setting_given("SMTP_URL"));
}

enum { PAY_OUTCOME, PAY_INVOICE };

/* What cashier.pay says that leads to no invoice. */
/* clang-format off */
static const struct {
    const char *outcome;
    void (*say)(struct talk *talk);
} outcomes[] = {
    { "over",   say_over },
    { "enough", say_enough },
    { "full",   say_full },
};
/* clang-format on */

static void opened(struct talk *talk, const struct rows *rows)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcomes[i].outcome, rows_text(rows, 0, PAY_OUTCOME)) == 0) {
            outcomes[i].say(talk);
            return;
        }
    talk_ask(talk, show, MESSENGER_SQL_INVOICE, talk->customer, rows_text(rows, 0, PAY_INVOICE),
             talk->now);
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

/* --- giving one up --- */

static void cancelled(struct talk *talk, const struct rows *rows)
{
    if (!rows_bool(rows, 0, 0)) {
        /* Paid, or over: he reads what it is. */
        talk_ask(talk, show, MESSENGER_SQL_INVOICE, talk->customer, talk_arg(talk, 0), talk->now);
        return;
    }
    talk_say(talk, _("Invoice {{id}} is given up. Please do not send anything for it."),
             FIELDS("id", talk_arg(talk, 0)));
    talk_button(talk, &(struct button){ .label = _("All plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void run_cancel(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);

    if (id)
        talk_ask(talk, cancelled, MESSENGER_SQL_CANCEL, talk->customer, id, talk->now);
    else
        talk_stale(talk);
}

const struct reply reply_cancel = {
    .app = "cashier",
    .name = "cancel",
    .run = run_cancel,
};
