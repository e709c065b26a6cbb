/* What Telegram tells a bot; one function for each kind of update that concerns it. */
#include "update.h"

#include <errno.h>
#include <string.h>

#include "json.h"

static int wrong(struct err *reterr, const char *where, const char *name, const char *want)
{
    return err_set(reterr, -EINVAL, "%s.%s: want %s", where, name, want);
}

static int need_object(const cJSON *holder, const char *where, const char *name, const cJSON **ret,
                       struct err *reterr)
{
    const cJSON *found = json_get(holder, name);

    if (!cJSON_IsObject(found))
        return wrong(reterr, where, name, "an object");
    *ret = found;
    return 0;
}

static int need_id(const cJSON *holder, const char *where, int64_t *ret, struct err *reterr)
{
    return json_get_id(holder, "id", ret) < 0 ? wrong(reterr, where, "id", "a whole number") : 0;
}

/* "" when it is not there. */
static int read_text(const cJSON *holder, const char *where, const char *name, const char **ret,
                     struct err *reterr)
{
    const cJSON *found = json_get(holder, name);

    if (found && !cJSON_IsNull(found) && !cJSON_IsString(found))
        return wrong(reterr, where, name, "text");
    *ret = cJSON_IsString(found) ? found->valuestring : "";
    return 0;
}

static int need_text(const cJSON *holder, const char *where, const char *name, const char **ret,
                     struct err *reterr)
{
    int r = read_text(holder, where, name, ret, reterr);

    return r == 0 && !**ret ? wrong(reterr, where, name, "text") : r;
}

static int read_from(const cJSON *holder, const char *where, struct update *ret, struct err *reterr)
{
    const cJSON *from = NULL;
    int r = need_object(holder, where, "from", &from, reterr);

    if (r == 0)
        r = need_id(from, "from", &ret->from_id, reterr);
    if (r == 0 && ret->from_id <= 0)
        r = wrong(reterr, "from", "id", "a person's id");
    if (r == 0)
        r = read_text(from, "from", "username", &ret->username, reterr);
    if (r == 0)
        r = read_text(from, "from", "first_name", &ret->first_name, reterr);
    if (r == 0)
        r = read_text(from, "from", "language_code", &ret->language, reterr);
    if (r == 0 && json_get_bool(from, "is_bot"))
        ret->why_ignored = "from a bot";
    return r;
}

static int read_chat(const cJSON *holder, const char *where, struct update *ret, struct err *reterr)
{
    const cJSON *chat = NULL;
    int r = need_object(holder, where, "chat", &chat, reterr);

    if (r == 0)
        r = need_id(chat, "chat", &ret->chat_id, reterr);
    if (r == 0)
        r = need_text(chat, "chat", "type", &ret->chat_type, reterr);
    return r == 0 ? read_text(chat, "chat", "title", &ret->chat_title, reterr) : r;
}

static bool is_private(const struct update *update)
{
    return strcmp(update->chat_type, "private") == 0;
}

/* --- the kinds --- */

/* Posts of anonymous administrators and of channels have no sender, so the chat is looked at first.
 */
static int read_message(const cJSON *message, struct update *ret, struct err *reterr)
{
    int r = read_chat(message, "message", ret, reterr);

    if (r < 0)
        return r;
    if (!is_private(ret)) {
        ret->why_ignored = "a message in a group";
        return 0;
    }
    r = read_from(message, "message", ret, reterr);
    return r == 0 ? read_text(message, "message", "text", &ret->text, reterr) : r;
}

/* Where the message is too old to come along, the button was in the person's own chat: the bot puts
 * them nowhere else. */
static int read_callback(const cJSON *query, struct update *ret, struct err *reterr)
{
    const cJSON *message = json_get(query, "message");
    int r = read_from(query, "callback_query", ret, reterr);

    if (r == 0)
        r = need_text(query, "callback_query", "id", &ret->callback_id, reterr);
    if (r == 0)
        r = read_text(query, "callback_query", "data", &ret->data, reterr);
    if (r < 0 || !message || cJSON_IsNull(message))
        return r;
    if (!cJSON_IsObject(message))
        return wrong(reterr, "callback_query", "message", "an object");
    r = read_chat(message, "message", ret, reterr);
    ret->in_group = r == 0 && !is_private(ret);
    return r;
}

static int read_member(const cJSON *change, struct update *ret, struct err *reterr)
{
    int r = read_chat(change, "my_chat_member", ret, reterr);

    if (r == 0)
        r = need_object(change, "my_chat_member", "new_chat_member", &ret->member, reterr);
    return r == 0 ? need_text(ret->member, "new_chat_member", "status", &ret->status, reterr) : r;
}

/* clang-format off */
static const struct {
    const char *name;
    enum update_kind kind;
    int (*read)(const cJSON *object, struct update *ret, struct err *reterr);
} kinds[] = {
    { "message",        UPDATE_MESSAGE,  read_message },
    { "callback_query", UPDATE_CALLBACK, read_callback },
    { "my_chat_member", UPDATE_MEMBER,   read_member },
};
/* clang-format on */

int update_read(const cJSON *payload, struct update *ret, struct err *reterr)
{
    struct update update = { .username = "",
                             .first_name = "",
                             .language = "",
                             .text = "",
                             .callback_id = "",
                             .data = "",
                             .chat_type = "",
                             .chat_title = "",
                             .status = "" };
    int r;

    if (!cJSON_IsObject(payload))
        return err_set(reterr, -EINVAL, "the update is no object");
    update.why_ignored = "a kind of update that the bot has no use for";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const cJSON *object = json_get(payload, kinds[i].name);

        if (!object)
            continue;
        if (!cJSON_IsObject(object))
            return wrong(reterr, "update", kinds[i].name, "an object");
        update.why_ignored = NULL;
        r = kinds[i].read(object, &update, reterr);
        if (r < 0)
            return r;
        update.kind = update.why_ignored ? UPDATE_IGNORED : kinds[i].kind;
        break;
    }
    *ret = update;
    return 0;
}

/* --- what is asked of one --- */

static bool is_status(const struct update *update, const char *status)
{
    return strcmp(update->status, status) == 0;
}

bool update_is_administrator(const struct update *update)
{
    return is_status(update, "administrator") || is_status(update, "creator");
}

bool update_is_present(const struct update *update)
{
    return update_is_administrator(update) || is_status(update, "member") ||
           (is_status(update, "restricted") && json_get_bool(update->member, "is_member"));
}

/* In a channel only administrators with that right post. */
bool update_may_post(const struct update *update)
{
    if (strcmp(update->chat_type, "channel") == 0)
        return is_status(update, "creator") || json_get_bool(update->member, "can_post_messages");
    if (is_status(update, "restricted"))
        return update_is_present(update) && json_get_bool(update->member, "can_send_messages");
    return update_is_present(update);
}

bool update_command(const char *text, char command[static COMMAND_BYTES_MAX + 1],
                    const char **ret_rest)
{
    size_t n = text[0] == '/' ? strcspn(text + 1, "@ \n\t") : 0;

    if (n == 0 || n >= COMMAND_BYTES_MAX)
        return false;
    memcpy(command, text, n + 1);
    command[n + 1] = '\0';
    text += n + 1;
    text += strcspn(text, " \n\t");
    *ret_rest = text + strspn(text, " \n\t");
    return true;
}
