/* Asking Telegram about somebody in a chat, by the shop's bot. */
#include "accesser.h"

#include <errno.h>

#include "json.h"
#include "own.h"
#include "text.h"

enum { PATIENCE_MS = 5000 };

int accesser_ask(struct run *run, const char *method, int64_t chat_id, cJSON *body,
                 struct telegram_answer *ret)
{
    OWN(json) cJSON *owned = body;

    if (!owned)
        return run_failed(run, -ENOMEM, "out of memory");
    return telegram_ask(run,
                        &(struct telegram_question){ .bot = ACCESSER_BOT,
                                                     .method = method,
                                                     .body = owned,
                                                     .chat_id = chat_id,
                                                     .repeatable = true,
                                                     .patience_ms = PATIENCE_MS },
                        ret);
}

cJSON *accesser_body(const char *name, const char *value)
{
    OWN(json) cJSON *body = cJSON_CreateObject();

    return json_put_text(body, name, value) ? TAKE(body) : NULL;
}

/* Without only_if_banned a member would be kicked. */
cJSON *accesser_unban_body(const char *user)
{
    OWN(json) cJSON *body = accesser_body("user_id", user);

    return body && json_put_bool(body, "only_if_banned", true) ? TAKE(body) : NULL;
}

int accesser_check_vain(struct run *run)
{
    if (!telegram_ask_in_vain())
        return 0;
    return run_failed(run, -EAGAIN, "Telegram gives no usable answers; the rest is left for later");
}

int accesser_must(struct run *run, const struct telegram_answer *answer)
{
    if (answer->verdict == TELEGRAM_DONE || answer->verdict == TELEGRAM_ALREADY)
        return 0;
    return run_failed(
        run, answer->verdict == TELEGRAM_RETRY || answer->verdict == TELEGRAM_WAIT ? -EAGAIN : -EIO,
        answer->why.text);
}

int accesser_read_id(const char *text, int64_t *ret)
{
    /* Ids have at most 52 significant bits (core.telegram.org/bots/api, Chat). */
    return text_to_int(text, -(INT64_C(1) << 53), INT64_C(1) << 53, ret);
}

int accesser_read_member(struct run *run, int64_t *ret_chat)
{
    int64_t user_id;

    if (run->argc != 2 || accesser_read_id(run->argv[0], ret_chat) < 0 ||
        accesser_read_id(run->argv[1], &user_id) < 0 || user_id < 0)
        return run_failed(run, -EDOM, "want a chat and a user, both by their numbers");
    return 0;
}
