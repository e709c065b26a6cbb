/* The Bot API's URLs and envelopes on top of http_loop. */
#include "telegram.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http_loop.h"
#include "limits.h"
#include "own.h"

struct slot {
    telegram_done *done; /* NULL: free */
    void *tag;
};

struct telegram {
    struct http_loop *http;
    int limit;
    char *base_url;
    struct slot slots[];
};

int telegram_open(uv_loop_t *loop, const char *base_url, int in_flight, struct telegram **ret,
                  struct err *reterr)
{
    struct telegram *telegram;
    int r;

    r = http_check_url(base_url, reterr);
    if (r < 0)
        return r;
    telegram = calloc(1, sizeof *telegram + (size_t)in_flight * sizeof telegram->slots[0]);
    if (!telegram)
        return err_set(reterr, -ENOMEM, "out of memory");
    telegram->limit = in_flight;
    telegram->base_url = strdup(base_url);
    if (telegram->base_url)
        r = http_loop_open(loop, in_flight, &telegram->http, reterr);
    else
        r = err_set(reterr, -ENOMEM, "out of memory");
    if (r < 0) {
        telegram_close(telegram);
        return r;
    }
    *ret = telegram;
    return 0;
}

static void answered(struct http_reply *reply, void *tag)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    struct slot *slot = tag;
    telegram_done *done = slot->done;

    if (reply->status)
        telegram_answer_read(reply->status, reply->body, reply->body_length, reply->retry_after_ms,
                             &answer);
    else
        telegram_answer_none(reply->error.text, reply->sent, &answer);
    slot->done = NULL;
    done(&answer, slot->tag);
}

static struct slot *slot_free(struct telegram *telegram)
{
    for (int i = 0; i < telegram->limit; i++)
        if (!telegram->slots[i].done)
            return &telegram->slots[i];
    return NULL;
}

/* A token is digits, a colon, and letters of base64url; nothing else belongs into a path. */
static bool token_is_good(const char *token)
{
    return *token && token[strspn(token, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "abcdefghijklmnopqrstuvwxyz:_-")] == '\0';
}

int telegram_url(const char *base_url, const char *token, const char *method, struct buf *url)
{
    size_t length = strlen(base_url);
    int r;

    if (!token_is_good(token))
        return -EINVAL;
    while (length > 0 && base_url[length - 1] == '/')
        length--;
    r = buf_printf(url, "%.*s/bot%s/%s", (int)length, base_url, token, method);
    return r == -EMSGSIZE ? -EINVAL : r;
}

int telegram_call(struct telegram *telegram, const struct telegram_request *request)
{
    struct slot *slot = slot_free(telegram);
    OWN_BUF struct buf url = { 0 };
    int r;

    if (!slot)
        return -EBUSY;
    buf_init(&url, HTTP_URL_MAX);
    r = telegram_url(telegram->base_url, request->token, request->method, &url);
    if (r < 0)
        return r;
    slot->done = request->done;
    slot->tag = request->tag;
    r = http_loop_submit(
        telegram->http,
        &(struct http_request){
            .method = "POST",
            .url = url.p,
            .body = request->body,
            .timeout_ms = request->timeout_ms ? request->timeout_ms : TELEGRAM_TIMEOUT_MS,
            .body_max = TELEGRAM_BODY_MAX,
            .repeatable = request->repeatable,
            .http2 = true,
            .tag = slot,
        },
        answered);
    if (r < 0)
        slot->done = NULL;
    return r;
}

void telegram_close(struct telegram *telegram)
{
    if (!telegram)
        return;
    http_loop_close(telegram->http);
    free(telegram->base_url);
    free(telegram);
}
