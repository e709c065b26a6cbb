/*
 * Requests to Vendista and the meaning of its answers.
 */
#include "vendista.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "http_retry.h"
#include "json.h"
#include "limits.h"
#include "own.h"
#include "worker.h"

/* A page of 1,000 is about a megabyte, and the service is slow to make one. */
enum { PAGE_TIMEOUT_MS = 30000 };

/* Of as many as a body of HTTP_BODY_MAX can hold. */
enum { IDS_BYTES_MAX = 2 * HTTP_BODY_MAX };

/* clang-format off */
static const struct {
    int status;
    enum vendista_kind kind;
    const char *why;
} meanings[] = {
    { 401, VENDISTA_DENIED, "Vendista does not accept the credentials (HTTP 401)" },
    { 404, VENDISTA_DENIED, "Vendista does not accept the credentials (HTTP 404)" },
    { 402, VENDISTA_UNPAID, "Vendista wants to be paid (HTTP 402)" },
};
/* clang-format on */

struct parameter {
    const char *name, *value;
};

/* parameters end with a name of NULL; one without a value is left out. */
static int print_url(struct buf *url, const char *path, const struct parameter *parameters,
                     struct err *reterr)
{
    int r = buf_printf(url, "%s/%s", setting_text("VENDISTA_URL"), path);

    for (; parameters->name && r == 0; parameters++)
        if (parameters->value)
            r = http_add_query(url, parameters->name, parameters->value);
    if (r < 0)
        return err_set(reterr, r, "%s",
                       r == -EMSGSIZE ? "the credentials are too long" : "out of memory");
    return 0;
}

/* Once: what is repeated keeps its distance to other requests, for which the caller cares. */
static int call(struct http *http, const char *url, struct http_reply *ret, struct err *reterr)
{
    const struct http_request request = {
        .url = url,
        .timeout_ms = PAGE_TIMEOUT_MS,
        .repeatable = true,
    };
    int r = http_submit(http, &request);

    if (r == 0)
        r = http_collect(http, ret);
    return r < 0 ? err_set(reterr, r, "%s", http_error(http)) : 0;
}

/* The query string holds secrets; it exists only from here to the request. */
static int get(struct http *http, const char *path, const struct parameter *parameters,
               struct http_reply *ret, struct err *reterr)
{
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = print_url(&url, path, parameters, reterr);
    if (r == 0)
        r = call(http, url.p, ret, reterr);
    if (url.p)
        explicit_bzero(url.p, url.len);
    return r;
}

/* True when the reply is a document that is worth reading; else *ret says what it means. */
static bool answered(const struct http_reply *reply, struct vendista_answer *ret)
{
    ret->kind = VENDISTA_FAILED;
    ret->transient = !http_status_is_final(reply->status);
    ret->retry_after_ms = reply->retry_after_ms;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].status != reply->status)
            continue;
        ret->kind = meanings[i].kind;
        (void)err_set(&ret->why, 0, "%s", meanings[i].why);
        return false;
    }
    if (reply->status == 0)
        (void)err_set(&ret->why, 0, "no answer from Vendista: %s", reply->error.text);
    else if (reply->status != 200)
        (void)err_set(&ret->why, 0, "Vendista answered HTTP %d", reply->status);
    return reply->status == 200;
}

static int not_understood(struct vendista_answer *ret, const char *what)
{
    ret->kind = VENDISTA_FAILED;
    (void)err_set(&ret->why, 0, "Vendista's answer is %s", what);
    return 0;
}

int vendista_sign_in(struct http *http, const char *login, const char *password,
                     struct vendista_answer *ret)
{
    const struct parameter parameters[] = { { "login", login },
                                            { "password", password },
                                            { NULL, NULL } };
    OWN_REPLY struct http_reply reply = { 0 };
    OWN(json) cJSON *json = NULL;
    const char *token;
    int r;

    *ret = (struct vendista_answer){ .kind = VENDISTA_FAILED };
    r = get(http, "token", parameters, &reply, &ret->why);
    if (r < 0)
        return r;
    if (!answered(&reply, ret))
        return 0;
    r = json_parse(reply.body, reply.body_length, &json, NULL);
    if (r == -ENOMEM)
        return r;
    token = json_get_text(json, "token");
    if (!token || !*token)
        return not_understood(ret, "without a token");
    ret->token = strdup(token);
    ret->kind = VENDISTA_TOKEN;
    return ret->token ? 0 : -ENOMEM;
}

