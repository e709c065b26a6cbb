/*
 * libmicrohttpd on the loop: its epoll descriptor says when there is something to do, and a request
 * whose answer is not known yet is suspended until it is.
 *
 * Source: microhttpd.h of 0.9.75 (MHD_run, MHD_get_timeout, MHD_suspend_connection).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "instant.h"
#include "json_write.h"
#include "limits.h"
#include "log.h"
#include "own.h"

static const char JSON[] = "application/json";

static struct {
    struct MHD_Daemon *daemon;
    uv_poll_t ready;
    uv_timer_t due, second;
    TAILQ_HEAD(, exchange) suspended;
    size_t bodies_bytes;
    uint64_t answers[6];
} face;

/* --- the loop --- */

static void due(uv_timer_t *timer);

static void turn(void)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    (void)MHD_run(face.daemon);
    if (MHD_get_timeout(face.daemon, &wait_ms) == MHD_YES)
        (void)uv_timer_start(&face.due, due, wait_ms, 0);
    else
        (void)uv_timer_stop(&face.due);
}

static void ready(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
    turn();
}

static void due(uv_timer_t *timer)
{
    (void)timer;
    turn();
}

/* --- answers --- */

static void drop_body(struct exchange *x)
{
    face.bodies_bytes -= x->body_bytes;
    x->body_bytes = 0;
    buf_done(&x->body);
    buf_init(&x->body, 0);
}

void exchange_hold(struct exchange *x)
{
    x->holders++;
}

void exchange_release(struct exchange *x)
{
    if (--x->holders)
        return;
    if (x->response)
        MHD_destroy_response(x->response);
    drop_body(x);
    buf_done(&x->draft);
    free(x);
}

void exchange_header(struct exchange *x, const char *name, const char *value)
{
    if (x->response)
        (void)MHD_add_response_header(x->response, name, value);
}

static void resume(struct exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    TAILQ_REMOVE(&face.suspended, x, next);
    MHD_resume_connection(x->connection);
    /* Its epoll descriptor does not tell; one turn serves all that were resumed until then. */
    (void)uv_timer_start(&face.due, due, 0, 0);
}

/* Takes the response. */
static void answer(struct exchange *x, int status, const char *type, struct MHD_Response *response)
{
    x->response = response;
    x->status = status;
    exchange_header(x, "Content-Type", type);
    exchange_header(x, "X-Content-Type-Options", "nosniff");
}

void exchange_answer(struct exchange *x, int status, const char *type, struct buf *body)
{
    size_t n = body->len;
    char *text = buf_take(body);

    if (x->status) {
        free(text);
        return;
    }
    answer(x, status, type, MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE));
    exchange_header(x, "Cache-Control", "no-store");
    if (!x->response)
        free(text);
    resume(x);
}

void exchange_answer_constant(struct exchange *x, int status, const char *type, const char *text)
{
    /* libmicrohttpd only reads what is persistent. */
    if (!x->status)
        answer(x, status, type,
               MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                               MHD_RESPMEM_PERSISTENT));
    resume(x);
}

void exchange_error(struct exchange *x, int status, const char *format, ...)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };
    char text[ERR_TEXT_MAX], seconds[16];
    va_list arguments;

    if (x->status)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_write_init(&w, ANSWER_BYTES_MAX);
    json_write_open(&w, NULL, '{');
    json_write_text(&w, "error", text);
    json_write_close(&w, '}');
    exchange_answer(x, status, JSON, &w.text);
    if (status != MHD_HTTP_SERVICE_UNAVAILABLE)
        return;
    (void)snprintf(seconds, sizeof seconds, "%d", RETRY_AFTER_S);
    exchange_header(x, "Retry-After", seconds);
}

void exchange_json(struct exchange *x, const char *text)
{
    OWN_BUF struct buf body = { 0 };

    buf_init(&body, ANSWER_BYTES_MAX);
    if (!text || buf_add_text(&body, text) < 0)
        exchange_error(x, MHD_HTTP_INTERNAL_SERVER_ERROR,
                       "the answer is too large, or memory ran out; ask for less");
    else
        exchange_answer(x, MHD_HTTP_OK, JSON, &body);
}

/* --- requests --- */

const char *exchange_request_header(struct exchange *x, const char *name)
{
    return x->connection ? MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name) : NULL;
}

const char *exchange_argument(struct exchange *x, const char *name)
{
    return x->connection ? MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name)
                         : NULL;
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void too_large(struct exchange *x)
{
    drop_body(x);
    exchange_error(x, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large: at most %zu bytes",
                   route_body_max(x->route));
}

static void take_body(struct exchange *x, const char *bytes, size_t n)
{
    int r;

    if (x->status)
        return;
    if (face.bodies_bytes + n > BODIES_BYTES_MAX) {
        drop_body(x);
        exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "too much is under way; try again later");
        return;
    }
    r = buf_add(&x->body, bytes, n);
    if (r == 0) {
        face.bodies_bytes += n;
        x->body_bytes += n;
    } else if (r == -EMSGSIZE)
        too_large(x);
    else
        exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory; try again later");
}

