/*
 * Everything that is said to libcurl about one request, and everything it says back. The options
 * are the policy of http.h: verified TLS, no redirects, limits on time and size, no resending.
 */
#include "http_transfer.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "limits.h"
#include "own.h"
#include "version.h"

enum { BUFFER_BYTES = 16384, KEEPALIVE_S = 30 };

int transfers_begin(int limit, struct err *reterr)
{
    if (limit < 1 || limit > HTTP_IN_FLIGHT_MAX)
        return err_set(reterr, -EINVAL, "requests in flight: want 1 to %d, got %d",
                       HTTP_IN_FLIGHT_MAX, limit);
    /* NOSIGNAL leaves it to the program that a write to a closed connection is no death. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return err_set(reterr, -errno, "cannot ignore SIGPIPE");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(reterr, -ENOMEM, "libcurl does not start");
    return 0;
}

/* Called whenever a piece of the answer has come; any other return than n ends the transfer. */
static size_t body_arrived(char *bytes, size_t size, size_t n, void *closure)
{
    struct transfer *transfer = closure;
    int r;

    n *= size;
    r = buf_add(&transfer->body, bytes, n);
    transfer->body_too_large = r == -EMSGSIZE;
    return r == 0 ? n : 0;
}

/* Called with each line of each header, and of a trailer. When the connection closes between two
 * lines, libcurl takes what came for a whole answer, so the blank line is watched for here. */
static size_t header_arrived(char *line, size_t size, size_t n, void *closure)
{
    struct transfer *transfer = closure;

    n *= size;
    if (n > strlen("HTTP/") && memcmp(line, "HTTP/", strlen("HTTP/")) == 0)
        transfer->headers_whole = false;
    else if (line[0] == '\r' || line[0] == '\n')
        transfer->headers_whole = true;
    return n;
}

/* Called when a connection stands and the request is about to go. When a kept connection turns out
 * to be closed, libcurl sends the request again on a new one, though the other side may have acted
 * on the first. Nothing but this refusal stops it. */
static int about_to_send(void *closure, char *to, char *from, int to_port, int from_port)
{
    struct transfer *transfer = closure;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (transfer->sends > 0 && !transfer->repeatable)
        return CURL_PREREQFUNC_ABORT;
    transfer->sends++;
    return CURL_PREREQFUNC_OK;
}

static bool method_is_good(const char *method)
{
    size_t length = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return length > 0 && method[length] == '\0';
}

static bool header_is_good(const char *header)
{
    const char *colon = strchr(header, ':');

    return colon && colon > header && !strpbrk(header, "\r\n");
}

static int header_add(struct transfer *transfer, const char *header)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, header);

    if (!longer)
        return -ENOMEM;
    transfer->headers = longer;
    return 0;
}

static int prepare_headers(struct transfer *transfer, const struct http_request *request,
                           struct err *reterr)
{
    const char *const *header;
    bool typed = false;
    int r = 0;

    for (header = request->headers; r == 0 && header && *header; header++) {
        if (!header_is_good(*header))
            return err_set(reterr, -EINVAL, "a header is not \"Name: value\" on one line");
        typed |= strncasecmp(*header, "Content-Type:", strlen("Content-Type:")) == 0;
        r = header_add(transfer, *header);
    }
    if (r == 0 && request->body && !typed)
        r = header_add(transfer, "Content-Type: application/json");
    return r < 0 ? err_set(reterr, r, "out of memory") : 0;
}

/* The first failure sticks; only memory can be short here, the values are ours or checked. */
#define SET(option, value)                                          \
    do {                                                            \
        if (code == CURLE_OK)                                       \
            code = curl_easy_setopt(transfer->easy, option, value); \
    } while (0)

static CURLcode set_policy(struct transfer *transfer, const struct http_request *request)
{
    CURLcode code = CURLE_OK;
    long total = (long)(request->timeout_ms ? request->timeout_ms : HTTP_TIMEOUT_MS);
    long connect = total < HTTP_CONNECT_TIMEOUT_MS ? total : HTTP_CONNECT_TIMEOUT_MS;

    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION,
        (long)(request->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    /* The first request finds out whether the server has HTTP/2; the others wait for that. */
    SET(CURLOPT_PIPEWAIT, (long)request->http2);
    SET(CURLOPT_TIMEOUT_MS, total);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)transfer->body.max);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
    SET(CURLOPT_USERAGENT, "opsd-workers/" OPS_VERSION);
    return code;
}

