#ifndef OPS_DB_ERROR_H
#define OPS_DB_ERROR_H
/*
 * What a SQLSTATE means to a worker: try again, wrong, not allowed.
 *
 * Source: PostgreSQL 15, Appendix A "PostgreSQL Error Codes". Callers branch on the code, never on
 * the message, which is translated and changes between versions.
 */
#include <stdbool.h>

/* The negative errno of db.h; -EIO for NULL (libpq reports some failures without a SQLSTATE) and
 * for a class that the table does not know. */
int db_error_code(const char *sqlstate);

/* True when the error's DETAIL shows a whole row ("Failing row contains ..."), which is not for a
 * log. */
bool db_error_shows_row(const char *sqlstate);

/* What a person may do about it, to be added to the server's words: "; want ..." or "". */
const char *db_error_hint(const char *sqlstate);

/* True when it is the session that cannot do it, while a new one may: its server was demoted and
 * writes no more, or what was prepared is not there, or no longer fits the tables. */
bool db_error_ends_session(const char *sqlstate);

#endif