/* A length that is told beforehand is refused before anything of it is read. */
static void check_length(struct exchange *x)
{
    const char *length = exchange_request_header(x, "Content-Length");

    if (length && strtoull(length, NULL, 10) > route_body_max(x->route))
        too_large(x);
}

static enum MHD_Result send_answer(struct exchange *x)
{
    peer_clock(peer_of(x->connection), true);
    if (!x->response)
        return MHD_NO;
    face.answers[x->status / 100]++;
    return MHD_queue_response(x->connection, (unsigned)x->status, x->response);
}

static enum MHD_Result begin(struct MHD_Connection *connection, const char *url, const char *method,
                             void **tag)
{
    struct exchange *x = calloc(1, sizeof *x);

    if (!x)
        return MHD_NO;
    *tag = x;
    x->connection = connection;
    x->holders = 1;
    route_begin(x, method, url);
    if (!x->status) {
        buf_init(&x->body, route_body_max(x->route));
        check_length(x);
    }
    return x->status ? send_answer(x) : MHD_YES;
}

/* The parameters are libmicrohttpd's. NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result serve(void *unused, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **tag)
{
    struct exchange *x = *tag;

    (void)unused;
    (void)version;
    if (!x)
        return begin(connection, url, method, tag);
    if (*upload_size) {
        take_body(x, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (x->status)
        return send_answer(x);
    peer_clock(peer_of(connection), false);
    route_handle(x);
    if (x->status)
        return send_answer(x);
    x->suspended = true;
    TAILQ_INSERT_TAIL(&face.suspended, x, next);
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void completed(void *unused, struct MHD_Connection *connection, void **tag,
                      enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *tag;

    (void)unused;
    (void)code;
    peer_clock(peer_of(connection), true);
    if (!x)
        return;
    x->connection = NULL;
    *tag = NULL;
    exchange_release(x);
}

static void connection_event(void *unused, struct MHD_Connection *connection, void **tag,
                             enum MHD_ConnectionNotificationCode code)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    (void)unused;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        peer_free(*tag);
        *tag = NULL;
        return;
    }
    *tag = peer_new(
        fd, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
}

/* --- patience --- */

static void answer_late(uv_timer_t *timer)
{
    uint64_t now_ms = monotonic_now_ms();
    struct exchange *x, *next;

    (void)timer;
    for (x = TAILQ_FIRST(&face.suspended); x; x = next) {
        next = TAILQ_NEXT(x, next);
        if (now_ms >= x->late_ms)
            exchange_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
                           "no answer in time; what was asked for may still happen");
    }
}

void face_give_up(void)
{
    while (!TAILQ_EMPTY(&face.suspended))
        exchange_error(TAILQ_FIRST(&face.suspended), MHD_HTTP_SERVICE_UNAVAILABLE,
                       "the gateway is stopping; try again");
    turn();
}

/* --- life --- */

static void complain(void *unused, const char *format, va_list arguments)
{
    char text[ERR_TEXT_MAX];

    (void)unused;
    (void)vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("libmicrohttpd", LOG_TEXT("text", text));
}

static struct MHD_Daemon *start(int listen_fd)
{
    /* Pushed out, a connection is there until the next turn. */
    enum { LEAVING_MAX = 64 };
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

    return MHD_start_daemon(
        flags, 0, peers_admit, NULL, serve, NULL, MHD_OPTION_EXTERNAL_LOGGER, complain, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX + LEAVING_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_BYTES_MAX, MHD_OPTION_NOTIFY_COMPLETED,
        completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, connection_event, NULL, MHD_OPTION_END);
}

int face_open(uv_loop_t *loop, int listen_fd, struct err *reterr)
{
    enum { LOOK_MS = 250 };
    const union MHD_DaemonInfo *info;
    int r;

    TAILQ_INIT(&face.suspended);
    r = peers_open(loop);
    face.daemon = start(listen_fd);
    if (r < 0 || !face.daemon)
        return err_set(reterr, -EIO, "libmicrohttpd does not start");
    info = MHD_get_daemon_info(face.daemon, MHD_DAEMON_INFO_EPOLL_FD);
    (void)uv_timer_init(loop, &face.due);
    (void)uv_timer_init(loop, &face.second);
    (void)uv_timer_start(&face.second, answer_late, LOOK_MS, LOOK_MS);
    (void)uv_timer_start(&face.due, due, 0, 0);
    r = uv_poll_init(loop, &face.ready, info->epoll_fd);
    if (r == 0)
        r = uv_poll_start(&face.ready, UV_READABLE, ready);
    return r < 0 ? err_set(reterr, r, "cannot watch libmicrohttpd: %s", uv_strerror(r)) : 0;
}

void face_quiesce(void)
{
    (void)MHD_quiesce_daemon(face.daemon);
}

void face_close(void)
{
    if (!face.daemon)
        return;
    (void)uv_poll_stop(&face.ready);
    MHD_stop_daemon(face.daemon);
    face.daemon = NULL;
    peers_close();
    uv_close((uv_handle_t *)&face.ready, NULL);
    uv_close((uv_handle_t *)&face.due, NULL);
    uv_close((uv_handle_t *)&face.second, NULL);
}

bool face_is_busy(void)
{
    return !TAILQ_EMPTY(&face.suspended);
}

const uint64_t *face_answers(void)
{
    return face.answers;
}
