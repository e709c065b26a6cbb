/*
 * What DATABASE_URL must look like, told without a word of it: libpq's own complaints quote the
 * string, or a value which may be a piece of the password.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "db.h"
#include "db_parts.h"
#include "text.h"

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

int db_malformed(struct err *reterr)
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
    return good ? 0 : db_malformed(reterr);
}

bool db_is_malformed(const PGconn *conn)
{
    static const char *const complaints[] = { "invalid ", "could not parse network address " };
    const char *said = PQerrorMessage(conn);

    for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
        if (strncmp(said, complaints[i], strlen(complaints[i])) == 0)
            return true;
    return false;
}
