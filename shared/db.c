/*
 * The connection that is waited for: results become rows, SQLSTATEs become errnos, and the words of
 * an error become one line without secrets.
 */
#include "db.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "db_error.h"
#include "db_parts.h"
#include "db_sql.h"
#include "instant.h"
#include "limits.h"
#include "log.h"
#include "text.h"

struct db {
    PGconn *conn;
    int stop_fd;
    bool given_up; /* no answer came in time; the connection is cut */
    bool dry_run;
    bool in_transaction; /* between db_begin and db_commit or db_rollback */
    char error[ERR_TEXT_MAX];
};

/* libpq's texts end with a newline and have some inside. */
static void make_one_line(char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    while (n && text[n - 1] == ' ')
        text[--n] = '\0';
}

void db_error_print(PGconn *conn, const PGresult *result, const char *what,
                    char text[static ERR_TEXT_MAX])
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);

    if (db_error_shows_row(sqlstate))
        detail = NULL;
    (void)snprintf(text, ERR_TEXT_MAX, "%s: %s%s%s%s%s%s%s", what, sqlstate ? sqlstate : "",
                   sqlstate ? " " : "", message ? message : PQerrorMessage(conn),
                   detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
                   db_error_hint(sqlstate));
    text_end_whole(text);
    make_one_line(text);
}

/* Fills db->error from a result that is not what was wanted (NULL: there was none), frees the
 * result and returns the code. */
static int failed(struct db *db, PGresult *result, const char *what)
{
    int code = db_lost(db) ? -EAGAIN : db_error_code(PQresultErrorField(result, PG_DIAG_SQLSTATE));

    if (db->given_up)
        (void)snprintf(db->error, sizeof db->error,
                       "%s: the server did not answer in time; the connection is given up", what);
    else
        db_error_print(db->conn, result, what, db->error);
    PQclear(result);
    return code;
}

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* --- waiting --- */

/* libpq reads as much as it has room for. What TLS has deciphered beyond that is in no socket, and
 * would wake nobody; libpq itself looks there before it waits (pqSocketCheck). */
int db_consume_input(PGconn *conn)
{
    SSL *ssl;

    do {
        if (!PQconsumeInput(conn))
            return 0;
        ssl = PQsslStruct(conn, "OpenSSL");
    } while (ssl && SSL_pending(ssl) > 0);
    return 1;
}

/* Until when an answer is waited for, by monotonic_now_ms. */
struct patience {
    uint64_t until_ms;
    bool stopping; /* it is the patience of somebody who was told to stop */
};

/* Waits for the server until patience ends, and sends what is left to be sent. Returns false when
 * nothing more is to be expected of this connection. */
static bool wait_for_server(struct db *db, struct patience *patience)
{
    int left = PQflush(db->conn);
    struct pollfd waits[] = {
        { .fd = PQsocket(db->conn), .events = left > 0 ? POLLIN | POLLOUT : POLLIN },
        { .fd = patience->stopping ? -1 : db->stop_fd, .events = POLLIN },
    };
    uint64_t now_ms = monotonic_now_ms();

    if (now_ms >= patience->until_ms) {
        /* libpq then finds its end, and whatever the server still does ends with it. */
        (void)shutdown(PQsocket(db->conn), SHUT_RDWR);
        db->given_up = true;
        return false;
    }
    (void)poll(waits, 2, (int)(patience->until_ms - now_ms));
    if (waits[1].revents) {
        patience->stopping = true;
        if (patience->until_ms > now_ms + DB_STOP_PATIENCE_MS)
            patience->until_ms = monotonic_now_ms() + DB_STOP_PATIENCE_MS;
    }
    return !waits[0].revents || db_consume_input(db->conn);
}

/* The answer to what was sent, the last one where there are several; NULL when there is none. libpq
 * itself would wait for as long as the connection seems to stand, and for nothing else. */
static PGresult *answer(struct db *db, int sent, int patience_ms)
{
    struct patience patience = { .until_ms = monotonic_now_ms() + (unsigned)patience_ms };
    PGresult *last = NULL, *next;

    while (sent) {
        while (PQisBusy(db->conn))
            if (!wait_for_server(db, &patience))
                return last;
        next = PQgetResult(db->conn);
        if (!next)
            break;
        PQclear(last);
        last = next;
    }
    return last;
}

static int execute(struct db *db, const char *text, const char *what, int patience_ms)
{
    PGresult *result = answer(db, PQsendQuery(db->conn, text), patience_ms);

    if (!succeeded(result))
        return failed(db, result, what);
    PQclear(result);
    return 0;
}

/* --- connecting --- */

static void show_notice(void *unused, const char *message)
{
    char line[ERR_TEXT_MAX];

    (void)unused;
    (void)snprintf(line, sizeof line, "%s", message);
    make_one_line(line);
    log_debug("notice from the database", LOG_TEXT("text", line));
}

