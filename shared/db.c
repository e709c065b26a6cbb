/*
 * The connection that is waited for: results become rows, SQLSTATEs become errnos, and the words of
 * an error become one line without secrets.
 */
#include "db.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_error.h"
#include "db_parts.h"
#include "db_sql.h"
#include "instant.h"
#include "limits.h"
#include "log.h"
#include "text.h"

struct db {
    PGconn *conn;
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
    (void)snprintf(text, ERR_TEXT_MAX, "%s: %s%s%s%s%s%s", what, sqlstate ? sqlstate : "",
                   sqlstate ? " " : "", message ? message : PQerrorMessage(conn),
                   detail ? " (" : "", detail ? detail : "", detail ? ")" : "");
    text_end_whole(text);
    make_one_line(text);
}

/* Fills db->error from a result that is not what was wanted (NULL: there was none), frees the
 * result and returns the code. */
static int failed(struct db *db, PGresult *result, const char *what)
{
    int code = db_lost(db) ? -EAGAIN : db_error_code(PQresultErrorField(result, PG_DIAG_SQLSTATE));

    db_error_print(db->conn, result, what, db->error);
    PQclear(result);
    return code;
}

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static int execute(struct db *db, const char *text, const char *what)
{
    PGresult *result = PQexec(db->conn, text);

    if (!succeeded(result))
        return failed(db, result, what);
    PQclear(result);
    return 0;
}

/* --- connecting --- */

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val ? options->val : "";
    return "";
}

/* A password with an unescaped @ leaves its rest there. A host that begins with @ is an abstract
 * socket. */
static bool holds_password(const PQconninfoOption *options)
{
    const char *host = option_value(options, "host");

    for (const char *p = host; *p; p++)
        if (*p == '@' && p != host && p[-1] != ',')
            return true;
    return strchr(option_value(options, "dbname"), '@');
}

/* Of these numbers libpq complains only once it has found the server. */
static bool holds_wrong_number(const PQconninfoOption *options)
{
    int64_t number;

    for (; options->keyword; options++)
        if (options->val &&
            (strstr(options->keyword, "timeout") || strstr(options->keyword, "keepalives")) &&
            text_to_int(options->val, INT32_MIN, INT32_MAX, &number) < 0)
            return true;
    return false;
}

/* Libpq's own complaints quote the string, or a value which may be a piece of the password. */
static int malformed(struct err *reterr)
{
    return err_set(reterr, -EBADMSG,
                   "not a connection string: want postgresql://user:password@host/database, with "
                   "@ : / ? and %% in the password percent-encoded, or host=... dbname=...");
}

int db_check_conninfo(const char *conninfo, struct err *reterr)
{
    PQconninfoOption *options;
    char *complaint = NULL;
    bool good;

    options = PQconninfoParse(conninfo, &complaint);
    PQfreemem(complaint);
    good = options && !holds_password(options) && !holds_wrong_number(options);
    PQconninfoFree(options);
    return good ? 0 : malformed(reterr);
}

/* True where libpq did not come so far as to look for a server, which it would name first. */
static bool is_malformed(const PGconn *conn)
{
    static const char *const complaints[] = { "invalid ", "could not parse network address " };
    const char *said = PQerrorMessage(conn);

    for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
        if (strncmp(said, complaints[i], strlen(complaints[i])) == 0)
            return true;
    return false;
}

typedef PGconn *connect_function(const char *const *keywords, const char *const *values,
                                 int expand_dbname);

static PGconn *connect_to(const char *conninfo, const char *application_name,
                          connect_function *connect)
{
    char timeout[16], idle[16], interval[16], count[16], unacknowledged[16];
    /* The string may override what stands before dbname and is overridden by what follows. A server
     * that was demoted to a standby is no place for us, hence read-write. */
    /* clang-format off */
    const char *const keywords[] = {
        "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "target_session_attrs", "dbname", "application_name",
        "client_encoding", NULL,
    };
    const char *const values[] = {
        timeout, idle, interval, count,
        unacknowledged, "read-write", conninfo, application_name,
        "UTF8", NULL,
    };
    /* clang-format on */

    (void)snprintf(timeout, sizeof timeout, "%d", DB_CONNECT_TIMEOUT_S);
    (void)snprintf(idle, sizeof idle, "%d", DB_KEEPALIVE_IDLE_S);
    (void)snprintf(interval, sizeof interval, "%d", DB_KEEPALIVE_INTERVAL_S);
    (void)snprintf(count, sizeof count, "%d", DB_KEEPALIVE_COUNT);
    (void)snprintf(unacknowledged, sizeof unacknowledged, "%d", DB_UNACKNOWLEDGED_MS);
    return connect(keywords, values, 1);
}

PGconn *db_start_connecting(const char *conninfo, const char *application_name)
{
    return connect_to(conninfo, application_name, PQconnectStartParams);
}

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
    PGresult *result = db_send_session(db->conn) ? PQgetResult(db->conn) : NULL;

    if (!succeeded(result))
        return failed(db, result, "session settings");
    PQclear(result);
    /* The end of the answer. */
    PQclear(PQgetResult(db->conn));
    return 0;
}

int db_open(const char *conninfo, const char *application_name, struct db **ret, struct err *reterr)
{
    struct db *db;
    int r;

    r = db_check_conninfo(conninfo, reterr);
    if (r < 0)
        return r;
    db = calloc(1, sizeof *db);
    if (!db)
        return err_set(reterr, -ENOMEM, "out of memory");
    db->conn = connect_to(conninfo, application_name, PQconnectdbParams);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        r = failed(db, NULL, "cannot connect");
    } else {
        (void)PQsetNoticeProcessor(db->conn, show_notice, NULL);
        r = set_up_session(db);
    }
    if (r < 0) {
        r = is_malformed(db->conn) ? malformed(reterr) : err_set(reterr, r, "%s", db->error);
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
    return PQstatus(db->conn) != CONNECTION_OK;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

/* --- transactions --- */

int db_dry_run(struct db *db)
{
    int r = execute(db, "begin", "begin");

    if (r < 0)
        return r;
    db->dry_run = true;
    /* The transaction stays open, with its locks, while the worker asks an outside service: for
     * long enough to hear from one, and not for ever. */
    return execute(db, "set local idle_in_transaction_session_timeout = '3min'", "dry run");
}

/* In the transaction of a dry run, a savepoint stands for each transaction of the worker. */

int db_begin(struct db *db)
{
    int r;

    assert(!db->in_transaction);
    r = execute(db, db->dry_run ? "savepoint dry_run" : "begin", "begin");
    if (r == 0)
        db->in_transaction = true;
    return r;
}

int db_commit(struct db *db)
{
    PGresult *result;

    assert(db->in_transaction);
    db->in_transaction = false;
    result = PQexec(db->conn, db->dry_run ? "release savepoint dry_run" : "commit");
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
    return execute(db, db->dry_run ? to_savepoint : "rollback", "rollback");
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
        result = PQprepare(db->conn, statements[i].name, statements[i].text, 0, NULL);
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

    result = PQexecPrepared(db->conn, statement->name, statement->params, params, NULL, NULL, 0);
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
    return close_alone(db, alone, execute(db, text, "script"));
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

int db_wait_notify(struct db *db, int stop_fd, int64_t timeout_ms)
{
    uint64_t until = monotonic_now_ms() + (uint64_t)timeout_ms, now;
    struct pollfd waits[] = {
        { .fd = PQsocket(db->conn), .events = POLLIN },
        { .fd = stop_fd, .events = POLLIN },
    };

    for (;;) {
        if (!PQconsumeInput(db->conn) || db_lost(db)) {
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
