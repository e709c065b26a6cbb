/*
 * SQLSTATE to errno, by table: the longest prefix that fits decides, so a class (two characters)
 * can have exceptions (five).
 */
#include "db_error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct meaning {
    const char *prefix;
    int code;
};

/* clang-format off */
static const struct meaning meanings[] = {
    { "08",    -EAGAIN }, /* connection */
    { "22",    -EINVAL }, /* data exception */
    { "23",    -EINVAL }, /* integrity constraint */
    { "23505", -EEXIST }, /* unique violation */
    { "25",    -EINVAL }, /* transaction state: a statement after a failed one */
    { "25006", -EAGAIN }, /* read-only: the server was demoted under us */
    { "25P03", -EAGAIN }, /* idle-in-transaction time limit; the connection is gone */
    { "26000", -EBADMSG }, /* a prepared statement is missing, or there before it was made: */
    { "42P05", -EBADMSG }, /* see db_error_hint */
    { "28",    -EPERM  }, /* authorization */
    { "3D000", -EAGAIN }, /* no such database: being created */
    { "3F000", -EAGAIN }, /* no such schema: not migrated yet */
    { "40",    -EAGAIN }, /* serialization failure, deadlock */
    { "42",    -EINVAL }, /* syntax, types */
    { "42501", -EPERM  }, /* privilege */
    { "42703", -EAGAIN }, /* no such column, table, function, type: not migrated yet */
    { "42P01", -EAGAIN },
    { "42883", -EAGAIN },
    { "42704", -EAGAIN },
    { "53",    -EAGAIN }, /* no memory, disk full, too many connections */
    { "55",    -EINVAL }, /* object state */
    { "55006", -EAGAIN }, /* object in use */
    { "55P03", -EAGAIN }, /* lock not available */
    { "57",    -EAGAIN }, /* cancelled, time limit, shutdown, starting up */
    { "P0",    -EINVAL }, /* raised by a function of ours */
};
/* clang-format on */

int db_error_code(const char *sqlstate)
{
    size_t best = 0, n;
    int code = -EIO;

    for (size_t i = 0; sqlstate && i < sizeof meanings / sizeof *meanings; i++) {
        n = strlen(meanings[i].prefix);
        if (n > best && strncmp(sqlstate, meanings[i].prefix, n) == 0) {
            best = n;
            code = meanings[i].code;
        }
    }
    return code;
}

bool db_error_shows_row(const char *sqlstate)
{
    /* not-null and check violations */
    return sqlstate && (strcmp(sqlstate, "23502") == 0 || strcmp(sqlstate, "23514") == 0);
}

const char *db_error_hint(const char *sqlstate)
{
    if (sqlstate && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0))
        return "; DATABASE_URL leads to a pooler that changes sessions: want PostgreSQL itself, or "
               "pool_mode = session";
    return "";
}

bool db_error_ends_session(const char *sqlstate)
{
    static const char *const ends[] = {
        "25006", /* read-only transaction */
        "26000", /* no such prepared statement: a pooler in between gave us another session */
        "0A000", /* "cached plan must not change result type" */
    };

    for (size_t i = 0; sqlstate && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(sqlstate, ends[i]) == 0)
            return true;
    return false;
}
