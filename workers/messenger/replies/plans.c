/* /plans: what is sold, and one of them in detail. */
#include "replies.h"

enum { PLAN_ID, PLAN_TITLE, PLAN_PRICE, PLAN_DAYS, PLAN_CHAT };

static void list(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0)
        talk_say(talk, _("Nothing is for sale at the moment."), NULL);
    else
        talk_say(talk, _("<b>Plans</b>"), NULL);
    for (int row = 0; row < rows->count; row++) {
        const char *id = rows_text(rows, row, PLAN_ID), *title = rows_text(rows, row, PLAN_TITLE);

        talk_say(talk, _("\n{{title}}: {{price}} USDT for {{days}} days"),
                 FIELDS("title", title, "price", rows_text(rows, row, PLAN_PRICE), "days",
                        rows_text(rows, row, PLAN_DAYS)));
        talk_button(talk, &(struct button){ .plain = title, .reply = &reply_plan, .args = { id } });
    }
    talk_end(talk);
}

static void run_plans(struct talk *talk)
{
    talk_ask_params(talk, list, MESSENGER_SQL_PLANS, NULL, 0);
}

const struct reply reply_plans = {
    .app = "accesser",
    .name = "plans",
    .command = "/plans",
    .link = "plans",
    .run = run_plans,
};

static void show(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    talk_say(talk, _("<b>{{title}}</b>\n{{price}} USDT for {{days}} days\n\nAccess to:"),
             FIELDS("title", rows_text(rows, 0, PLAN_TITLE), "price",
                    rows_text(rows, 0, PLAN_PRICE), "days", rows_text(rows, 0, PLAN_DAYS)));
    for (int row = 0; row < rows->count; row++)
        talk_say(talk, "\n• {{chat}}", FIELDS("chat", rows_text(rows, row, PLAN_CHAT)));
    talk_button(talk, &(struct button){ .label = _("Buy"),
                                        .reply = &reply_buy,
                                        .args = { rows_text(rows, 0, PLAN_ID) } });
    talk_button(talk, &(struct button){ .label = _("All plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void run_plan(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);

    if (id)
        talk_ask(talk, show, MESSENGER_SQL_PLAN, id);
    else
        talk_stale(talk);
}

const struct reply reply_plan = {
    .app = "accesser",
    .name = "plan",
    .link = "plan",
    .run = run_plan,
};
