/* Fields of payloads, and the bodies of sendMessage and sendPhoto. */
#include "telegram_payload.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "telegram_text.h"

enum { NAME_MAX_BYTES = 48 };

static const char *snake(const char *name, char text[static NAME_MAX_BYTES])
{
    size_t n = 0;

    for (; *name && n < NAME_MAX_BYTES - 2; name++) {
        if (isupper((unsigned char)*name))
            text[n++] = '_';
        text[n++] = (char)tolower((unsigned char)*name);
    }
    text[n] = '\0';
    return text;
}

const cJSON *payload_get(const cJSON *payload, const char *name)
{
    char text[NAME_MAX_BYTES];
    const cJSON *field = json_get(payload, name);

    if (!field)
        field = json_get(payload, snake(name, text));
    return cJSON_IsNull(field) ? NULL : field;
}

static int wrong(const char *name, const char *want, struct err *reterr)
{
    return err_set(reterr, -EINVAL, "%s: want %s", name, want);
}

int payload_id(const cJSON *payload, const char *name, int64_t *ret, struct err *reterr)
{
    const cJSON *field = payload_get(payload, name);

    if (!field)
        return -ENOENT;
    return json_id(field, ret) < 0 ? wrong(name, "a whole number, or one as text", reterr) : 0;
}

int payload_need_id(const cJSON *payload, const char *name, int64_t *ret, struct err *reterr)
{
    int r = payload_id(payload, name, ret, reterr);

    return r == -ENOENT ? err_set(reterr, -EINVAL, "%s is missing", name) : r;
}

int payload_text(const cJSON *payload, const char *name, const char **ret, struct err *reterr)
{
    const cJSON *field = payload_get(payload, name);

    if (!field)
        return -ENOENT;
    if (!cJSON_IsString(field))
        return wrong(name, "text", reterr);
    *ret = field->valuestring;
    return 0;
}

int payload_bool(const cJSON *payload, const char *name, bool *ret, struct err *reterr)
{
    const cJSON *field = payload_get(payload, name);

    if (!field)
        return -ENOENT;
    if (!cJSON_IsBool(field))
        return wrong(name, "true or false", reterr);
    *ret = cJSON_IsTrue(field);
    return 0;
}

static int read_ids(const cJSON *list, int64_t *ids)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list)
    {
        if (json_id(item, ids) < 0 || *ids++ <= 0)
            return -EINVAL;
    }
    return 0;
}

int payload_ids(const cJSON *payload, const char *name, size_t most, struct ids *ret,
                struct err *reterr)
{
    const cJSON *field = payload_get(payload, name);
    size_t n = (size_t)cJSON_GetArraySize(field);
    OWN(free) int64_t *ids = NULL;

    if (!field)
        return err_set(reterr, -EINVAL, "%s is missing", name);
    if (!cJSON_IsArray(field) || n == 0)
        return wrong(name, "a list of ids", reterr);
    if (n > most)
        return err_set(reterr, -EINVAL, "%s: want %zu ids at most, got %zu", name, most, n);
    ids = calloc(n, sizeof *ids);
    if (!ids)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (read_ids(field, ids) < 0)
        return wrong(name, "a list of whole numbers from 1", reterr);
    *ret = (struct ids){ .list = TAKE(ids), .n = n };
    return 0;
}

/* --- messages --- */

/* clang-format off */
static const struct {
    const char *kind, *method, *text; /* the field that is counted, in payload and request */
    size_t text_most;
    bool photo;
} kinds[] = {
    { "send-message", "sendMessage", "text",    TELEGRAM_TEXT_MAX,    false },
    { "send-photo",   "sendPhoto",   "caption", TELEGRAM_CAPTION_MAX, true },
};
/* clang-format on */

enum { KINDS = sizeof kinds / sizeof *kinds };

/* Markdown is parsed by Telegram alone, which may find less to count than there is. */
static int check_length(const char *name, const char *text, const char *mode, size_t most,
                        struct err *reterr)
{
    size_t length;

    if (strncmp(mode, "Markdown", strlen("Markdown")) == 0)
        return 0;
    length = telegram_text_length(text, strcmp(mode, "HTML") == 0);
    if (length <= most)
        return 0;
    return err_set(reterr, -EINVAL, "%s has %zu characters, Telegram takes %zu at most", name,
                   length, most);
}

static int read_mode(const cJSON *payload, const char **ret, struct err *reterr)
{
    static const char *const modes[] = { "", "HTML", "Markdown", "MarkdownV2" };
    int r;

    *ret = "HTML";
    r = payload_text(payload, "parseMode", ret, reterr);
    if (r == -EINVAL)
        return r;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcasecmp(modes[i], *ret) == 0) {
            *ret = modes[i];
            return 0;
        }
    return wrong("parseMode", "HTML, Markdown, MarkdownV2 or nothing", reterr);
}

