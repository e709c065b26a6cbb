/*
 * libpq's asynchronous and pipeline modes on a libuv loop.
 *
 * Sources: PostgreSQL 15, 34.4 (an answer ends with a null), 34.5 (in a pipeline, what stands
 * before a Sync is one transaction, and after an error everything up to the Sync is
 * PGRES_PIPELINE_ABORTED).
 */
#include "db_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db_error.h"
#include "db_parts.h"
#include "limits.h"
#include "own.h"

enum {
    PAUSE_FIRST_MS = 50,
    PAUSE_MOST_MS = 2000,
    /* What is lost again before that is tried again no faster than before. */
    STEADY_MS = 5000,
    STATEMENTS_FIRST = 8, /* room of a batch; it grows */
};

enum state { WAITING, CONNECTING, PREPARING, READY };

/* A batch that is being made or under way. */
struct pending {
    struct pending *next;
    struct db_batch batch;
    const char **names; /* of its statements, for the error */
    size_t room;
    size_t at;    /* the statement whose answer comes next */
    bool useless; /* this session will not do it, another one may */
    db_batch_done *done;
    void *tag;
};

struct db_stream {
    uv_loop_t *loop;
    struct db_stream_options options;
    uv_timer_t timer; /* the limit for the server's next words, or the pause before connecting */
    uv_poll_t *watch; /* on the connection, or the thread that makes it */
    struct db_connecting *connecting;
    PGconn *conn;
    uint64_t ready_ms; /* since when it is READY, by the loop's clock */
    enum state state;
    struct pending *first, **last; /* under way, in order */
    struct pending *made;          /* what db_stream_add adds to */
    unsigned pause_ms;
    bool told;   /* lost was called for this outage */
    bool broken; /* libpq refused to send */
    bool closing;
    struct err last_words; /* why the server ends the connection, if it said so */
};

static void connect_again(uv_timer_t *timer);
static void lose(struct db_stream *stream, const char *why);
static void forget_watch(struct db_stream *stream);

/* --- batches --- */

static void pending_free(struct pending *pending)
{
    if (!pending)
        return;
    for (size_t i = 0; i < pending->batch.count; i++)
        rows_done(&pending->batch.rows[i]);
    free(pending->batch.rows);
    free(pending->names);
    free(pending);
}

static void forget_pending(struct db_stream *stream)
{
    while (stream->first) {
        struct pending *pending = stream->first;

        stream->first = pending->next;
        pending_free(pending);
    }
    stream->last = &stream->first;
    pending_free(TAKE(stream->made));
}

/* Memory that is gone is gone for all: the batch then counts as a lost connection. */
static bool make_room(struct db_stream *stream)
{
    struct pending *made = stream->made;
    size_t room;
    void *grown;

    if (!made)
        stream->made = made = calloc(1, sizeof *made);
    if (!made)
        return false;
    if (made->batch.count < made->room)
        return true;
    room = made->room ? 2 * made->room : STATEMENTS_FIRST;
    grown = realloc(made->batch.rows, room * sizeof *made->batch.rows);
    if (!grown)
        return false;
    made->batch.rows = grown;
    grown = realloc(made->names, room * sizeof *made->names);
    if (!grown)
        return false;
    made->names = grown;
    made->room = room;
    return true;
}

static void found_broken(uv_timer_t *timer)
{
    struct db_stream *stream = timer->data;

    lose(stream, PQerrorMessage(stream->conn));
}

/* libpq refused to send, and it is not for the caller's own call to lose the connection. It may
 * have closed the socket: libuv ends the program where it is to watch such a one, and its number
 * may be somebody else's next. */
static void break_off(struct db_stream *stream)
{
    stream->broken = true;
    forget_watch(stream);
    (void)uv_timer_start(&stream->timer, found_broken, 0, 0);
}

/* Counts a statement that libpq accepted. */
static void count_sent(struct db_stream *stream, int accepted, const char *name)
{
    struct db_batch *batch;

    if (!accepted || !make_room(stream)) {
        break_off(stream);
        return;
    }
    batch = &stream->made->batch;
    stream->made->names[batch->count] = name;
    batch->rows[batch->count++] = (struct rows){ 0 };
}

void db_stream_add(struct db_stream *stream, const struct statement *statement,
                   const char *const *params, size_t n)
{
    assert(n == (size_t)statement->params && stream->state == READY);
    count_sent(stream,
               PQsendQueryPrepared(stream->conn, statement->name, statement->params, params, NULL,
                                   NULL, 0),
               statement->name);
}

/* --- reading --- */

static int64_t affected_rows(PGresult *result)
{
    return strtoll(PQcmdTuples(result), NULL, 10);
}

/* What the server says, to a statement or besides. 57P01, 57P02: it ends the connection. */
static void hear(void *tag, const PGresult *notice)
{
    struct db_stream *stream = tag;
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);

    if (sqlstate && strncmp(sqlstate, "57P", 3) == 0)
        db_error_print(stream->conn, notice, "connection", stream->last_words.text);
}

