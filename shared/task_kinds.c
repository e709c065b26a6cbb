/* The table of the kinds of bot-tasks, and what each of their fields must be. */
#include "task_kinds.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "telegram_payload.h"

/* A hundred years: PostgreSQL's calendar has them, which is not so of any number of days. */
enum { DAYS_MOST = 36525 };

enum field_type { FIELD_ID, FIELD_CHAT, FIELD_IDS, FIELD_MESSAGE, FIELD_DAYS, FIELD_BOOL };

struct field {
    const char *name;
    enum field_type type;
    bool is_needed;
};

enum { FIELDS_MOST = 5 };

/* clang-format off */
static const struct {
    const char *name;
    struct field fields[FIELDS_MOST + 1]; /* ends with one without a name */
} kinds[TASK_KINDS] = {
    [TASK_SEND_MESSAGE] = { "send-message",
        { { "campaignId", FIELD_ID, false }, { "purchaseId", FIELD_ID, false },
          { "completes", FIELD_BOOL, false } } },
    [TASK_SEND_PHOTO] = { "send-photo",
        { { "campaignId", FIELD_ID, false }, { "purchaseId", FIELD_ID, false },
          { "completes", FIELD_BOOL, false } } },
    [TASK_DELETE_MESSAGE] = { "delete-message",
        { { "chatId", FIELD_CHAT, true }, { "messageId", FIELD_ID, true } } },
    [TASK_DELETE_MESSAGES_BULK] = { "delete-messages-bulk",
        { { "chatId", FIELD_CHAT, true }, { "messageIds", FIELD_IDS, true },
          { "groupDbId", FIELD_ID, false } } },
    [TASK_CLEAR_ALL_MESSAGES] = { "clear-all-messages",
        { { "chatId", FIELD_CHAT, true }, { "groupDbId", FIELD_ID, true },
          { "fromMessageId", FIELD_MESSAGE, false }, { "toMessageId", FIELD_MESSAGE, false },
          { "olderThanDays", FIELD_DAYS, false } } },
    [TASK_SYNC_GROUPS]       = { "sync-groups",       { { 0 } } },
    [TASK_SYNC_SINGLE_GROUP] = { "sync-single-group", { { "telegramId", FIELD_CHAT, true } } },
    [TASK_GET_CHAT_INFO]     = { "get-chat-info",     { { "chatId", FIELD_CHAT, true } } },
    [TASK_CHECK_PERMISSIONS] = { "check-permissions", { { "chatId", FIELD_CHAT, true } } },
};
/* clang-format on */

const char *task_kind_name(enum task_kind kind)
{
    return kinds[kind].name;
}

enum task_kind task_kind_of(const char *name)
{
    enum task_kind kind = 0;

    while (kind < TASK_KINDS && strcmp(kinds[kind].name, name) != 0)
        kind++;
    return kind;
}

static int check_range(const struct field *field, int64_t number, struct err *reterr)
{
    if (field->type == FIELD_CHAT && number == 0)
        return err_set(reterr, -EINVAL, "%s: want the id of a chat, not 0", field->name);
    if (field->type == FIELD_MESSAGE && (number < 0 || number > INT32_MAX))
        return err_set(reterr, -EINVAL, "%s: want a whole number from 0", field->name);
    if (field->type == FIELD_DAYS && (number < 0 || number > DAYS_MOST))
        return err_set(reterr, -EINVAL, "%s: want a whole number from 0 to %d", field->name,
                       DAYS_MOST);
    return 0;
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
        r = payload_ids(payload, field->name, TASK_IDS_MOST, &ids, reterr);
    else
        r = payload_id(payload, field->name, &number, reterr);
    free(ids.list);
    if (r == -ENOENT)
        return field->is_needed ? err_set(reterr, -EINVAL, "%s is missing", field->name) : 0;
    return r < 0 ? r : check_range(field, number, reterr);
}

int task_check(enum task_kind kind, const cJSON *payload, struct err *reterr)
{
    int r = 0;

    for (const struct field *field = kinds[kind].fields; r == 0 && field->name; field++)
        r = check_field(payload, field, reterr);
    return r;
}