static CURLcode set_callbacks(struct transfer *transfer)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->curl_error);
    SET(CURLOPT_WRITEFUNCTION, body_arrived);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, header_arrived);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_PREREQFUNCTION, about_to_send);
    SET(CURLOPT_PREREQDATA, transfer);
    return code;
}

static CURLcode set_request(struct transfer *transfer, const struct http_request *request)
{
    const char *method = request->method ? request->method : "GET";
    bool post = strcmp(method, "POST") == 0;
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, transfer->headers);
    /* A proxy from the environment may carry TLS, never the plain text meant for this host. */
    if (strncasecmp(request->url, "https:", strlen("https:")) != 0)
        SET(CURLOPT_NOPROXY, "*");
    if (request->user && request->password) {
        if (request->aws_sigv4)
            SET(CURLOPT_AWS_SIGV4, request->aws_sigv4);
        else
            SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, request->user);
        SET(CURLOPT_PASSWORD, request->password);
    }
    if (request->body || post) {
        const char *body = request->body ? request->body : "";

        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        SET(CURLOPT_COPYPOSTFIELDS, body);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    }
    if (!post)
        SET(CURLOPT_CUSTOMREQUEST, method);
    return code;
}

static int prepare(struct transfer *transfer, const struct http_request *request,
                   struct err *reterr)
{
    CURLcode code;
    int r;

    r = http_check_url(request->url, reterr);
    if (r < 0)
        return r;
    if (request->method && !method_is_good(request->method))
        return err_set(reterr, -EINVAL, "the method is not a word in upper case");
    r = prepare_headers(transfer, request, reterr);
    if (r < 0)
        return r;
    code = set_policy(transfer, request);
    if (code == CURLE_OK)
        code = set_callbacks(transfer);
    if (code == CURLE_OK)
        code = set_request(transfer, request);
    /* An answer without a body still has a text. */
    if (code != CURLE_OK || buf_add_text(&transfer->body, "") < 0)
        return err_set(reterr, -ENOMEM, "cannot prepare a request: %s", curl_easy_strerror(code));
    return 0;
}

int transfer_prepare(struct transfer *transfer, const struct http_request *request,
                     struct err *reterr)
{
    int r;

    if (!transfer->easy)
        transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return err_set(reterr, -ENOMEM, "out of memory");
    buf_init(&transfer->body, request->body_max ? request->body_max : HTTP_BODY_MAX);
    transfer->repeatable = request->repeatable;
    transfer->tag = request->tag;
    r = prepare(transfer, request, reterr);
    if (r < 0)
        transfer_clear(transfer);
    return r;
}

/* libcurl's words may quote the other side. */
static void text_blank_controls(char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            *text = ' ';
}

static void explain(struct transfer *transfer, CURLcode code, struct err *ret)
{
    const char *detail = transfer->curl_error;

    if (transfer->body_too_large || code == CURLE_FILESIZE_EXCEEDED)
        (void)err_set(ret, 0, "the answer is larger than %zu bytes", transfer->body.max);
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        (void)err_set(ret, 0, "the connection was closed before an answer came");
    else
        (void)err_set(ret, 0, "%s", detail[0] ? detail : curl_easy_strerror(code));
    text_blank_controls(ret->text);
}

void transfer_finish(struct transfer *transfer, CURLcode code, struct http_reply *ret)
{
    curl_off_t retry_after_s = 0;
    long status = 0, taken = 0;

    /* A kept connection that was reset meanwhile took nothing of it. */
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &taken);
    *ret = (struct http_reply){ .tag = transfer->tag, .sent = transfer->sends > 0 && taken > 0 };
    if (code == CURLE_OK && !transfer->headers_whole)
        code = CURLE_PARTIAL_FILE;
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        ret->status = (int)status;
        ret->body_length = transfer->body.len;
    } else {
        /* Half an answer is none. */
        buf_clear(&transfer->body);
        explain(transfer, code, &ret->error);
    }
    /* A date in the past comes out negative. */
    if (retry_after_s > 0)
        ret->retry_after_ms = retry_after_s < INT64_MAX / 1000 ? retry_after_s * 1000 : INT64_MAX;
    ret->body = buf_take(&transfer->body);
    assert(ret->body);
    transfer_clear(transfer);
}

void transfer_clear(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    if (easy)
        curl_easy_reset(easy);
    curl_slist_free_all(transfer->headers);
    buf_done(&transfer->body);
    *transfer = (struct transfer){ .easy = easy };
}

void transfer_done(struct transfer *transfer)
{
    transfer_clear(transfer);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}
