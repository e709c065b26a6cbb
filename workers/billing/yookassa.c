/*
 * Requests to YooKassa and the meaning of its answers. The rule that matters: whatever does not
 * certainly say "done" or "not done" is unknown, and unknown is never taken for a refusal.
 */
#include "yookassa.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "limits.h"
#include "own.h"
#include "worker.h"

/* The most that the provider gives in one page. */
#define PAGE_LIMIT "100"

/* clang-format off */
static const struct {
    int status;
    enum answer_kind kind;
} meanings[] = {
    { 200, ANSWER_PAYMENT },
    { 400, ANSWER_REFUSED },
    { 401, ANSWER_DENIED },
    { 403, ANSWER_DENIED },
    { 404, ANSWER_NOT_FOUND },
    /* Everything else is unknown: 202 is "processing", 429 and 500 ask for the same again, and
     * what else a proxy on the way may say tells nothing about the payment. */
};
/* clang-format on */

static enum answer_kind meaning_of(int status)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].status == status)
            return meanings[i].kind;
    return ANSWER_UNKNOWN;
}

/* Words of the provider's that may go into a row or a log: its codes are plain ASCII names. */
static const char *plain(const char *word)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_.-[]";

    if (!word || !*word || strlen(word) > 64 || word[strspn(word, letters)])
        return NULL;
    return word;
}

/* The key is known together with another body, or its first request is still at work. Either way
 * there may be a payment. */
static bool is_duplicated_key(const cJSON *error)
{
    const char *parameter = json_get_text(error, "parameter");
    const char *description = json_get_text(error, "description");

    return (parameter && strcasecmp(parameter, "Idempotence-Key") == 0) ||
           (description && strcasestr(description, "Idempotence key duplicated"));
}

/* A proxy on the way says 400, too: only the provider's own words are a refusal. */
static bool is_refusal(const cJSON *error)
{
    const char *type = json_get_text(error, "type");
    const char *code = json_get_text(error, "code");

    return type && code && strcmp(type, "error") == 0 &&
           (strcmp(code, "invalid_request") == 0 || strcmp(code, "not_supported") == 0) &&
           !is_duplicated_key(error);
}

static void read_error(const struct http_reply *reply, const cJSON *error, struct answer *answer)
{
    const char *code = plain(json_get_text(error, "code"));
    const char *parameter = plain(json_get_text(error, "parameter"));

    if (answer->kind == ANSWER_REFUSED && !is_refusal(error))
        answer->kind = ANSWER_UNKNOWN;
    (void)snprintf(answer->reason, sizeof answer->reason, "request %s",
                   parameter ? parameter : (code ? code : "refused"));
    (void)err_set(&answer->why, 0, "HTTP %d%s%s%s%s", reply->status, code ? " " : "",
                  code ? code : "", parameter ? " " : "", parameter ? parameter : "");
}

static bool is_payment(const cJSON *item)
{
    const char *id = json_get_text(item, "id");

    return id && *id && json_get_text(item, "status");
}

int answer_read(const struct http_reply *reply, struct answer *ret)
{
    struct answer answer = {
        .kind = meaning_of(reply->status),
        .wait_ms = reply->retry_after_ms,
    };
    OWN(json) cJSON *json = NULL;
    int r;

    if (reply->status == 0) {
        (void)err_set(&answer.why, 0, "no answer: %s", reply->error.text);
        *ret = answer;
        return 0;
    }
    r = json_parse(reply->body, reply->body_length, &json, NULL);
    if (r == -ENOMEM)
        return r;
    if (answer.kind != ANSWER_PAYMENT) {
        read_error(reply, json, &answer);
    } else if (r < 0) {
        answer.kind = ANSWER_UNKNOWN;
        (void)err_set(&answer.why, 0, "the answer is not JSON");
    } else if (!is_payment(json)) {
        answer.kind = ANSWER_UNKNOWN;
        (void)err_set(&answer.why, 0, "the answer is not a payment");
    } else {
        answer.document = reply->body;
    }
    *ret = answer;
    return 0;
}

/* Rows count from 0; the tag is never NULL. */
static void *row_tag(int row)
{
    return (void *)(intptr_t)(row + 1);
}

int answer_row(const struct http_reply *reply)
{
    return (int)(intptr_t)reply->tag - 1;
}

static void request_init(struct http_request *request)
{
    *request = (struct http_request){
        .user = setting_text("YOOKASSA_SHOP_ID"),
        .password = setting_text("YOOKASSA_SECRET_KEY"),
        .repeatable = true,
    };
}

