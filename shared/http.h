#ifndef OPS_HTTP_H
#define OPS_HTTP_H
/*
 * HTTP requests, several at a time, on libcurl's multi interface.
 *
 *     http_submit(http, &request)           up to the pool's limit may be in flight
 *     http_collect(http, &reply)            waits for any one of them
 *     http_call(http, &request, &reply)     one request, start to end, with retries
 *
 * TLS is verified always. Only https is spoken, except http to a loopback address. Redirects are
 * not followed. Connect, total time and the answer's size are limited (limits.h).
 *
 * A transport failure (time-out, refused, cut off) is a reply with status 0 and error set: the
 * caller cannot know whether the other side acted, unless sent is false. A request that is not
 * repeatable leaves this host at most once (libcurl would resend on a connection that was closed
 * under it). Nothing here logs, and no reply or error text holds credentials, path or query.
 *
 * A program that uses this ignores SIGPIPE from http_open on.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct http;

struct http_request {
    const char *method;          /* "GET" when NULL; upper case */
    const char *url;             /* no user:password@ in it */
    const char *user, *password; /* Basic authentication when both are set */
    const char *const *headers;  /* "Name: value", ends with NULL; may be NULL */
    const char *body;            /* sent as application/json; may be NULL */
    int64_t timeout_ms;          /* 0: HTTP_TIMEOUT_MS */
    size_t body_max;             /* of the answer; 0: HTTP_BODY_MAX */
    bool repeatable;             /* repeating cannot do harm (GET, idempotence key) */
    bool http2;                  /* one connection for many, where the server has HTTP/2: a cut
                                    leaves the outcome of all of them unknown */
    const char *aws_sigv4;       /* "aws:amz:REGION:s3": user and password sign, and are not sent */
    void *tag;                   /* comes back in the reply */
};

struct http_reply {
    int status;             /* 0: no answer */
    char *body;             /* ends with '\0'; never NULL after success of collect or call */
    size_t body_length;     /* 0 when there is no answer */
    int64_t retry_after_ms; /* from Retry-After (seconds or HTTP date, RFC 9110 10.2.3), else 0 */
    struct err error;       /* why there is no answer */
    bool sent;              /* false: it certainly never reached the other side */
    void *tag;
};

/* limit: requests in flight, from 1 to HTTP_IN_FLIGHT_MAX. */
int http_open(int limit, struct http **ret, struct err *reterr);
void http_close(struct http *http);

/* While this descriptor is readable (the worker was told to stop), http_call does not wait for
 * another try: it hands out the reply that it has. Requests in flight are still waited for, because
 * what they did must be recorded. A borrow; -1, the start value, is none. */
void http_set_stop_fd(struct http *http, int fd);

/* Copies what it needs; the request may go away. It travels during http_collect. Returns 0, -EBUSY
 * (limit reached: collect first), -EINVAL (URL, method or a header not allowed) or -ENOMEM; the
 * reason is in http_error. */
int http_submit(struct http *http, const struct http_request *request);

/* How many are in flight. */
int http_in_flight(const struct http *http);

/* Waits until one is finished. The caller calls reply_done (OWN_REPLY). Returns 0, -ENOENT (none in
 * flight) or a negative errno. */
int http_collect(struct http *http, struct http_reply *ret);

/* Submits and collects one request. When repeatable, no answer, 429 and 5xx are tried again,
 * HTTP_TRIES_MAX times in all, after Retry-After or an exponential delay with jitter; a Retry-After
 * beyond HTTP_RETRY_AFTER_MOST_MS is not waited for. The last reply is handed out whatever its
 * status. Returns 0, -EBUSY (others are in flight) or as http_submit. */
int http_call(struct http *http, const struct http_request *request, struct http_reply *ret);

const char *http_error(const struct http *http);
void reply_done(struct http_reply *reply);

/* Tells whether url may be asked: https, or http to 127.0.0.0/8, ::1 or localhost, and no
 * user:password@. Judged after libcurl's own parser, so both see the same host. Returns 0, -EINVAL
 * or -ENOMEM; the text names the host at most. */
int http_check_url(const char *url, struct err *reterr);

/* Adds name=value to the query string of url, both percent-encoded (RFC 3986, section 2.3).
 * Returns 0, or -EMSGSIZE or -ENOMEM with url as it was. */
struct buf;
int http_add_query(struct buf *url, const char *name, const char *value);

#define OWN_REPLY __attribute__((cleanup(reply_done)))

#endif
