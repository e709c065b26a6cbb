#ifndef OPS_DB_PARTS_H
#define OPS_DB_PARTS_H
/*
 * What the two kinds of connection, db.c (waits) and db_stream.c (on a loop), have in common.
 */
#include <libpq-fe.h>
#include <stdbool.h>

#include "err.h"

/* A connection that is being made, by a thread of its own. */
struct db_connecting;

/* Begins to connect as db_open does: to the first server of conninfo that can be written to, with
 * DB_CONNECT_TIMEOUT_S for each address. Both texts are copied. Returns 0 or a negative errno. */
int db_connect_start(const char *conninfo, const char *application_name,
                     struct db_connecting **ret);

/* A descriptor that becomes readable when it is over, and then db_connect_end may be called. */
int db_connect_fd(const struct db_connecting *connecting);

/* What came of it; PQstatus tells whether it is a connection. The caller calls PQfinish. NULL when
 * memory ran out. */
PGconn *db_connect_end(struct db_connecting *connecting);

/* At any time in place of db_connect_end, does not wait: the thread ends by itself. Accepts NULL.
 */
void db_connect_abandon(struct db_connecting *connecting);

/* Sends the statement that sets up the session; its answer is one row. Returns as PQsendQuery. */
int db_send_session(PGconn *conn);

/* PQconsumeInput for whoever waits with poll(2) or a loop. */
int db_consume_input(PGconn *conn);

/* Writes what, SQLSTATE, message and detail as one line. result may be NULL. */
void db_error_print(PGconn *conn, const PGresult *result, const char *what,
                    char text[static ERR_TEXT_MAX]);

/* True where libpq did not come so far as to look for a server, which it would name first. */
bool db_is_malformed(const PGconn *conn);

/* Says what a connection string looks like. Returns -EBADMSG. */
int db_malformed(struct err *reterr);

#endif