/* By the counts of the envelope; where they are missing, 0. */
static int64_t pages_of(const cJSON *page)
{
    int64_t all, each;

    if (json_get_id(page, "items_count", &all) < 0 || all < 0 ||
        json_get_id(page, "items_per_page", &each) < 0 || each <= 0)
        return 0;
    return all / each + (all % each > 0);
}

/* The database looks the items up by them; one that is not to be had is for it to find out. */
static int list_ids(const cJSON *items, char **ret)
{
    OWN_BUF struct buf ids = { 0 };
    const char *before = "{";
    const cJSON *item;
    int64_t id;
    int r = 0;

    buf_init(&ids, IDS_BYTES_MAX);
    cJSON_ArrayForEach(item, items)
    {
        if (r < 0)
            break;
        r = json_get_id(item, "id", &id) < 0 ? buf_printf(&ids, "%snull", before)
                                             : buf_printf(&ids, "%s%" PRId64, before, id);
        before = ",";
    }
    if (r == 0)
        r = buf_add_text(&ids, ids.len ? "}" : "{}");
    if (r == 0)
        *ret = buf_take(&ids);
    return r;
}

static int read_page(struct http_reply *reply, int number, struct vendista_answer *ret)
{
    OWN(json) cJSON *page = NULL;
    const cJSON *items;
    struct err why;
    int r, count;

    if (!answered(reply, ret))
        return 0;
    r = json_parse(reply->body, reply->body_length, &page, &why);
    if (r == -ENOMEM)
        return r;
    items = json_get(page, "items");
    if (r < 0)
        return not_understood(ret, "not JSON");
    if (!cJSON_IsArray(items))
        return not_understood(ret, "not a list of items");
    count = cJSON_GetArraySize(items);
    r = list_ids(items, &ret->ids);
    if (r < 0)
        return r;
    ret->kind = VENDISTA_PAGE;
    ret->pages = pages_of(page);
    ret->more = count > 0 && (ret->pages ? number < ret->pages : count >= VENDISTA_PAGE_ITEMS);
    (void)json_strip_nul(reply->body, reply->body_length);
    ret->document = TAKE(reply->body);
    return 0;
}

static int get_page(struct http *http, const char *path, const struct vendista_query *query,
                    struct vendista_answer *ret)
{
    char page[16], items[16];
    const struct parameter parameters[] = {
        { "token", query->token },
        { "DateFrom", query->from },
        { "DateTo", query->to },
        { "PageNumber", page },
        { "ItemsOnPage", items },
        { "OrderDesc", query->from ? "true" : NULL },
        { NULL, NULL },
    };
    OWN_REPLY struct http_reply reply = { 0 };
    int r;

    *ret = (struct vendista_answer){ .kind = VENDISTA_FAILED };
    (void)snprintf(page, sizeof page, "%d", query->page);
    (void)snprintf(items, sizeof items, "%d", VENDISTA_PAGE_ITEMS);
    r = get(http, path, parameters, &reply, &ret->why);
    if (r < 0)
        return r;
    return read_page(&reply, query->page, ret);
}

/* Newest first: what is sold while pages are turned moves rows to later pages, where they are seen
 * twice, instead of to earlier ones, where they would be missed. */
int vendista_transactions(struct http *http, const struct vendista_query *query,
                          struct vendista_answer *ret)
{
    return get_page(http, "transactions", query, ret);
}

int vendista_terminals(struct http *http, const struct vendista_query *query,
                       struct vendista_answer *ret)
{
    return get_page(http, "terminals", query, ret);
}

int64_t vendista_retry_ms(const struct vendista_answer *answer, int tries, uint32_t random)
{
    return answer->transient ? http_retry_delay(tries, answer->retry_after_ms, random) : -1;
}

void vendista_done(struct vendista_answer *answer)
{
    if (answer->token)
        explicit_bzero(answer->token, strlen(answer->token));
    free(answer->token);
    free(answer->document);
    free(answer->ids);
    *answer = (struct vendista_answer){ 0 };
}
