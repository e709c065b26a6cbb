#ifndef OPS_UPDATE_H
#define OPS_UPDATE_H
/*
 * An update of the Bot API, read strictly: what of it concerns the bot, and why the rest does not.
 * Pure. Source: core.telegram.org/bots/api#update.
 *
 * A wrong type or a missing field is an error; a kind that the bot has no use for is not.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum update_kind {
    UPDATE_IGNORED,
    UPDATE_MESSAGE,  /* a person wrote to the bot */
    UPDATE_CALLBACK, /* a person pressed a button */
    UPDATE_MEMBER,   /* what the bot is in a chat has changed */
};

/* Texts live as long as the payload and are never NULL. */
struct update {
    enum update_kind kind;
    const char *why_ignored;
    int64_t from_id;
    const char *username, *first_name, *language;
    const char *text;        /* of a message; "" when it has none */
    const char *callback_id; /* of a button */
    const char *data;
    bool in_group; /* the button is not in the person's own chat with the bot */
    int64_t chat_id;
    const char *chat_type, *chat_title;
    const char *status; /* of the bot in the chat: "administrator", … */
    const cJSON *member;
};

/* Returns 0, or -EINVAL with reterr naming the field. */
int update_read(const cJSON *payload, struct update *ret, struct err *reterr);

/* True when the bot can read and be read in the chat; when it may do there what a bot of ours has
 * to; when it may post. */
bool update_is_present(const struct update *update);
bool update_is_administrator(const struct update *update);
bool update_may_post(const struct update *update);

/* The word after the slash of "/start@shop_bot plan_3" goes to command, what follows to rest.
 * Returns false when the text is no command. */
enum { COMMAND_BYTES_MAX = 32 };
bool update_command(const char *text, char command[static COMMAND_BYTES_MAX + 1],
                    const char **ret_rest);

#endif