int db_send_session(PGconn *conn)
{
    char statement[16], idle_in_transaction[16], idle[16], interval[16], count[16];
    const char *const values[] = { statement, idle_in_transaction, idle, interval, count };

    (void)snprintf(statement, sizeof statement, "%d", DB_STATEMENT_TIMEOUT_MS);
    (void)snprintf(idle_in_transaction, sizeof idle_in_transaction, "%d",
                   DB_IDLE_IN_TRANSACTION_TIMEOUT_MS);
    (void)snprintf(idle, sizeof idle, "%d", DB_KEEPALIVE_IDLE_S);
    (void)snprintf(interval, sizeof interval, "%d", DB_KEEPALIVE_INTERVAL_S);
    (void)snprintf(count, sizeof count, "%d", DB_KEEPALIVE_COUNT);
    return PQsendQueryParams(conn, sql[SQL_SESSION].text, sql[SQL_SESSION].params, NULL, values,
                             NULL, NULL, 0);
}

static int set_up_session(struct db *db)
{
    PGresult *result;

    (void)PQsetNoticeProcessor(db->conn, show_notice, NULL);
    /* Whatever is sent, answer() waits. */
    if (PQsetnonblocking(db->conn, 1) < 0)
        return failed(db, NULL, "session settings");
    result = answer(db, db_send_session(db->conn), DB_CONNECT_TIMEOUT_S * 1000);
    if (!succeeded(result))
        return failed(db, result, "session settings");
    PQclear(result);
    return 0;
}

/* Returns 0 with the connection that was made or refused, or a negative errno. */
static int connect_unless_stopped(struct db *db, const char *conninfo, const char *application_name)
{
    struct db_connecting *connecting = NULL;
    struct pollfd waits[] = { { .events = POLLIN }, { .fd = db->stop_fd, .events = POLLIN } };
    int r = db_connect_start(conninfo, application_name, &connecting);

    if (r < 0) {
        (void)snprintf(db->error, sizeof db->error, "cannot connect: %s", strerror(-r));
        return -EAGAIN;
    }
    waits[0].fd = db_connect_fd(connecting);
    while (poll(waits, 2, -1) < 0 && errno == EINTR)
        ;
    if (!waits[0].revents) {
        db_connect_abandon(connecting);
        (void)snprintf(db->error, sizeof db->error, "cannot connect: told to stop");
        return -EAGAIN;
    }
    db->conn = db_connect_end(connecting);
    return PQstatus(db->conn) == CONNECTION_OK ? 0 : failed(db, NULL, "cannot connect");
}

int db_open(const char *conninfo, const char *application_name, int stop_fd, struct db **ret,
            struct err *reterr)
{
    struct db *db;
    int r;

