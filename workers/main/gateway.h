#ifndef OPS_GATEWAY_H
#define OPS_GATEWAY_H
/*
 * The parts of the gateway, for one another. One process, one thread, one libuv loop that never
 * waits: libmicrohttpd is driven by its epoll descriptor, PostgreSQL by db_stream, opsd by its
 * socket. Each part keeps its own state, since a process has one gateway.
 *
 *     face      libmicrohttpd on the loop; exchanges
 *     peers     connections: how many, from whom, for how long
 *     routes    which path is whose, and who may ask it
 *     updates   what Telegram sends: checked, gathered, stored, and only then acknowledged
 *     ask       statements on behalf of a request
 *     fleet     questions to opsd
 *     api, metrics   the answers
 *     dashboard      the page that shows them to a person
 */
#include <microhttpd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "buf.h"
#include "db.h"
#include "db_stream.h"
#include "json.h"

enum {
    /* Telegram opens up to 100 connections a bot (max_connections); everybody else is a person or a
     * scraper. One more than this and the connection that has waited longest for its request is
     * closed, so slow clients push out one another and nobody else. */
    CONNECTIONS_MAX = 512,
    /* More than any honest sender needs. Loopback is exempt: behind a tunnel or a proxy all the
     * world comes from there. */
    CONNECTIONS_PER_ADDRESS_MAX = 128,
    /* A request must be there as a whole, and an answer read, within this time: over a slow mobile
     * line it is; a client that sends a byte now and then is closed. */
    EXCHANGE_MS = 10000,
    /* Request line and headers. Telegram's are below 1 KiB, a browser's below 8. */
    HEADERS_BYTES_MAX = 16 << 10,
    /* A callback query with the longest message, its quote and 100 buttons, all of it escaped, is
     * below 256 KiB. */
    UPDATE_BYTES_MAX = 1 << 20,
    API_BYTES_MAX = 4 << 10,
    /* delete-messages-bulk with its 10,000 ids of up to 19 digits. */
    ORDER_BYTES_MAX = 256 << 10,
    /* Bodies of all requests that are under way. */
    BODIES_BYTES_MAX = 64 << 20,
    /* The whole fleet in `stat --json` is below 1 MiB, a thousand jobs with their errors too. */
    ANSWER_BYTES_MAX = 8 << 20,
    /* The database answers within milliseconds, or something is wrong with it. */
    STORE_MS = 5000,
    /* opsd ends the old process within kill_timeout, which is 60 s for most of the fleet. */
    RESTART_MS = 90000,
    RETRY_AFTER_S = 5,
    NAME_BYTES_MAX = 128,
};

/* --- exchanges: a request and its answer --- */

struct route;

struct exchange {
    struct MHD_Connection *connection; /* NULL once it is over */
    const struct route *route;
    char name[NAME_BYTES_MAX]; /* what stands for {} in the route's path */
    struct buf body;
    size_t body_bytes; /* that came, and count as under way; body may be shorter by now */
    struct buf draft;  /* of an answer that is put together bit by bit */
    int status;        /* 0: not answered yet */
    struct MHD_Response *response;
    bool suspended;
    uint64_t late_ms; /* when it is answered that it takes too long */
    int holders;
    TAILQ_ENTRY(exchange) next; /* of those that are suspended */
};

/* The first answer counts: of a later one (the patience was over) nothing is sent. body is taken
 * and is empty then; type is a constant. */
void exchange_answer(struct exchange *x, int status, const char *type, struct buf *body);

/* {"error":"…"}: one sentence that names the thing and the remedy. 503 carries Retry-After. */
void exchange_error(struct exchange *x, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 200 with a JSON text; NULL (memory ran out) is 500. */
void exchange_json(struct exchange *x, const char *text);

/* The same with a text that lives as long as the process; whether it may be kept is the caller's to
 * say. */
void exchange_answer_constant(struct exchange *x, int status, const char *type, const char *text);

/* Adds a header to an answer that was given; without memory for it the answer goes without. */
void exchange_header(struct exchange *x, const char *name, const char *value);

/* Of the request; NULL when it has none. */
const char *exchange_request_header(struct exchange *x, const char *name);
const char *exchange_argument(struct exchange *x, const char *name);

/* Whoever answers later holds it meanwhile. */
void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x);

