/* /language: the words in which a person is written to, one of the translation sets. */
#include <stdio.h>
#include <string.h>

#include "replies.h"

/* The words of the source are a choice, too; no set has this name, as a set has one letter at
 * least. */
static const char source[] = "-";

static void list(struct talk *talk, const struct rows *rows)
{
    talk_say(talk, _("Choose a language:"), NULL);
    talk_button(
        talk, &(struct button){ .label = "English", .reply = &reply_language, .args = { source } });
    for (int row = 0; row < rows->count; row++) {
        const char *set = rows_text(rows, row, 0);

        talk_button(talk,
                    &(struct button){ .plain = set, .reply = &reply_language, .args = { set } });
    }
    talk_end(talk);
}

static void chosen(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    (void)snprintf(talk->set, sizeof talk->set, "%s", rows_text(rows, 0, 0));
    talk_say(talk, _("From now on I write to you like this."), NULL);
    talk_button(talk, &(struct button){ .label = _("Plans"), .reply = &reply_plans });
    talk_end(talk);
}

static void run(struct talk *talk)
{
    const char *set = talk_arg(talk, 0);

    if (!*set)
        talk_ask_params(talk, list, MESSENGER_SQL_SETS, NULL, 0);
    else
        talk_ask(talk, chosen, MESSENGER_SQL_CHOOSE_SET, talk->customer,
                 strcmp(set, source) == 0 ? "" : set);
}

const struct reply reply_language = {
    .app = "messenger",
    .name = "language",
    .command = "/language",
    .link = "language",
    .run = run,
};
