#ifndef OPS_TELEGRAM_PAYLOAD_H
#define OPS_TELEGRAM_PAYLOAD_H
/*
 * Payloads of the Telegram kinds, read strictly, and the request that they ask for: pure.
 *
 * Names are those of document 003 (chatId); snake_case (chat_id) is read, too. Ids are numbers or
 * decimal text. A null is a field that was not given. What does not fit is an error that names the
 * field, and the job is dead: it would be refused each time.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* A field by its camelCase name, or by the same in snake_case; NULL when absent or null. */
const cJSON *payload_get(const cJSON *payload, const char *name);

/* Each returns 0, -ENOENT (absent) or -EINVAL with reterr. ret is touched on success only. */
int payload_id(const cJSON *payload, const char *name, int64_t *ret, struct err *reterr);
int payload_text(const cJSON *payload, const char *name, const char **ret, struct err *reterr);
int payload_bool(const cJSON *payload, const char *name, bool *ret, struct err *reterr);

/* The same for what must be there: -EINVAL instead of -ENOENT. */
int payload_need_id(const cJSON *payload, const char *name, int64_t *ret, struct err *reterr);

struct ids {
    int64_t *list;
    size_t n;
};

/* A list of 1 to most positive ids; the caller frees ret->list. */
int payload_ids(const cJSON *payload, const char *name, size_t most, struct ids *ret,
                struct err *reterr);

/* What is to be sent where. */
struct message {
    const char *method; /* sendMessage, sendPhoto */
    int64_t chat_id;
    const char *text; /* or caption; "" for none; lives as long as the payload */
    cJSON *body;      /* of the request, without chat_id; message_done deletes it */
};

/* The kinds that a message is sent by: send-message, send-photo; NULL after the last. */
const char *message_kind_name(size_t i);
bool message_kind_is(const char *kind);

/* Reads a payload of one of those kinds. Returns 0, -EINVAL or -ENOMEM. */
int message_read(const char *kind, const cJSON *payload, struct message *ret, struct err *reterr);
void message_done(struct message *message);

#define OWN_MESSAGE __attribute__((cleanup(message_done)))

#endif