/* --- face --- */

/* Serves on listen_fd, which stays the caller's. */
int face_open(uv_loop_t *loop, int listen_fd, struct err *reterr);

/* Accepts nobody any more. */
void face_quiesce(void);

/* Answers what is suspended with 503. */
void face_give_up(void);

/* Whether a request waits for its answer. */
bool face_is_busy(void);
void face_close(void);

/* Requests that came, by the class of the answer's status (1 to 5). */
const uint64_t *face_answers(void);

/* --- peers --- */

struct peer;

/* Begins to close connections that are too slow. */
int peers_open(uv_loop_t *loop);
void peers_close(void);
enum MHD_Result peers_admit(void *unused, const struct sockaddr *address, socklen_t length);
struct peer *peer_new(int fd, const struct sockaddr *address);
void peer_free(struct peer *peer);

/* The time runs (its request is to come, its answer is to be read), or stands still (we work). */
void peer_clock(struct peer *peer, bool runs);
int peers_count(void);

/* --- routes --- */

/* Computes what secrets are compared with. */
int routes_open(struct err *reterr);

/* With the headers there: finds the route, or answers. */
void route_begin(struct exchange *x, const char *method, const char *path);
size_t route_body_max(const struct route *route);

/* With the body there. */
void route_handle(struct exchange *x);

/* --- updates --- */

int updates_open(uv_loop_t *loop, struct err *reterr);

/* Once per turn of the loop: sends what has gathered. */
void updates_step(void);
void updates_close(void);
bool updates_ready(void);
void update_take(struct exchange *x);

struct updates_counts {
    uint64_t stored, duplicates, dropped, refused, failed;
    uint64_t batches, batch_us; /* how long PostgreSQL took, together */
};
const struct updates_counts *updates_counts(void);

/* --- ask --- */

/* rows are the statement's; NULL when it failed. Called once; what it leaves unanswered then is
 * answered with 503. */
typedef void ask_done(struct exchange *x, const struct rows *rows);

int ask_open(uv_loop_t *loop, struct err *reterr);
void ask_close(void);
void ask(struct exchange *x, const struct statement *statement, const char *const *params, size_t n,
         ask_done *done);
#define ASK(x, statement, done, ...)                            \
    ask((x), (statement), (const char *const[]){ __VA_ARGS__ }, \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), (done))

/* The same with what is written down before something is done that goes on without a database: done
 * is called once it is there, or cannot be, which is logged. */
void ask_note(struct exchange *x, const struct statement *statement, const char *const *params,
              size_t n, ask_done *done);
#define ASK_NOTE(x, statement, done, ...)                            \
    ask_note((x), (statement), (const char *const[]){ __VA_ARGS__ }, \
             sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), (done))

/* --- fleet --- */

/* What opsd said: result, or the error's code and words; code -EAGAIN: it said nothing. */
struct fleet_answer {
    int code;
    const cJSON *result;
    const char *error;
};
typedef void fleet_done(struct exchange *x, const struct fleet_answer *answer);

void fleet_open(uv_loop_t *loop);
void fleet_close(void);

/* One request of JSON-RPC 2.0 on a connection of its own; takes params. done is called once, maybe
 * before this returns. */
void fleet_ask(struct exchange *x, const char *method, cJSON *params, uint64_t patience_ms,
               fleet_done *done);

/* --- answers --- */

void health(struct exchange *x);
void metrics(struct exchange *x);
void api_workers(struct exchange *x);
void api_restart(struct exchange *x);
void api_queues(struct exchange *x);
void api_jobs(struct exchange *x);
void api_add(struct exchange *x);
void api_retry(struct exchange *x);
void api_cancel(struct exchange *x);
void api_purchase_paid(struct exchange *x);
void api_tasks(struct exchange *x);
void api_reset_payment_status(struct exchange *x);

/* Names the files' texts, for browsers that keep them. Returns 0 or -ENOMEM. */
int dashboard_open(struct err *reterr);

/* The page, or the file of it that the path names. */
void dashboard(struct exchange *x);

/* From / to the page. */
void dashboard_redirect(struct exchange *x);

#endif
