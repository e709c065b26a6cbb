#ifndef OPS_DB_H
#define OPS_DB_H
/*
 * One PostgreSQL connection with prepared statements.
 *
 * Statements come from NAME.sql: scripts/sql2h.awk turns each `-- name: due_rows` block into an
 * entry SQL_DUE_ROWS of the generated table sql[] (its name is "NAME.due_rows"), and the runtime
 * prepares them all, so that a schema which does not fit stops the worker at its start and not on
 * a rare path.
 *
 * Parameters and results are text (PostgreSQL's own, exact, notation); NULL is SQL NULL.
 * Errors are negative errnos by SQLSTATE class; db_error has the sentence:
 *   -EAGAIN  connection lost, serialisation, deadlock, shutdown, no resources, lock not available,
 *            missing table or column (not migrated yet): the same again later may work
 *   -EEXIST  unique violation                 -EINVAL  the statement or a value is wrong
 *   -EPERM   not allowed                      -EIO     anything else
 *   -EBADMSG what is prepared is not what was: a pooler that changes sessions is in between
 *
 * In a dry run (db_dry_run) one transaction holds everything and closing the connection rolls it
 * back; the worker's own transactions, and single statements, are savepoints in it.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct db;

/* One statement of a .sql file; the generated headers hold tables of these. */
struct statement {
    const char *name;
    int params;
    const char *text;
};

/* The answer to a statement. Open by value; rows_done accepts a zeroed one. */
struct rows {
    PGresult *result;
    int count;        /* rows that came back */
    int64_t affected; /* rows changed */
};

/* Tells whether conninfo is one, without connecting. Returns 0 or -EBADMSG; reterr quotes nothing
 * of it. */
int db_check_conninfo(const char *conninfo, struct err *reterr);

/* Connects once, to the first server that can be written to (with a time limit for each), and sets
 * up the session: application_name, UTC, ISO dates, UTF-8, a statement and an idle-in-transaction
 * time limit, early notice of a dead peer on both sides. Returns 0, -EBADMSG (conninfo is none) or
 * as above with reterr filled; conninfo's password never appears in reterr.
 *
 * Nothing here waits for ever for a server that is silent (DB_ANSWER_MS), and not for long once
 * stop_fd is readable, which the worker was told by then: connecting ends at once, a statement that
 * was sent gets DB_STOP_PATIENCE_MS. Then the connection is lost (-EAGAIN). A borrow; -1: none. */
int db_open(const char *conninfo, const char *application_name, int stop_fd, struct db **ret,
            struct err *reterr);
void db_close(struct db *db);

/* Prepares a table of statements. Returns 0 or as above. */
int db_prepare(struct db *db, const struct statement *statements, size_t n);

/* Opens the dry-run transaction. */
int db_dry_run(struct db *db);

/* Runs one prepared statement. n must equal the statement's params. ret may be NULL; otherwise it
 * is filled on success and the caller calls rows_done (OWN_ROWS). */
int db_query(struct db *db, const struct statement *statement, const char *const *params, size_t n,
             struct rows *ret);

/* db_run(db, &sql[SQL_X], &rows, "1", text) is db_query with the parameters written out;
 * db_run0 is the one for a statement without any. */
#define db_run(db, statement, ret, ...)                               \
    db_query((db), (statement), (const char *const[]){ __VA_ARGS__ }, \
             sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), (ret))
#define db_run0(db, statement, ret) db_query((db), (statement), NULL, 0, (ret))

/* Statements outside a transaction commit by themselves. After a failed statement only rollback
 * works: db_commit then rolls back and returns -EINVAL. db_rollback without a transaction is 0. A
 * db_commit that returns -EAGAIN may have committed. */
int db_begin(struct db *db);
int db_commit(struct db *db);
int db_rollback(struct db *db);

/* True when the connection is gone, and with it every lock and the transaction. */
bool db_lost(const struct db *db);

/* Runs a script of several statements, unprepared and for as long as they take; for migrations
 * only.
 */
int db_script(struct db *db, const char *text);

/* The sentence of the last failure: SQLSTATE, message, detail; one line. */
const char *db_error(const struct db *db);

/* Asks to be told of a channel. A new connection has to ask anew. Returns 0 or as above. */
int db_listen(struct db *db, const char *channel);

/* Waits for a notification, until stop_fd is readable or timeout_ms have passed. Returns 1 when
 * there was one (all that came are taken), 0 when there was none, -EAGAIN when the connection is
 * lost. */
int db_wait_notify(struct db *db, int64_t timeout_ms);

/* Cells; row < count, and column as selected, from 0. rows_text is NULL for SQL NULL and lives as
 * long as rows; rows_int is 0 for it, and for what is not a number. */
const char *rows_text(const struct rows *rows, int row, int column);
int64_t rows_int(const struct rows *rows, int row, int column);
bool rows_bool(const struct rows *rows, int row, int column);
void rows_done(struct rows *rows);

#define OWN_ROWS __attribute__((cleanup(rows_done)))

#endif
