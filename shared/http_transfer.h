#ifndef OPS_HTTP_TRANSFER_H
#define OPS_HTTP_TRANSFER_H
/*
 * One request on one libcurl easy handle: how it is set up and how its outcome is read.
 *
 * Owners: the pools in http.c and http_loop.c, which keep the handle for the next request.
 */
#include <curl/curl.h>
#include <stdbool.h>

#include "buf.h"
#include "http.h"

struct transfer {
    CURL *easy; /* made at the first use, then reset and used again */
    struct curl_slist *headers;
    struct buf body; /* of the answer */
    bool body_too_large;
    bool headers_whole; /* the blank line after the last header came */
    bool repeatable;
    int sends; /* how often libcurl was about to send the request */
    bool in_use;
    void *tag;
    char curl_error[CURL_ERROR_SIZE];
};

/* What a pool of so many needs before its first: the limit is checked, SIGPIPE is ignored, libcurl
 * starts, which curl_global_cleanup ends. Returns 0, -EINVAL or -ENOMEM. */
int transfers_begin(int limit, struct err *reterr);

/* Sets the handle up; the request may go away. On failure the transfer is as after
 * transfer_clear. Returns 0, -EINVAL or -ENOMEM. */
int transfer_prepare(struct transfer *transfer, const struct http_request *request,
                     struct err *reterr);

/* What became of it; moves the body to ret. */
void transfer_finish(struct transfer *transfer, CURLcode code, struct http_reply *ret);

/* Forgets the request, keeps the handle. */
void transfer_clear(struct transfer *transfer);

void transfer_done(struct transfer *transfer);

#endif