static void take_result(struct db_stream *stream, struct pending *pending, PGresult *result)
{
    struct db_batch *batch = &pending->batch;
    ExecStatusType status = PQresultStatus(result);

    if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && pending->at < batch->count) {
        batch->rows[pending->at] = (struct rows){ .result = result,
                                                  .count = PQntuples(result),
                                                  .affected = affected_rows(result) };
        return;
    }
    if (status != PGRES_PIPELINE_ABORTED && batch->code == 0) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

        batch->code = db_error_code(sqlstate);
        pending->useless = db_error_ends_session(sqlstate);
        hear(stream, result);
        batch->failed = pending->at;
        db_error_print(stream->conn, result,
                       pending->at < batch->count ? pending->names[pending->at] : "commit",
                       batch->error);
    }
    PQclear(result);
}

/* The transaction has ended. */
static void finish_batch(struct db_stream *stream)
{
    struct pending *pending = stream->first;

    stream->first = pending->next;
    if (!stream->first)
        stream->last = &stream->first;
    pending->done(pending->tag, &pending->batch);
    pending_free(pending);
}

static void silent(uv_timer_t *timer)
{
    lose(timer->data, "the server does not answer");
}

/* Called whenever something was sent or came. */
static void limit_silence(struct db_stream *stream)
{
    if (stream->state != READY || stream->broken)
        return;
    if (stream->first)
        (void)uv_timer_start(&stream->timer, silent, DB_ANSWER_MS, 0);
    else
        (void)uv_timer_stop(&stream->timer);
}

static void take_notifications(struct db_stream *stream)
{
    PGnotify *notify;

    while (!stream->closing && stream->conn && (notify = PQnotifies(stream->conn))) {
        if (stream->state == READY)
            stream->options.notified(stream->options.tag, notify->extra);
        PQfreemem(notify);
    }
}

/* A callback may close the stream, or find that the connection is gone. */
static void read_answers(struct db_stream *stream)
{
    if (!db_consume_input(stream->conn)) {
        lose(stream, PQerrorMessage(stream->conn));
        return;
    }
    while (!stream->closing && stream->conn && stream->first && !PQisBusy(stream->conn)) {
        PGresult *result = PQgetResult(stream->conn);

        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            if (stream->first->useless)
                lose(stream, stream->first->batch.error);
            else
                finish_batch(stream);
        } else if (result) {
            take_result(stream, stream->first, result);
        } else if (PQstatus(stream->conn) == CONNECTION_BAD) {
            break;
        } else {
            stream->first->at++;
        }
    }
    take_notifications(stream);
    if (stream->closing || !stream->conn)
        return;
    if (PQstatus(stream->conn) == CONNECTION_BAD)
        lose(stream, PQerrorMessage(stream->conn));
    else
        limit_silence(stream);
}

/* --- the descriptor --- */

static void watch_closed(uv_handle_t *handle)
{
    free(handle);
}

/* libuv closes it later. */
static void forget_watch(struct db_stream *stream)
{
    if (stream->watch)
        uv_close((uv_handle_t *)TAKE(stream->watch), watch_closed);
}

static void ready_to_go(uv_poll_t *watch, int status, int events);

static int watch_events(struct db_stream *stream, int fd, int events)
{
    uv_poll_t *watch = stream->watch ? stream->watch : calloc(1, sizeof *watch);
    int r;

    if (!watch)
        return -ENOMEM;
    if (!stream->watch) {
        r = uv_poll_init(stream->loop, watch, fd);
        if (r < 0) {
            free(watch);
            return r;
        }
        watch->data = stream;
        stream->watch = watch;
    }
    return uv_poll_start(watch, events, ready_to_go);
}

/* Sends what libpq holds, and asks to be called when there is room for the rest. */
static void flush(struct db_stream *stream)
{
    int left = PQflush(stream->conn);

    if (left < 0) {
        lose(stream, PQerrorMessage(stream->conn));
        return;
    }
    if (watch_events(stream, PQsocket(stream->conn),
                     left ? UV_READABLE | UV_WRITABLE : UV_READABLE) < 0)
        lose(stream, "cannot watch the connection");
}

/* --- life of a connection --- */

static void lose(struct db_stream *stream, const char *why)
{
    char text[ERR_TEXT_MAX];
    bool tell = !stream->told;

    /* The words are the connection's. */
    db_error_print(stream->conn, NULL, "connection", text);
    if (why != PQerrorMessage(stream->conn))
        (void)snprintf(text, sizeof text, "%s", why);
    else if (*stream->last_words.text)
        (void)snprintf(text, sizeof text, "%s", stream->last_words.text);
    stream->last_words.text[0] = '\0';
    if (stream->state == READY && uv_now(stream->loop) - stream->ready_ms >= STEADY_MS)
        stream->pause_ms = PAUSE_FIRST_MS;
    forget_watch(stream);
    PQfinish(TAKE(stream->conn));
    forget_pending(stream);
    stream->state = WAITING;
    stream->broken = false;
    stream->told = true;
    (void)uv_timer_start(&stream->timer, connect_again,
                         stream->pause_ms / 2 + uv_hrtime() % stream->pause_ms, 0);
    stream->pause_ms = stream->pause_ms * 2 < PAUSE_MOST_MS ? stream->pause_ms * 2 : PAUSE_MOST_MS;
    if (tell)
        stream->options.lost(stream->options.tag, text);
}

