/*
 * What a SQLSTATE means, by table: the longest prefix that fits decides, so a class (two
 * characters) can have exceptions (five).
 */
#include "db_error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum {
    SHOWS_ROW = 1 << 0,    /* its detail holds a whole row */
    ENDS_SESSION = 1 << 1, /* a new session may do it */
    POOLER = 1 << 2,       /* one in between gave us another session */
};

struct meaning {
    const char *prefix;
    int code;
    unsigned more;
};

/* clang-format off */
static const struct meaning meanings[] = {
    { "08",    -EAGAIN, 0 }, /* connection */
    { "0A000", -EIO,    ENDS_SESSION }, /* "cached plan must not change result type" */
    { "22",    -EINVAL, 0 }, /* data exception */
    { "23",    -EINVAL, 0 }, /* integrity constraint */
    { "23502", -EINVAL, SHOWS_ROW }, /* not-null violation */
    { "23505", -EEXIST, 0 }, /* unique violation */
    { "23514", -EINVAL, SHOWS_ROW }, /* check violation */
    { "25",    -EINVAL, 0 }, /* transaction state: a statement after a failed one */
    { "25006", -EAGAIN, ENDS_SESSION }, /* read-only: the server was demoted under us */
    { "25P03", -EAGAIN, 0 }, /* idle-in-transaction time limit; the connection is gone */
    { "26000", -EBADMSG, ENDS_SESSION | POOLER }, /* a prepared statement is missing, */
    { "42P05", -EBADMSG, POOLER }, /* or there before it was made */
    { "28",    -EPERM,  0 }, /* authorization */
    { "3D000", -EAGAIN, 0 }, /* no such database: being created */
    { "3F000", -EAGAIN, 0 }, /* no such schema: not migrated yet */
    { "40",    -EAGAIN, 0 }, /* serialization failure, deadlock */
    { "42",    -EINVAL, 0 }, /* syntax, types */
    { "42501", -EPERM,  0 }, /* privilege */
    { "42703", -EAGAIN, 0 }, /* no such column, table, function, type: not migrated yet */
    { "42P01", -EAGAIN, 0 },
    { "42883", -EAGAIN, 0 },
    { "42704", -EAGAIN, 0 },
    { "53",    -EAGAIN, 0 }, /* no memory, disk full, too many connections */
    { "55",    -EINVAL, 0 }, /* object state */
    { "55006", -EAGAIN, 0 }, /* object in use */
    { "55P03", -EAGAIN, 0 }, /* lock not available */
    { "57",    -EAGAIN, 0 }, /* cancelled, time limit, shutdown, starting up */
    { "P0",    -EINVAL, 0 }, /* raised by a function of ours */
};
/* clang-format on */

static const struct meaning *meaning_of(const char *sqlstate)
{
    static const struct meaning unknown = { "", -EIO, 0 };
    const struct meaning *best = &unknown;

    for (size_t i = 0; sqlstate && i < sizeof meanings / sizeof *meanings; i++) {
        size_t n = strlen(meanings[i].prefix);

        if (n > strlen(best->prefix) && strncmp(sqlstate, meanings[i].prefix, n) == 0)
            best = &meanings[i];
    }
    return best;
}

int db_error_code(const char *sqlstate)
{
    return meaning_of(sqlstate)->code;
}

bool db_error_shows_row(const char *sqlstate)
{
    return meaning_of(sqlstate)->more & SHOWS_ROW;
}

const char *db_error_hint(const char *sqlstate)
{
    return meaning_of(sqlstate)->more & POOLER
               ? "; DATABASE_URL leads to a pooler that changes sessions: want PostgreSQL "
                 "itself, or pool_mode = session"
               : "";
}

bool db_error_ends_session(const char *sqlstate)
{
    return meaning_of(sqlstate)->more & ENDS_SESSION;
}