    r = db_check_conninfo(conninfo, reterr);
    if (r < 0)
        return r;
    db = calloc(1, sizeof *db);
    if (!db)
        return err_set(reterr, -ENOMEM, "out of memory");
    db->stop_fd = stop_fd;
    r = connect_unless_stopped(db, conninfo, application_name);
    if (r == 0)
        r = set_up_session(db);
    if (r < 0) {
        r = db_is_malformed(db->conn) ? db_malformed(reterr) : err_set(reterr, r, "%s", db->error);
        db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    PQfinish(db->conn);
    free(db);
}

bool db_lost(const struct db *db)
{
    return db->given_up || PQstatus(db->conn) != CONNECTION_OK;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

/* --- transactions --- */

int db_dry_run(struct db *db)
{
    int r = execute(db, "begin", "begin", DB_ANSWER_MS);

    if (r < 0)
        return r;
    db->dry_run = true;
    /* The transaction stays open, with its locks, while the worker asks an outside service: for
     * long enough to hear from one, and not for ever. */
    return execute(db, "set local idle_in_transaction_session_timeout = '3min'", "dry run",
                   DB_ANSWER_MS);
}

/* In the transaction of a dry run, a savepoint stands for each transaction of the worker. */

int db_begin(struct db *db)
{
    int r;

    assert(!db->in_transaction);
    r = execute(db, db->dry_run ? "savepoint dry_run" : "begin", "begin", DB_ANSWER_MS);
    if (r == 0)
        db->in_transaction = true;
    return r;
}

int db_commit(struct db *db)
{
    PGresult *result;

    assert(db->in_transaction);
    db->in_transaction = false;
    result = answer(db, PQsendQuery(db->conn, db->dry_run ? "release savepoint dry_run" : "commit"),
                    DB_ANSWER_MS);
    if (!succeeded(result))
        return failed(db, result, "commit");
    /* The server answers COMMIT of a failed transaction with success and the word ROLLBACK. */
    if (strcmp(PQcmdStatus(result), "ROLLBACK") == 0) {
        PQclear(result);
        (void)snprintf(db->error, sizeof db->error, "commit: a statement had failed; rolled back");
        return -EINVAL;
    }
    PQclear(result);
    return 0;
}

int db_rollback(struct db *db)
{
    static const char to_savepoint[] = "rollback to savepoint dry_run; release savepoint dry_run";

    if (!db->in_transaction)
        return 0;
    db->in_transaction = false;
    return execute(db, db->dry_run ? to_savepoint : "rollback", "rollback", DB_ANSWER_MS);
}

/* A statement outside of db_begin commits or fails by itself; the dry run's transaction must
 * survive its failure as well. */
static int open_alone(struct db *db, bool *ret_alone)
{
    *ret_alone = db->dry_run && !db->in_transaction;
    return *ret_alone ? db_begin(db) : 0;
}

static int close_alone(struct db *db, bool alone, int r)
{
    char error[ERR_TEXT_MAX];

    if (!alone)
        return r;
    if (r == 0)
        return db_commit(db);
    memcpy(error, db->error, sizeof error);
    (void)db_rollback(db);
    memcpy(db->error, error, sizeof error);
    return r;
}

/* --- statements --- */

int db_prepare(struct db *db, const struct statement *statements, size_t n)
{
    PGresult *result;

    for (size_t i = 0; i < n; i++) {
        result = answer(db,
                        PQsendPrepare(db->conn, statements[i].name, statements[i].text, 0, NULL),
                        DB_ANSWER_MS);
        if (!succeeded(result))
            return failed(db, result, statements[i].name);
        PQclear(result);
    }
    return 0;
}

static int query(struct db *db, const struct statement *statement, const char *const *params,
                 struct rows *ret)
{
    PGresult *result;
    int64_t affected = 0;

    result = answer(
        db,
        PQsendQueryPrepared(db->conn, statement->name, statement->params, params, NULL, NULL, 0),
        DB_ANSWER_MS);
    if (!succeeded(result))
        return failed(db, result, statement->name);
    /* Empty for statements that count nothing. */
    (void)text_to_int(PQcmdTuples(result), 0, INT64_MAX, &affected);
    *ret = (struct rows){ .result = result, .count = PQntuples(result), .affected = affected };
    return 0;
}

int db_query(struct db *db, const struct statement *statement, const char *const *params, size_t n,
             struct rows *ret)
{
    struct rows rows = { 0 };
    bool alone;
    int r;

    assert(n == (size_t)statement->params);
    r = open_alone(db, &alone);
    if (r < 0)
        return r;
    r = query(db, statement, params, &rows);
    r = close_alone(db, alone, r);
    if (r < 0 || !ret)
        rows_done(&rows);
    else
        *ret = rows;
    return r;
}

int db_script(struct db *db, const char *text)
{
    bool alone;
    int r;

    r = open_alone(db, &alone);
    if (r < 0)
        return r;
    return close_alone(db, alone, execute(db, text, "script", INT32_MAX));
}

/* --- notifications --- */

int db_listen(struct db *db, const char *channel)
{
    char command[128];

    (void)snprintf(command, sizeof command, "listen %s", channel);
    return db_script(db, command);
}

static bool take_notifications(struct db *db)
{
    PGnotify *notification;
    bool some = false;

    while ((notification = PQnotifies(db->conn))) {
        PQfreemem(notification);
        some = true;
    }
    return some;
}

int db_wait_notify(struct db *db, int64_t timeout_ms)
{
    uint64_t until = monotonic_now_ms() + (uint64_t)timeout_ms, now;
    struct pollfd waits[] = {
        { .fd = PQsocket(db->conn), .events = POLLIN },
        { .fd = db->stop_fd, .events = POLLIN },
    };

    for (;;) {
        if (!db_consume_input(db->conn) || db_lost(db)) {
            db_error_print(db->conn, NULL, "waiting", db->error);
            return -EAGAIN;
        }
        if (take_notifications(db))
            return 1;
        now = monotonic_now_ms();
        if (now >= until || waits[1].revents)
            return 0;
        (void)poll(waits, 2, (int)(until - now));
    }
}

/* --- rows --- */

const char *rows_text(const struct rows *rows, int row, int column)
{
    assert(row >= 0 && row < rows->count && column >= 0 && column < PQnfields(rows->result));
    return PQgetisnull(rows->result, row, column) ? NULL : PQgetvalue(rows->result, row, column);
}

int64_t rows_int(const struct rows *rows, int row, int column)
{
    const char *text = rows_text(rows, row, column);
    int64_t value = 0;

    if (text)
        (void)text_to_int(text, INT64_MIN, INT64_MAX, &value);
    return value;
}

bool rows_bool(const struct rows *rows, int row, int column)
{
    const char *text = rows_text(rows, row, column);

    return text && text[0] == 't';
}

void rows_done(struct rows *rows)
{
    PQclear(rows->result);
    *rows = (struct rows){ 0 };
}
