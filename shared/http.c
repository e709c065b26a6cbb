/*
 * The pool: a libcurl multi handle that keeps connections for reuse, and a slot per request in
 * flight. Nothing runs in the background: requests travel while somebody waits in http_collect.
 */
#include "http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>

#include "http_retry.h"
#include "http_transfer.h"
#include "instant.h"
#include "limits.h"

/* libcurl wakes up by itself for every event and time limit; this only bounds a mistake of its. */
enum { POLL_MS = 1000 };

struct http {
    CURLM *multi;
    int limit;
    int in_flight;
    int stop_fd;
    struct err error;
    struct transfer transfers[];
};

int http_open(int limit, struct http **ret, struct err *reterr)
{
    struct http *http;
    int r;

    r = transfers_begin(limit, reterr);
    if (r < 0)
        return r;
    http = calloc(1, sizeof *http + (size_t)limit * sizeof http->transfers[0]);
    if (!http)
        goto fail;
    http->multi = curl_multi_init();
    if (!http->multi)
        goto fail;
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)limit);
    http->limit = limit;
    http->stop_fd = -1;
    *ret = http;
    return 0;

fail:
    free(http);
    curl_global_cleanup();
    return err_set(reterr, -ENOMEM, "out of memory");
}

void http_close(struct http *http)
{
    int i;

    if (!http)
        return;
    for (i = 0; i < http->limit; i++) {
        if (http->transfers[i].in_use)
            (void)curl_multi_remove_handle(http->multi, http->transfers[i].easy);
        transfer_done(&http->transfers[i]);
    }
    (void)curl_multi_cleanup(http->multi);
    free(http);
    curl_global_cleanup();
}

void http_set_stop_fd(struct http *http, int fd)
{
    http->stop_fd = fd;
}

int http_in_flight(const struct http *http)
{
    return http->in_flight;
}

const char *http_error(const struct http *http)
{
    return http->error.text;
}

static struct transfer *slot_free(struct http *http)
{
    int i;

    for (i = 0; i < http->limit; i++)
        if (!http->transfers[i].in_use)
            return &http->transfers[i];
    return NULL;
}

int http_submit(struct http *http, const struct http_request *request)
{
    struct transfer *transfer = slot_free(http);
    CURLMcode code;
    int r;

    if (!transfer)
        return err_set(&http->error, -EBUSY, "%d requests are in flight already", http->limit);
    r = transfer_prepare(transfer, request, &http->error);
    if (r < 0)
        return r;
    code = curl_multi_add_handle(http->multi, transfer->easy);
    if (code != CURLM_OK) {
        transfer_clear(transfer);
        return err_set(&http->error, -ENOMEM, "cannot start a request: %s",
                       curl_multi_strerror(code));
    }
    transfer->in_use = true;
    http->in_flight++;
    return 0;
}

/* Takes one finished request out; false when there is none yet. */
static bool collect_finished(struct http *http, struct http_reply *ret)
{
    struct transfer *transfer = NULL;
    CURLMsg *message;
    CURLcode code;
    int left;

    message = curl_multi_info_read(http->multi, &left);
    if (!message || message->msg != CURLMSG_DONE)
        return false;
    code = message->data.result;
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    assert(transfer && transfer->in_use);
    (void)curl_multi_remove_handle(http->multi, transfer->easy);
    transfer_finish(transfer, code, ret);
    http->in_flight--;
    return true;
}

int http_collect(struct http *http, struct http_reply *ret)
{
    CURLMcode code;
    int running;

    if (http->in_flight == 0)
        return -ENOENT;
    for (;;) {
        if (collect_finished(http, ret))
            return 0;
        code = curl_multi_perform(http->multi, &running);
        if (code == CURLM_OK && collect_finished(http, ret))
            return 0;
        if (code == CURLM_OK)
            code = curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
        if (code != CURLM_OK)
            return err_set(&http->error, code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO,
                           "libcurl: %s", curl_multi_strerror(code));
    }
}

/* Waits; false when the program was told to stop meanwhile. */
static bool wait_unless_stopped(const struct http *http, int64_t delay_ms)
{
    uint64_t until = monotonic_now_ms() + (uint64_t)delay_ms, now;
    struct pollfd stop = { .fd = http->stop_fd, .events = POLLIN };

    while ((now = monotonic_now_ms()) < until)
        if (poll(&stop, 1, (int)(until - now)) > 0)
            return false;
    return true;
}

/* True when another try is due, after having waited for it. */
static bool retry_waited(const struct http *http, int tries, const struct http_reply *reply)
{
    uint32_t random = 0;
    int64_t delay_ms;

    if (http_status_is_final(reply->status))
        return false;
    /* Without randomness the delay is only less spread. */
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    delay_ms = http_retry_delay(tries, reply->retry_after_ms, random);
    return delay_ms >= 0 && wait_unless_stopped(http, delay_ms);
}

int http_call(struct http *http, const struct http_request *request, struct http_reply *ret)
{
    struct http_reply reply;
    int tries, r;

    if (http->in_flight > 0)
        return err_set(&http->error, -EBUSY, "%d requests are in flight", http->in_flight);
    for (tries = 1;; tries++) {
        r = http_submit(http, request);
        if (r < 0)
            return r;
        r = http_collect(http, &reply);
        if (r < 0)
            return r;
        if (!request->repeatable || !retry_waited(http, tries, &reply)) {
            *ret = reply;
            return 0;
        }
        reply_done(&reply);
    }
}

void reply_done(struct http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}
