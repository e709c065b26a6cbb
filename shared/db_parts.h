#ifndef OPS_DB_PARTS_H
#define OPS_DB_PARTS_H
/*
 * What the two kinds of connection, db.c (waits) and db_stream.c (on a loop), have in common.
 */
#include <libpq-fe.h>

#include "err.h"

/* Begins to connect as db_open would, for PQconnectPoll. The caller calls PQfinish. NULL when
 * memory ran out. */
PGconn *db_start_connecting(const char *conninfo, const char *application_name);

/* Sends the statement that sets up the session; its answer is one row. Returns as PQsendQuery. */
int db_send_session(PGconn *conn);

/* Writes what, SQLSTATE, message and detail as one line. result may be NULL. */
void db_error_print(PGconn *conn, const PGresult *result, const char *what,
                    char text[static ERR_TEXT_MAX]);

#endif
