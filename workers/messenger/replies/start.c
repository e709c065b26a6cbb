/* /start: what there is; a deep link leads on from here. And what is said to words that are no
 * command. */
#include "replies.h"

static void put_menu(struct talk *talk)
{
    talk_button(talk, &(struct button){ .label = _("Plans"), .reply = &reply_plans });
    talk_button(talk, &(struct button){ .label = _("My accesses"), .reply = &reply_accesses });
    talk_button(talk, &(struct button){ .label = _("My last invoice"), .reply = &reply_invoice });
    talk_button(talk, &(struct button){ .label = _("Language"), .reply = &reply_language });
    talk_end(talk);
}

static void greet(struct talk *talk)
{
    talk_say(talk, _("Hello, <b>{{name}}</b>! Here you buy access to closed chats."),
             FIELDS("name", talk->name));
    put_menu(talk);
}

static void run(struct talk *talk)
{
    reply_follow(talk, greet);
}

const struct reply reply_start = {
    .app = "messenger",
    .name = "start",
    .command = "/start",
    .run = run,
};

static void say_unknown(struct talk *talk)
{
    talk_say(talk, _("I did not understand that. This is what there is:"), NULL);
    put_menu(talk);
}

const struct reply reply_unknown = {
    .app = "messenger",
    .name = "help",
    .command = "/help",
    .run = say_unknown,
};
