/* /accesses: what a customer has, until when, and the links that lead there. */
#include "replies.h"

enum { ACCESS_ID, ACCESS_TITLE, ACCESS_IS_ACTIVE, ACCESS_ENDS, ACCESS_CHAT, ACCESS_LINK };

static void list(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0)
        talk_say(talk, _("You have no access yet."), NULL);
    else
        talk_say(talk, _("<b>My accesses</b>"), NULL);
    for (int row = 0; row < rows->count; row++) {
        const char *id = rows_text(rows, row, ACCESS_ID);
        const char *title = rows_text(rows, row, ACCESS_TITLE);

        talk_say(talk,
                 rows_bool(rows, row, ACCESS_IS_ACTIVE) ? _("\n{{title}}: until {{ends}}")
                                                        : _("\n{{title}}: ended {{ends}}"),
                 FIELDS("title", title, "ends", rows_text(rows, row, ACCESS_ENDS)));
        talk_button(talk,
                    &(struct button){ .plain = title, .reply = &reply_access, .args = { id } });
    }
    talk_button(talk, &(struct button){ .label = _("Plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void run_accesses(struct talk *talk)
{
    talk_ask(talk, list, MESSENGER_SQL_ACCESSES, talk->customer, talk->now);
}

const struct reply reply_accesses = {
    .app = "accesser",
    .name = "accesses",
    .command = "/accesses",
    .link = "accesses",
    .run = run_accesses,
};

static void say_chats(struct talk *talk, const struct rows *rows)
{
    for (int row = 0; row < rows->count; row++) {
        const char *chat = rows_text(rows, row, ACCESS_CHAT);
        const char *link = rows_text(rows, row, ACCESS_LINK);

        if (chat && link)
            talk_say(talk, "\n• {{chat}}: {{link}}", FIELDS("chat", chat, "link", link));
        else if (chat)
            talk_say(talk, "\n• {{chat}}", FIELDS("chat", chat));
    }
}

static void show(struct talk *talk, const struct rows *rows)
{
    const char *id, *ends;

    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    id = rows_text(rows, 0, ACCESS_ID);
    ends = rows_text(rows, 0, ACCESS_ENDS);
    talk_say(talk, "<b>{{title}}</b>\n", FIELDS("title", rows_text(rows, 0, ACCESS_TITLE)));
    if (rows_bool(rows, 0, ACCESS_IS_ACTIVE)) {
        talk_say(talk, _("Until {{ends}}. Each link lets one person in, once."),
                 FIELDS("ends", ends));
        say_chats(talk, rows);
        talk_button(talk, &(struct button){ .label = _("I cannot get in"),
                                            .reply = &reply_restore,
                                            .args = { id } });
    } else {
        talk_say(talk, _("Ended {{ends}}."), FIELDS("ends", ends));
    }
    talk_button(talk,
                &(struct button){ .label = _("Prolong"), .reply = &reply_prolong, .args = { id } });
    talk_end(talk);
}

static void run_access(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);

    if (id)
        talk_ask(talk, show, MESSENGER_SQL_ACCESS, talk->customer, id, talk->now);
    else
        talk_stale(talk);
}

const struct reply reply_access = {
    .app = "accesser",
    .name = "access",
    .link = "access",
    .run = run_access,
};
