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

/* The query string holds secrets; it exists only from here to the request. */
static int call(struct http *http, const char *path, const struct parameter *parameters, size_t n,
                struct http_reply *ret)
{
    struct http_request request = { .timeout_ms = PAGE_TIMEOUT_MS, .repeatable = true };
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s/%s", setting_text("VENDISTA_URL"), path);
    for (size_t i = 0; i < n && r == 0; i++)
        if (parameters[i].value)
            r = http_add_query(&url, parameters[i].name, parameters[i].value);
    request.url = url.p;
    if (r == 0)
        r = http_call(http, &request, ret);
    if (url.p)
        explicit_bzero(url.p, url.len);
    return r;
}

/* True when the reply is a document that is worth reading; else *ret says what it means. */
static bool answered(const struct http_reply *reply, struct vendista_answer *ret)
{
    ret->kind = VENDISTA_FAILED;
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
    const struct parameter parameters[] = { { "login", login }, { "password", password } };
    OWN_REPLY struct http_reply reply = { 0 };
    OWN(json) cJSON *json = NULL;
    const char *token;
    int r;

    *ret = (struct vendista_answer){ 0 };
    r = call(http, "token", parameters, 2, &reply);
    if (r < 0)
        return err_set(&ret->why, r, "%s", http_error(http));
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

/* More follow by the counts of the envelope; where they are missing, after a full page. */
static bool more_follow(const cJSON *page, int number, int count)
{
    int64_t all, each;

    if (count == 0)
        return false;
    if (json_get_id(page, "items_count", &all) < 0 ||
        json_get_id(page, "items_per_page", &each) < 0 || each <= 0)
        return count >= VENDISTA_PAGE_ITEMS;
    return number < (all + each - 1) / each;
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
    int r;

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
    r = list_ids(items, &ret->ids);
    if (r < 0)
        return r;
    ret->kind = VENDISTA_PAGE;
    ret->count = cJSON_GetArraySize(items);
    ret->more = more_follow(page, number, ret->count);
    ret->document = TAKE(reply->body);
    return 0;
}

static int get_page(struct http *http, const char *path, const struct vendista_query *query,
                    struct vendista_answer *ret)
{
    char page[16], items[16];
    const struct parameter parameters[] = {
        { "token", query->token }, { "DateFrom", query->from },
        { "DateTo", query->to },   { "PageNumber", page },
        { "ItemsOnPage", items },  { "OrderDesc", query->from ? "true" : NULL },
    };
    OWN_REPLY struct http_reply reply = { 0 };
    int r;

    *ret = (struct vendista_answer){ 0 };
    (void)snprintf(page, sizeof page, "%d", query->page);
    (void)snprintf(items, sizeof items, "%d", VENDISTA_PAGE_ITEMS);
    r = call(http, path, parameters, sizeof parameters / sizeof *parameters, &reply);
    if (r < 0)
        return err_set(&ret->why, r, "%s", http_error(http));
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

void vendista_done(struct vendista_answer *answer)
{
    if (answer->token)
        explicit_bzero(answer->token, strlen(answer->token));
    free(answer->token);
    free(answer->document);
    free(answer->ids);
    *answer = (struct vendista_answer){ 0 };
}