int yookassa_charge(struct http *http, const char *key, const char *body, int row)
{
    struct http_request request;
    OWN_BUF struct buf url = { 0 };
    char header[96];

    buf_init(&url, HTTP_URL_MAX);
    if (buf_printf(&url, "%s/payments", setting_text("YOOKASSA_URL")) < 0)
        return -ENOMEM;
    (void)snprintf(header, sizeof header, "Idempotence-Key: %s", key);
    request_init(&request);
    request.method = "POST";
    request.url = url.p;
    request.headers = (const char *const[]){ header, NULL };
    request.body = body;
    request.tag = row_tag(row);
    return http_submit(http, &request);
}

/* Ids come from rows that others wrote: whatever is in one stays one path segment. */
static int add_segment(struct buf *url, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_";
    int r = 0;

    for (; *text && r == 0; text++)
        r = buf_printf(url, strchr(unreserved, *text) ? "%c" : "%%%02X", (unsigned char)*text);
    return r;
}

int yookassa_ask(struct http *http, const char *payment_id, int row)
{
    struct http_request request;
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s/payments/", setting_text("YOOKASSA_URL"));
    if (r == 0)
        r = add_segment(&url, payment_id);
    if (r < 0)
        return r;
    request_init(&request);
    request.url = url.p;
    request.tag = row_tag(row);
    return http_submit(http, &request);
}

static int list_url(struct buf *url, const struct payment_filter *filter, const char *cursor)
{
    char from[32], to[32];
    const struct {
        const char *name, *value;
    } query[] = {
        { "limit", PAGE_LIMIT }, { "status", filter->status }, { from, filter->from },
        { to, filter->to },      { "cursor", cursor },
    };
    int r;

    (void)snprintf(from, sizeof from, "%s.gte", filter->field);
    (void)snprintf(to, sizeof to, "%s.lte", filter->field);
    r = buf_printf(url, "%s/payments", setting_text("YOOKASSA_URL"));
    for (size_t i = 0; i < sizeof query / sizeof *query && r == 0; i++)
        if (query[i].value)
            r = http_add_query(url, query[i].name, query[i].value);
    return r;
}

static bool are_payments(const cJSON *items)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, items)
    {
        if (!is_payment(item))
            return false;
    }
    return true;
}

/* Only a cursor that is absent or null says that this is the last page. */
static bool is_cursor(const cJSON *cursor)
{
    return !cursor || cJSON_IsNull(cursor) || (cJSON_IsString(cursor) && *cursor->valuestring);
}

static int read_page(struct http_reply *reply, struct payment_page *ret, struct err *reterr)
{
    OWN(json) cJSON *json = NULL;
    const cJSON *items;
    const char *cursor;
    int r;

    r = json_parse(reply->body, reply->body_length, &json, reterr);
    if (r == -ENOMEM)
        return r;
    items = r == 0 ? json_get(json, "items") : NULL;
    if (!cJSON_IsArray(items))
        return err_set(reterr, -EAGAIN, "the answer is not a list of payments");
    if (!is_cursor(json_get(json, "next_cursor")))
        return err_set(reterr, -EAGAIN, "next_cursor is neither a text nor null");
    cursor = json_get_text(json, "next_cursor");
    if (cursor) {
        ret->cursor = strdup(cursor);
        if (!ret->cursor)
            return err_set(reterr, -ENOMEM, "out of memory");
    }
    ret->count = cJSON_GetArraySize(items);
    ret->sound = are_payments(items);
    (void)json_strip_nul(reply->body, reply->body_length);
    ret->document = TAKE(reply->body);
    return 0;
}

int yookassa_list(struct http *http, const struct payment_filter *filter, const char *cursor,
                  struct payment_page *ret, struct err *reterr)
{
    OWN_REPLY struct http_reply reply = { 0 };
    struct answer answer;
    struct http_request request;
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = list_url(&url, filter, cursor);
    if (r < 0)
        return err_set(reterr, r, "the address of the list is too long");
    request_init(&request);
    request.url = url.p;
    r = http_call(http, &request, &reply);
    if (r < 0)
        return err_set(reterr, r, "%s", http_error(http));
    if (meaning_of(reply.status) == ANSWER_PAYMENT)
        return read_page(&reply, ret, reterr);
    r = answer_read(&reply, &answer);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    return err_set(reterr, answer.kind == ANSWER_DENIED ? -EACCES : -EAGAIN, "%s", answer.why.text);
}

void page_done(struct payment_page *page)
{
    free(page->document);
    free(page->cursor);
    *page = (struct payment_page){ 0 };
}