static int put_text(size_t kind, const cJSON *payload, struct message *message, struct err *reterr)
{
    const char *name = kinds[kind].text, *mode = NULL;
    int r;

    r = read_mode(payload, &mode, reterr);
    if (r < 0)
        return r;
    message->text = "";
    r = payload_text(payload, name, &message->text, reterr);
    if (r == -EINVAL)
        return r;
    if (!*message->text && !kinds[kind].photo)
        return err_set(reterr, -EINVAL, "%s is missing", name);
    r = check_length(name, message->text, mode, kinds[kind].text_most, reterr);
    if (r < 0 || !*message->text)
        return r;
    if (!json_put_text(message->body, name, message->text) ||
        (*mode && !json_put_text(message->body, "parse_mode", mode)))
        return err_set(reterr, -ENOMEM, "out of memory");
    return 0;
}

static int put_photo(const cJSON *payload, struct message *message, struct err *reterr)
{
    const char *photo = "";
    int r;

    r = payload_text(payload, "photo", &photo, reterr);
    if (r == -EINVAL)
        return r;
    if (!*photo)
        return err_set(reterr, -EINVAL, "photo is missing");
    return json_put_text(message->body, "photo", photo) ? 0
                                                        : err_set(reterr, -ENOMEM, "out of memory");
}

/* A reply to what is gone is sent as an ordinary message. */
static int put_reply(const cJSON *payload, struct message *message, struct err *reterr)
{
    int64_t id = 0;
    cJSON *reply;
    int r;

    r = payload_id(payload, "replyToMessageId", &id, reterr);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    reply = cJSON_CreateObject();
    if (!json_put_int(reply, "message_id", id) ||
        !json_put_bool(reply, "allow_sending_without_reply", true)) {
        cJSON_Delete(reply);
        return err_set(reterr, -ENOMEM, "out of memory");
    }
    return json_put(message->body, "reply_parameters", reply)
               ? 0
               : err_set(reterr, -ENOMEM, "out of memory");
}

static int put_options(const cJSON *payload, struct message *message, struct err *reterr)
{
    const cJSON *markup = payload_get(payload, "replyMarkup");
    bool flag = false, unused;
    int r;

    r = payload_bool(payload, "bypassRateLimit", &unused, reterr);
    if (r != -EINVAL)
        r = payload_bool(payload, "disableNotification", &flag, reterr);
    if (r == -EINVAL)
        return r;
    if (flag && !json_put_bool(message->body, "disable_notification", true))
        return err_set(reterr, -ENOMEM, "out of memory");
    if (!markup)
        return 0;
    if (!cJSON_IsObject(markup))
        return wrong("replyMarkup", "an object", reterr);
    return json_put(message->body, "reply_markup", cJSON_Duplicate(markup, 1))
               ? 0
               : err_set(reterr, -ENOMEM, "out of memory");
}

static int read_kind(size_t kind, const cJSON *payload, struct message *ret, struct err *reterr)
{
    int r;

    ret->method = kinds[kind].method;
    ret->body = cJSON_CreateObject();
    if (!ret->body)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = payload_need_id(payload, "chatId", &ret->chat_id, reterr);
    if (r == 0 && ret->chat_id == 0)
        r = wrong("chatId", "the id of a chat, not 0", reterr);
    if (r == 0 && kinds[kind].photo)
        r = put_photo(payload, ret, reterr);
    if (r == 0)
        r = put_text(kind, payload, ret, reterr);
    if (r == 0)
        r = put_reply(payload, ret, reterr);
    return r < 0 ? r : put_options(payload, ret, reterr);
}

/* KINDS: there is none of this name. */
static size_t kind_of(const char *name)
{
    size_t kind = 0;

    while (kind < KINDS && strcmp(kinds[kind].kind, name) != 0)
        kind++;
    return kind;
}

const char *message_kind_name(size_t i)
{
    return i < KINDS ? kinds[i].kind : NULL;
}

bool message_kind_is(const char *kind)
{
    return kind_of(kind) < KINDS;
}

int message_read(const char *kind, const cJSON *payload, struct message *ret, struct err *reterr)
{
    OWN_MESSAGE struct message message = { 0 };
    size_t found = kind_of(kind);
    int r;

    if (found == KINDS)
        return err_set(reterr, -EINVAL, "unknown kind %s", kind);
    r = read_kind(found, payload, &message, reterr);
    if (r < 0)
        return r;
    *ret = message;
    message.body = NULL;
    return 0;
}

void message_done(struct message *message)
{
    cJSON_Delete(message->body);
    message->body = NULL;
}
