/*
 * libcurl's multi interface driven by events: libcurl says which sockets and which timer it waits
 * for, libuv waits, and each event is handed to curl_multi_socket_action. Callbacks of the requests
 * run after that, never from inside of libcurl.
 */
#include "http_loop.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#include "http_transfer.h"
#include "limits.h"

/* transfer is first: libcurl's private pointer, which is the transfer, is the slot. */
struct slot {
    struct transfer transfer;
    http_loop_done *done;
};

struct http_loop {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    int limit;
    int in_flight;
    struct slot slots[];
};

/* One socket of libcurl's; lives until libuv has let go of it. */
struct watch {
    uv_poll_t poll;
    struct http_loop *http;
    curl_socket_t fd;
    int events; /* what libcurl waits for */
};

static void finish_all(struct http_loop *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct http_reply reply;
        struct slot *slot = NULL;
        void *tag;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        assert(slot && slot->transfer.in_use);
        (void)curl_multi_remove_handle(http->multi, slot->transfer.easy);
        tag = slot->transfer.tag;
        transfer_finish(&slot->transfer, code, &reply);
        http->in_flight--;
        slot->done(&reply, tag);
        reply_done(&reply);
    }
}

static void act(struct http_loop *http, curl_socket_t fd, int events)
{
    int running;

    (void)curl_multi_socket_action(http->multi, fd, events, &running);
    finish_all(http);
}

static void timer_fired(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* An error shows itself when the socket is used, but an answer that came before it is there to be
 * read; told of an error, libcurl would not look. libuv watches no longer where there was one
 * (uv__poll_io), and an answer may be larger than what is read at a time. */
static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int flags = 0;

    if (status < 0 && uv_poll_start(poll, watch->events, socket_ready) == 0)
        events = UV_READABLE | UV_WRITABLE;
    else if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(watch->http, watch->fd, flags);
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct watch *watch_new(struct http_loop *http, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    if (uv_poll_init(http->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->http = http;
    watch->fd = fd;
    (void)curl_multi_assign(http->multi, fd, watch);
    return watch;
}

/* Called by libcurl; -1 makes it give up the transfers. */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *closure, void *assigned)
{
    struct http_loop *http = closure;
    struct watch *watch = assigned;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, watch_closed);
        (void)curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    if (!watch)
        watch = watch_new(http, fd);
    if (!watch)
        return -1;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    watch->events = events;
    return uv_poll_start(&watch->poll, events, socket_ready) < 0 ? -1 : 0;
}

/* Called by libcurl. A timer of 0 fires in the loop's next turn, not here. */
static int timer_wanted(CURLM *multi, long timeout_ms, void *closure)
{
    struct http_loop *http = closure;

    (void)multi;
    if (timeout_ms < 0)
        return uv_timer_stop(&http->timer);
    return uv_timer_start(&http->timer, timer_fired, (uint64_t)timeout_ms, 0);
}

int http_loop_open(uv_loop_t *loop, int limit, struct http_loop **ret, struct err *reterr)
{
    struct http_loop *http;
    int r;

    r = transfers_begin(limit, reterr);
    if (r < 0)
        return r;
    http = calloc(1, sizeof *http + (size_t)limit * sizeof http->slots[0]);
    if (!http)
        goto fail;
    http->multi = curl_multi_init();
    if (!http->multi)
        goto fail;
    http->loop = loop;
    http->limit = limit;
    (void)uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)limit);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    *ret = http;
    return 0;

fail:
    free(http);
    curl_global_cleanup();
    return err_set(reterr, -ENOMEM, "out of memory");
}

static struct slot *slot_free(struct http_loop *http)
{
    for (int i = 0; i < http->limit; i++)
        if (!http->slots[i].transfer.in_use)
            return &http->slots[i];
    return NULL;
}

int http_loop_submit(struct http_loop *http, const struct http_request *request,
                     http_loop_done *done)
{
    struct slot *slot = slot_free(http);
    int r;

    if (!slot)
        return -EBUSY;
    r = transfer_prepare(&slot->transfer, request, NULL);
    if (r < 0)
        return r;
    slot->done = done;
    if (curl_multi_add_handle(http->multi, slot->transfer.easy) != CURLM_OK) {
        transfer_clear(&slot->transfer);
        return -ENOMEM;
    }
    slot->transfer.in_use = true;
    http->in_flight++;
    return 0;
}

int http_loop_in_flight(const struct http_loop *http)
{
    return http->in_flight;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void http_loop_close(struct http_loop *http)
{
    if (!http)
        return;
    for (int i = 0; i < http->limit; i++) {
        if (http->slots[i].transfer.in_use)
            (void)curl_multi_remove_handle(http->multi, http->slots[i].transfer.easy);
        transfer_done(&http->slots[i].transfer);
    }
    (void)curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    uv_close((uv_handle_t *)&http->timer, timer_closed);
}