static void prepared(void *tag, const struct db_batch *batch)
{
    struct db_stream *stream = tag;

    if (batch->code < 0) {
        lose(stream, batch->error);
        return;
    }
    (void)uv_timer_stop(&stream->timer);
    stream->state = READY;
    stream->ready_ms = uv_now(stream->loop);
    stream->told = false;
    stream->options.ready(stream->options.tag);
}

static void send_made(struct db_stream *stream, db_batch_done *done, void *tag)
{
    struct pending *made = TAKE(stream->made);

    if (!made || stream->broken || !PQpipelineSync(stream->conn)) {
        pending_free(made);
        break_off(stream);
        return;
    }
    made->done = done;
    made->tag = tag;
    *stream->last = made;
    stream->last = &made->next;
    limit_silence(stream);
    flush(stream);
}

/* Session, LISTEN and all statements are one batch, and so one round trip. */
static void prepare_all(struct db_stream *stream)
{
    const struct db_stream_options *options = &stream->options;
    char listen[64];

    stream->state = PREPARING;
    if (PQsetnonblocking(stream->conn, 1) < 0 || !PQenterPipelineMode(stream->conn)) {
        lose(stream, PQerrorMessage(stream->conn));
        return;
    }
    count_sent(stream, db_send_session(stream->conn), "session settings");
    if (options->channel) {
        (void)snprintf(listen, sizeof listen, "listen %s", options->channel);
        count_sent(stream, PQsendQueryParams(stream->conn, listen, 0, NULL, NULL, NULL, NULL, 0),
                   "listen");
    }
    for (size_t t = 0; t < sizeof options->prepare / sizeof *options->prepare; t++)
        for (size_t i = 0; i < options->prepare[t].count; i++) {
            const struct statement *statement = &options->prepare[t].table[i];

            count_sent(stream,
                       PQsendPrepare(stream->conn, statement->name, statement->text, 0, NULL),
                       statement->name);
        }
    send_made(stream, prepared, stream);
}

static void connected(struct db_stream *stream)
{
    forget_watch(stream);
    stream->conn = db_connect_end(TAKE(stream->connecting));
    if (PQstatus(stream->conn) != CONNECTION_OK) {
        lose(stream, PQerrorMessage(stream->conn));
        return;
    }
    (void)PQsetNoticeReceiver(stream->conn, hear, stream);
    (void)uv_timer_start(&stream->timer, silent, (uint64_t)DB_CONNECT_TIMEOUT_S * 1000, 0);
    prepare_all(stream);
}

static void ready_to_go(uv_poll_t *watch, int status, int events)
{
    struct db_stream *stream = watch->data;

    if (stream->state == CONNECTING) {
        connected(stream);
        return;
    }
    /* An error shows itself when the socket is read, but the server's last words come first; and
     * libuv watches no longer where there was an error (uv__poll_io), which flush() asks for. */
    if (status < 0 || (events & UV_READABLE))
        read_answers(stream);
    if (!stream->closing && stream->conn && !stream->broken &&
        (status < 0 || (events & UV_WRITABLE)))
        flush(stream);
}

static void connect_again(uv_timer_t *timer)
{
    struct db_stream *stream = timer->data;
    int r = db_connect_start(stream->options.conninfo, stream->options.name, &stream->connecting);

    stream->state = CONNECTING;
    if (r == 0)
        r = watch_events(stream, db_connect_fd(stream->connecting), UV_READABLE);
    if (r < 0) {
        db_connect_abandon(TAKE(stream->connecting));
        lose(stream, uv_strerror(r));
    }
}

/* --- from outside --- */

int db_stream_open(uv_loop_t *loop, const struct db_stream_options *options, struct db_stream **ret)
{
    struct db_stream *stream = calloc(1, sizeof *stream);

    if (!stream)
        return -ENOMEM;
    stream->loop = loop;
    stream->options = *options;
    stream->last = &stream->first;
    stream->pause_ms = PAUSE_FIRST_MS;
    (void)uv_timer_init(loop, &stream->timer);
    stream->timer.data = stream;
    (void)uv_timer_start(&stream->timer, connect_again, 0, 0);
    *ret = stream;
    return 0;
}

bool db_stream_is_ready(const struct db_stream *stream)
{
    return stream->state == READY && !stream->broken;
}

void db_stream_send(struct db_stream *stream, db_batch_done *done, void *tag)
{
    assert(stream->state == READY);
    send_made(stream, done, tag);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void db_stream_close(struct db_stream *stream)
{
    if (!stream)
        return;
    stream->closing = true;
    forget_watch(stream);
    db_connect_abandon(TAKE(stream->connecting));
    PQfinish(TAKE(stream->conn));
    forget_pending(stream);
    uv_close((uv_handle_t *)&stream->timer, timer_closed);
}
