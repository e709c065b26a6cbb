#ifndef OPS_HTTP_LOOP_H
#define OPS_HTTP_LOOP_H
/*
 * The requests of http.h on a libuv loop: submitted from callbacks, answered by callbacks.
 *
 * The rules of http.h hold (TLS verified, no redirects, limits, a request that is not repeatable
 * leaves this host at most once). Connections are kept; a request with http2 set shares one with
 * others where the server speaks HTTP/2.
 */
#include <uv.h>

#include "http.h"

struct http_loop;

/* The reply is the client's and is gone after the callback. Not called from http_loop_submit. */
typedef void http_loop_done(struct http_reply *reply, void *tag);

/* limit: requests in flight, from 1 to HTTP_IN_FLIGHT_MAX. Returns 0, -EINVAL or -ENOMEM. */
int http_loop_open(uv_loop_t *loop, int limit, struct http_loop **ret, struct err *reterr);

/* Copies what it needs. Returns 0, and done(reply, request->tag) is called once, or as http_submit,
 * and it is not called. */
int http_loop_submit(struct http_loop *http, const struct http_request *request,
                     http_loop_done *done);

int http_loop_in_flight(const struct http_loop *http);

/* Gives up what is in flight without calling done. The memory goes when the loop has turned: run it
 * until it is empty. Accepts NULL. */
void http_loop_close(struct http_loop *http);

#endif
