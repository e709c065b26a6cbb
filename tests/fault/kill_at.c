/*
 * Preloaded into a worker, this counts its boundaries with the outside and strikes at one of them.
 * A boundary is a call after which somebody else may know or do something: of libpq, of libcurl,
 * and send(2), through which both of them speak.
 *
 *     KILL_AT=17          the boundary, counted from 1; unset or 0: none
 *     KILL_WHEN=after     when the call has returned; else before it is made
 *     KILL_FROM=…         counting begins with the first call of this function
 *     KILL_WHAT=…         see struct strike; without it the process is killed with SIGKILL
 *     KILL_COUNT_FILE=…   gets the number of boundaries when the process ends by itself
 *
 * A strike is announced on stderr: "kill_at: 17 before PQgetResult". A run without that line got
 * through. With AddressSanitizer LD_PRELOAD must name libasan first, which insists on it.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum when { BEFORE, AFTER };
enum { SESSION_END_MS = 5000 };

static int count, target;
static enum when target_when;
static const char *from; /* not called yet; NULL once it was */
static bool struck;
static PGconn *session; /* the worker's; NULL before there is one */

/* The function that would have been called without us. */
#define REAL(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

/* --- strikes --- */

static void kill_worker(void)
{
    (void)raise(SIGKILL);
}

static void stop_worker(void)
{
    (void)kill(getpid(), SIGTERM);
}

/* As an administrator would, or a fail-over: returns when the session is gone. */
static void end_session(void)
{
    struct pollfd gone = { .fd = PQsocket(session), .events = POLLRDHUP };
    char command[80];
    PGconn *other;

    other = PQconnectdb(getenv("DATABASE_URL"));
    (void)snprintf(command, sizeof command, "select pg_terminate_backend(%d)",
                   PQbackendPID(session));
    PQclear(PQexec(other, command));
    PQfinish(other);
    (void)poll(&gone, 1, SESSION_END_MS);
}

/* A server process that is killed takes all others with it: PostgreSQL recovers from its log. */
static void crash_server(void)
{
    (void)kill(PQbackendPID(session), SIGKILL);
}

/* As a reset that came meanwhile: what is sent from here on fails at once. */
static void cut_session(void)
{
    (void)shutdown(PQsocket(session), SHUT_RDWR);
}

static const struct strike {
    const char *what;
    void (*act)(void);
    bool needs_session;
} strikes[] = {
    { "worker", kill_worker, false }, { "stop", stop_worker, false },
    { "session", end_session, true }, { "server", crash_server, true },
    { "cut", cut_session, true },
};

static void strike(void)
{
    const char *what = getenv("KILL_WHAT");

    for (size_t i = 0; i < sizeof strikes / sizeof *strikes; i++)
        if (strcmp(strikes[i].what, what ? what : "worker") == 0 &&
            (session || !strikes[i].needs_session))
            strikes[i].act();
}

/* --- counting --- */

__attribute__((constructor)) static void start(void)
{
    const char *at = getenv("KILL_AT"), *when = getenv("KILL_WHEN");

    target = at ? atoi(at) : 0;
    target_when = when && strcmp(when, "after") == 0 ? AFTER : BEFORE;
    from = getenv("KILL_FROM");
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("KILL_COUNT_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    (void)fprintf(file, "%d\n", count);
    (void)fclose(file);
}

static void begin_counting(const char *name)
{
    if (from && strcmp(from, name) == 0)
        from = NULL;
}

/* The number of the call that begins; 0 while nothing is counted. */
static int number_of(const char *name)
{
    begin_counting(name);
    return from ? 0 : ++count;
}

static void reach(int number, enum when when, const char *name)
{
    /* What a strike itself does is no boundary of the worker's. */
    if (struck || number == 0 || number != target || when != target_when)
        return;
    struck = true;
    (void)dprintf(STDERR_FILENO, "kill_at: %d %s %s\n", number, when == AFTER ? "after" : "before",
                  name);
    strike();
}

/* Makes the call between its two boundaries; its value is the call's. */
#define BOUNDARY(function, ...)                                     \
    ({                                                              \
        int number_ = number_of(#function);                         \
        __auto_type real_ = REAL(function);                         \
                                                                    \
        reach(number_, BEFORE, #function);                          \
        __typeof__(real_(__VA_ARGS__)) value_ = real_(__VA_ARGS__); \
        reach(number_, AFTER, #function);                           \
        value_;                                                     \
    })

/* --- libpq, as far as shared/db.c calls it --- */

PGconn *PQconnectdbParams(const char *const *keywords, const char *const *values, int expand)
{
    int number = number_of(__func__);

    reach(number, BEFORE, __func__);
    session = REAL(PQconnectdbParams)(keywords, values, expand);
    reach(number, AFTER, __func__);
    return session;
}

/* What is sent leaves by send(2), below. */
int PQsendQueryPrepared(PGconn *conn, const char *name, int n, const char *const *values,
                        const int *lengths, const int *formats, int result_format)
{
    begin_counting(__func__);
    return REAL(PQsendQueryPrepared)(conn, name, n, values, lengths, formats, result_format);
}

int PQpipelineSync(PGconn *conn)
{
    begin_counting(__func__);
    return REAL(PQpipelineSync)(conn);
}

/* An answer is there. Those of a pipeline come many at a time, with no boundary in between. */
PGresult *PQgetResult(PGconn *conn)
{
    PGresult *result = REAL(PQgetResult)(conn);
    int number = result && PQpipelineStatus(conn) == PQ_PIPELINE_OFF ? number_of(__func__) : 0;

    reach(number, BEFORE, __func__);
    reach(number, AFTER, __func__);
    return result;
}

/* --- libcurl, as far as shared/http.c calls it --- */

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return BOUNDARY(curl_multi_add_handle, multi, easy);
}

/* Asked all the time; it is a boundary when it has a finished transfer to tell of. */
CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
    CURLMsg *message = REAL(curl_multi_info_read)(multi, left);
    int number = message ? number_of(__func__) : 0;

    reach(number, BEFORE, __func__);
    reach(number, AFTER, __func__);
    return message;
}

/* --- both: after it, the other side works on what it was sent, and we do not know yet --- */

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    return BOUNDARY(send, fd, bytes, n, flags);
}
