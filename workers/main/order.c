/* The kinds that a person may order, and what each wants in its payload. */
#include "order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bots.h"
#include "buf.h"
#include "own.h"
#include "telegram_payload.h"

/* As many ids as delete-messages-bulk takes. */
enum { IDS_MOST = 10000, FIELDS_MOST = 5, LIST_BYTES_MAX = 512 };

enum field_type { FIELD_ID, FIELD_IDS, FIELD_COUNT, FIELD_BOOL };

struct field {
    const char *name;
    enum field_type type;
    bool is_needed;
};

/* clang-format off */
static const struct kind {
    const char *queue, *kind;
    bool is_message; /* besides its fields it is a message */
    struct field fields[FIELDS_MOST + 1];
} kinds[] = {
    { "bot-tasks", "send-message", true,
      { { "campaignId", FIELD_ID, false }, { "bypassRateLimit", FIELD_BOOL, false } } },
    { "bot-tasks", "delete-message", false,
      { { "chatId", FIELD_ID, true }, { "messageId", FIELD_ID, true } } },
    { "bot-tasks", "delete-messages-bulk", false,
      { { "chatId", FIELD_ID, true }, { "messageIds", FIELD_IDS, true },
        { "groupDbId", FIELD_ID, false } } },
    { "bot-tasks", "clear-all-messages", false,
      { { "chatId", FIELD_ID, true }, { "groupDbId", FIELD_ID, true },
        { "fromMessageId", FIELD_COUNT, false }, { "toMessageId", FIELD_COUNT, false },
        { "olderThanDays", FIELD_COUNT, false } } },
    { "bot-tasks", "sync-groups",       false, { { 0 } } },
    { "bot-tasks", "sync-single-group", false, { { "telegramId", FIELD_ID, true } } },
    { "bot-tasks", "get-chat-info",     false, { { "chatId", FIELD_ID, true } } },
    { "bot-tasks", "check-permissions", false, { { "chatId", FIELD_ID, true } } },
    { "messages",  "send-message",      true,  { { 0 } } },
    { "messages",  "send-photo",        true,  { { 0 } } },
};
/* clang-format on */

enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct kind *kind_of(const struct order *order)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].queue, order->queue) == 0 && strcmp(kinds[i].kind, order->kind) == 0)
            return &kinds[i];
    return NULL;
}

static int refuse_kind(const struct order *order, struct err *reterr)
{
    OWN_BUF struct buf list = { 0 };

    buf_init(&list, LIST_BYTES_MAX);
    for (size_t i = 0; i < KINDS; i++)
        (void)buf_printf(&list, "%s%s %s", i ? ", " : "", kinds[i].queue, kinds[i].kind);
    return err_set(reterr, -EINVAL, "no kind %.40s of the queue %.40s; there are %s", order->kind,
                   order->queue, list.p);
}

static int check_bot(struct order *order, struct err *reterr)
{
    const char *name;

    if (!order->bot || !*order->bot) {
        order->bot = strcmp(order->queue, "bot-tasks") == 0 ? "tgadmin" : NULL;
        return 0;
    }
    for (size_t i = 0; (name = bots_name(i)); i++)
        if (strcmp(name, order->bot) == 0)
            return 0;
    return err_set(reterr, -EINVAL,
                   "no bot %.40s; there are shop, coffee, billing, tgadmin and ozhivlyator",
                   order->bot);
}

static int check_field(const cJSON *payload, const struct field *field, struct err *reterr)
{
    struct ids ids = { 0 };
    int64_t number = 0;
    bool yes;
    int r;

    if (field->type == FIELD_BOOL)
        r = payload_bool(payload, field->name, &yes, reterr);
    else if (field->type == FIELD_IDS)
        r = payload_ids(payload, field->name, IDS_MOST, &ids, reterr);
    else
        r = payload_id(payload, field->name, &number, reterr);
    free(ids.list);
    if (r == -ENOENT)
        return field->is_needed ? err_set(reterr, -EINVAL, "%s is missing", field->name) : 0;
    if (r == 0 && field->type == FIELD_COUNT && (number < 0 || number > INT32_MAX))
        return err_set(reterr, -EINVAL, "%s: want a whole number from 0", field->name);
    return r;
}

int order_check(struct order *order, struct err *reterr)
{
    const struct kind *kind = kind_of(order);
    OWN_MESSAGE struct message message = { 0 };
    int r;

    if (!kind)
        return refuse_kind(order, reterr);
    if (!cJSON_IsObject(order->payload))
        return err_set(reterr, -EINVAL, "payload: want a JSON object such as {\"chatId\": -1001}");
    r = check_bot(order, reterr);
    if (r == 0 && kind->is_message)
        r = message_read(kind->kind, order->payload, &message, reterr);
    for (size_t i = 0; r == 0 && kind->fields[i].name; i++)
        r = check_field(order->payload, &kind->fields[i], reterr);
    return r;
}
