/*
 * Questions to TronGrid and the envelopes of its answers.
 */
#include "trongrid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "limits.h"
#include "own.h"

/* Answers take a second; what takes longer is asked again by the next run. */
enum { ANSWER_TIMEOUT_MS = 15000 };
/* A page of 200 transfers is about 100 kB; a receipt of a contract that does much, a few. */
enum { ANSWER_BODY_MAX = 4 << 20 };
enum { KEY_HEADER_MAX = 256 };

static int submit(const struct trongrid *tron, struct http_request *request)
{
    char key[KEY_HEADER_MAX];
    const char *headers[] = { NULL, NULL };
    int r;

    if (*tron->key) {
        (void)snprintf(key, sizeof key, "TRON-PRO-API-KEY: %s", tron->key);
        headers[0] = key;
    }
    request->headers = headers;
    request->timeout_ms = ANSWER_TIMEOUT_MS;
    request->body_max = ANSWER_BODY_MAX;
    request->repeatable = true;
    r = http_submit(tron->http, request);
    explicit_bzero(key, sizeof key);
    return r;
}

static int post(const struct trongrid *tron, const char *path, const char *body, void *tag)
{
    struct http_request request = { .method = "POST", .body = body, .tag = tag };
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s%s", tron->url, path);
    if (r < 0)
        return r;
    request.url = url.p;
    return submit(tron, &request);
}

int trongrid_ask_height(const struct trongrid *tron, void *tag)
{
    return post(tron, "/wallet/getnowblock", "{}", tag);
}

int trongrid_ask_receipt(const struct trongrid *tron, const char *txid, bool solid, void *tag)
{
    char body[TRON_TXID_DIGITS + sizeof "{\"value\":\"\"}"];

    (void)snprintf(body, sizeof body, "{\"value\":\"%s\"}", txid);
    return post(tron,
                solid ? "/walletsolidity/gettransactioninfobyid" : "/wallet/gettransactioninfobyid",
                body, tag);
}

int trongrid_ask_list(const struct trongrid *tron, const struct trongrid_list *list, void *tag)
{
    char limit[16], since[24];
    const struct {
        const char *name, *value;
    } query[] = {
        { "only_to", "true" },
        { "limit", limit },
        { "min_timestamp", since },
        { "contract_address", tron->contract_text },
        { "order_by", "block_timestamp,asc" },
        { "fingerprint", list->fingerprint },
    };
    struct http_request request = { .tag = tag };
    OWN_BUF struct buf url = { 0 };
    int r;

    (void)snprintf(limit, sizeof limit, "%d", TRON_PAGE_ITEMS);
    (void)snprintf(since, sizeof since, "%lld", (long long)list->since);
    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s/v1/accounts/%s/transactions/trc20", tron->url, list->address);
    for (size_t i = 0; i < sizeof query / sizeof *query && r == 0; i++)
        if (query[i].value)
            r = http_add_query(&url, query[i].name, query[i].value);
    if (r < 0)
        return r;
    request.url = url.p;
    return submit(tron, &request);
}

/* clang-format off */
static const struct {
    int status;
    enum trongrid_verdict verdict;
} statuses[] = {
    { 401, TRONGRID_DENIED },
    /* Each was the answer to too many requests at some time. */
    { 403, TRONGRID_LIMITED },
    { 429, TRONGRID_LIMITED },
    { 503, TRONGRID_LIMITED },
};

/* Words of java-tron, which says them with 200. */
static const struct {
    const char *words;
    enum trongrid_verdict verdict;
} complaints[] = {
    { "lack of computing resources", TRONGRID_LIMITED },
    { "ApiKey", TRONGRID_DENIED },
};
/* clang-format on */

static enum trongrid_verdict verdict_of_complaint(const char *words)
{
    for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
        if (strcasestr(words, complaints[i].words))
            return complaints[i].verdict;
    return TRONGRID_USELESS;
}

static void read_status(const struct http_reply *reply, struct trongrid_answer *ret)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == reply->status)
            ret->verdict = statuses[i].verdict;
    if (reply->status == 0)
        (void)err_set(&ret->why, 0, "no answer: %s", reply->error.text);
    else
        (void)err_set(&ret->why, 0, "HTTP %d", reply->status);
    ret->wait_ms = reply->retry_after_ms;
}

/* An answer of 200 may be an error all the same, and a lite node says in bare words that it does
 * not have what was asked for. */
static int read_document(const struct http_reply *reply, struct trongrid_answer *ret)
{
    OWN(json) cJSON *json = NULL;
    const cJSON *success;
    const char *complaint;
    int r;

    r = json_parse(reply->body, reply->body_length, &json, NULL);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || !cJSON_IsObject(json)) {
        (void)err_set(&ret->why, 0, "the answer is no JSON object: %.60s", reply->body);
        return 0;
    }
    complaint = json_get_text(json, "Error");
    if (!complaint)
        complaint = json_get_text(json, "error");
    success = json_get(json, "success");
    if (complaint || (success && !cJSON_IsTrue(success))) {
        ret->verdict = complaint ? verdict_of_complaint(complaint) : TRONGRID_USELESS;
        (void)err_set(&ret->why, 0, "%.200s", complaint ? complaint : "success is not true");
        return 0;
    }
    ret->verdict = TRONGRID_ANSWER;
    ret->json = TAKE(json);
    return 0;
}

int trongrid_answer_read(const struct http_reply *reply, struct trongrid_answer *ret)
{
    *ret = (struct trongrid_answer){ .verdict = TRONGRID_USELESS };
    if (reply->status == 200)
        return read_document(reply, ret);
    read_status(reply, ret);
    return 0;
}

void trongrid_answer_done(struct trongrid_answer *answer)
{
    cJSON_Delete(answer->json);
    *answer = (struct trongrid_answer){ 0 };
}
