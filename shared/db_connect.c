/*
 * A thread makes the connection. libpq resolves names, goes from one server to the next and limits
 * the time for each only where it may wait (PQconnectdb, PostgreSQL 15, 34.1); its calls that do
 * not wait leave all of that to their caller, but for the names, which they wait for as well.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db_parts.h"
#include "limits.h"

/* Belongs to the thread and to whoever waits; the last of them frees it. */
struct db_connecting {
    atomic_int owners;
    int fd; /* readable once conn is what came of it */
    PGconn *conn;
    char *conninfo, *application_name;
};

static void let_go(struct db_connecting *connecting)
{
    if (atomic_fetch_sub(&connecting->owners, 1) > 1)
        return;
    PQfinish(connecting->conn);
    if (connecting->fd >= 0)
        (void)close(connecting->fd);
    free(connecting->conninfo);
    free(connecting->application_name);
    free(connecting);
}

static PGconn *connect_to(const char *conninfo, const char *application_name)
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
    return PQconnectdbParams(keywords, values, 1);
}

static void *connect_and_tell(void *closure)
{
    struct db_connecting *connecting = closure;
    const uint64_t one = 1;

    connecting->conn = connect_to(connecting->conninfo, connecting->application_name);
    /* Cannot fail: the counter is 0. */
    (void)!write(connecting->fd, &one, sizeof one);
    let_go(connecting);
    return NULL;
}

/* The signals are for the thread that works. Returns 0 or a negative errno. */
static int start_thread(struct db_connecting *connecting)
{
    sigset_t all, before;
    pthread_t thread;
    int r;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, NULL, connect_and_tell, connecting);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        (void)pthread_detach(thread);
    return -r;
}

int db_connect_start(const char *conninfo, const char *application_name, struct db_connecting **ret)
{
    struct db_connecting *connecting = calloc(1, sizeof *connecting);
    int r;

    if (!connecting)
        return -ENOMEM;
    connecting->owners = 2;
    connecting->conninfo = strdup(conninfo);
    connecting->application_name = strdup(application_name);
    connecting->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connecting->fd < 0)
        r = -errno;
    else if (!connecting->conninfo || !connecting->application_name)
        r = -ENOMEM;
    else
        r = start_thread(connecting);
    if (r < 0) {
        connecting->owners = 1;
        let_go(connecting);
        return r;
    }
    *ret = connecting;
    return 0;
}

int db_connect_fd(const struct db_connecting *connecting)
{
    return connecting->fd;
}

PGconn *db_connect_end(struct db_connecting *connecting)
{
    PGconn *conn = connecting->conn;

    connecting->conn = NULL;
    let_go(connecting);
    return conn;
}

void db_connect_abandon(struct db_connecting *connecting)
{
    if (connecting)
        let_go(connecting);
}
