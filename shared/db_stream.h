#ifndef OPS_DB_STREAM_H
#define OPS_DB_STREAM_H
/*
 * A PostgreSQL connection on a libuv loop that never waits: batches of prepared statements go out
 * in libpq's pipeline mode, one round trip and one transaction each, and notifications come in.
 *
 * It connects by itself and again when the connection is lost, for as long as it is open. A batch
 * that was under way then is forgotten: whether it happened, only its owner can find out.
 *
 * Life of a connection: connected, prepared -> ready() -> batches -> lost() -> and from the start.
 * Nothing is called after db_stream_close.
 */
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "db.h"
#include "err.h"

struct db_stream;

/* What came of a batch. */
struct db_batch {
    int code; /* 0 (it is committed) or as db.h (it is rolled back) */
    char error[ERR_TEXT_MAX];
    size_t failed; /* which statement, from 0 */
    size_t count;
    struct rows *rows; /* one of each statement; they are gone after the call */
};
typedef void db_batch_done(void *tag, const struct db_batch *batch);

struct db_statements {
    const struct statement *table;
    size_t count;
};

struct db_stream_options {
    const char *conninfo, *name; /* as for db_open; they must outlive the stream */
    const char *channel;         /* LISTEN, a plain name; or NULL */
    struct db_statements prepare[4];
    void (*ready)(void *tag);
    /* Why is one line: for the log, once for each outage. */
    void (*lost)(void *tag, const char *why);
    void (*notified)(void *tag, const char *payload);
    void *tag;
};

/* Returns 0 (ready is called later) or -ENOMEM. options is copied. */
int db_stream_open(uv_loop_t *loop, const struct db_stream_options *options,
                   struct db_stream **ret);

bool db_stream_is_ready(const struct db_stream *stream);

/* Adds a statement to the batch that is being made. n must equal its params. */
void db_stream_add(struct db_stream *stream, const struct statement *statement,
                   const char *const *params, size_t n);
#define DB_STREAM_ADD(stream, statement, ...)                                  \
    db_stream_add((stream), (statement), (const char *const[]){ __VA_ARGS__ }, \
                  sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* Sends the batch. done is called once, later, unless the connection is lost before that (lost).
 * Both may be called only while the stream is ready. */
void db_stream_send(struct db_stream *stream, db_batch_done *done, void *tag);

/* Everything is freed once the loop has turned: run it until it is empty. Accepts NULL. */
void db_stream_close(struct db_stream *stream);

#endif
