#ifndef TEST_RUDE_SERVER_H
#define TEST_RUDE_SERVER_H
/*
 * An HTTP server in a thread of the test that answers each path in its own bad way.
 *
 * The bytes it sends are written out in the table below; it knows nothing of HTTP but where a
 * request ends. Every request is counted by path, so that a test can tell what was really sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum after_answer {
    KEEP,           /* wait for the next request on the connection */
    CLOSE,          /* close it */
    STALL,          /* say nothing more until the client leaves */
    ONCE_OK,        /* as KEEP, but the second time the path is asked, answer "ok" */
    SECOND_DROPPED, /* as KEEP, but the second request is read and not answered */
    ENDLESS,        /* send 64 kB pieces until the client leaves */
    RESET,          /* reset it, as a server does that leaves something unread */
    PIECE_RESET,    /* send one piece first */
};

struct behaviour {
    const char *path;
    const char *answer;
    enum after_answer after;
};

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define EMPTY "\r\nContent-Length: 0\r\n\r\n"

/* clang-format off */
static const struct behaviour behaviours[] = {
    { "/ok",             OK_ANSWER, KEEP },
    { "/empty",          "HTTP/1.1 204 No Content\r\n\r\n", KEEP },
    { "/stall",          "", STALL },
    { "/half-headers",   "HTTP/1.1 200 OK\r\nContent-Le", STALL },
    { "/cut-headers",    "HTTP/1.1 200 OK\r\nContent-Le", CLOSE },
    { "/stall-body",     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", STALL },
    { "/cut-body",       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CLOSE },
    { "/cut-chunks",     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", CLOSE },
    { "/trailer",        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", KEEP },
    { "/cut-after-103",  "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n", CLOSE },
    { "/drop",           "", CLOSE },
    { "/reset",          OK_ANSWER, RESET },
    { "/reset-large",    "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n", PIECE_RESET },
    { "/reset-body",     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", RESET },
    { "/reset-at-once",  "", RESET },
    { "/not-http",       "220 mail.example.com ESMTP\r\n", CLOSE },
    { "/announced-huge", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", STALL },
    { "/endless",        "HTTP/1.1 200 OK\r\n\r\n", ENDLESS },
    { "/redirect",       "HTTP/1.1 302 Found\r\nLocation: /ok" EMPTY, KEEP },
    { "/429-seconds",    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7" EMPTY, KEEP },
    { "/429-date",       "HTTP/1.1 429 Too Many Requests\r\nRetry-After: Wed, 21 Oct 2099 07:28:00 GMT"
                         EMPTY, KEEP },
    { "/429-past",       "HTTP/1.1 429 Too Many Requests\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT"
                         EMPTY, KEEP },
    { "/429-nonsense",   "HTTP/1.1 429 Too Many Requests\r\nRetry-After: -5" EMPTY, KEEP },
    { "/429-huge",       "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 9999999999" EMPTY,
                         KEEP },
    { "/429-once",       "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1" EMPTY, ONCE_OK },
    { "/500-once",       "HTTP/1.1 500 Internal Server Error" EMPTY, ONCE_OK },
    { "/500",            "HTTP/1.1 500 Internal Server Error" EMPTY, KEEP },
    { "/400",            "HTTP/1.1 400 Bad Request" EMPTY, KEEP },
    { "/second-dropped", OK_ANSWER, SECOND_DROPPED },
    { "/bot1:a/getMe",   "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n"
                         "{\"ok\":true,\"result\":7}", KEEP },
};
/* clang-format on */

enum { BEHAVIOURS = sizeof behaviours / sizeof *behaviours, REQUEST_MAX = 65536 };

static struct rude_server {
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    int seen[BEHAVIOURS];   /* requests for the path */
    char last[REQUEST_MAX]; /* the last request, whole */
    int connections;
    int resets;
} rude = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int behaviour_of(const char *request)
{
    const char *path = strchr(request, ' ');
    size_t length;
    int i;

    if (!path)
        return -1;
    length = strcspn(++path, " ?");
    for (i = 0; i < BEHAVIOURS; i++)
        if (strlen(behaviours[i].path) == length && !memcmp(behaviours[i].path, path, length))
            return i;
    return -1;
}

static inline int rude_seen(const char *path)
{
    int seen = -1, i;

    (void)pthread_mutex_lock(&rude.lock);
    for (i = 0; i < BEHAVIOURS; i++)
        if (strcmp(behaviours[i].path, path) == 0)
            seen = rude.seen[i];
    (void)pthread_mutex_unlock(&rude.lock);
    return seen;
}

/* Reads one request with its body; false when the client left. */
static bool rude_read(int fd, char request[static REQUEST_MAX])
{
    size_t n = 0, want = 0;
    char *end, *length;
    ssize_t got;

    for (;;) {
        got = read(fd, request + n, REQUEST_MAX - 1 - n);
        if (got <= 0)
            return false;
        n += (size_t)got;
        request[n] = '\0';
        end = strstr(request, "\r\n\r\n");
        if (!end)
            continue;
        length = strcasestr(request, "Content-Length:");
        if (length && length < end)
            want = strtoul(length + strlen("Content-Length:"), NULL, 10);
        if (n >= (size_t)(end + 4 - request) + want)
            return true;
    }
}

static bool rude_send(int fd, const char *bytes, size_t n)
{
    return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static inline int rude_resets(void)
{
    int resets;

    (void)pthread_mutex_lock(&rude.lock);
    resets = rude.resets;
    (void)pthread_mutex_unlock(&rude.lock);
    return resets;
}

static void rude_reset(int fd)
{
    struct linger none = { .l_onoff = 1, .l_linger = 0 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)close(fd);
    (void)pthread_mutex_lock(&rude.lock);
    rude.resets++;
    (void)pthread_mutex_unlock(&rude.lock);
}

static void rude_wait_until_left(int fd)
{
    char byte;

    while (read(fd, &byte, 1) > 0)
        ;
}

/* Answers one request; true when another one may follow on the connection. *ret_open is false when
 * it is closed. */
static bool rude_answer(int fd, const char *request, bool *ret_open)
{
    static const char piece[65536];
    const struct behaviour *b;
    int which = behaviour_of(request), seen;

    if (which < 0)
        return false;
    b = &behaviours[which];
    (void)pthread_mutex_lock(&rude.lock);
    seen = ++rude.seen[which];
    (void)snprintf(rude.last, sizeof rude.last, "%s", request);
    (void)pthread_mutex_unlock(&rude.lock);

    if (b->after == SECOND_DROPPED && seen == 2)
        return false;
    if (b->after == ONCE_OK && seen > 1)
        return rude_send(fd, OK_ANSWER, strlen(OK_ANSWER));
    if (!rude_send(fd, b->answer, strlen(b->answer)))
        return false;
    if (b->after == STALL)
        rude_wait_until_left(fd);
    while (b->after == ENDLESS && rude_send(fd, piece, sizeof piece))
        ;
    if (b->after == PIECE_RESET)
        (void)rude_send(fd, piece, sizeof piece);
    if (b->after == RESET || b->after == PIECE_RESET) {
        rude_reset(fd);
        *ret_open = false;
    }
    return b->after == KEEP || b->after == ONCE_OK || b->after == SECOND_DROPPED;
}

static void *rude_connection(void *closure)
{
    int fd = (int)(intptr_t)closure;
    char *request = malloc(REQUEST_MAX);
    bool open = true;

    while (request && rude_read(fd, request) && rude_answer(fd, request, &open))
        ;
    free(request);
    if (!open)
        return NULL;
    (void)shutdown(fd, SHUT_RDWR);
    (void)close(fd);
    return NULL;
}

static void *rude_accept(void *closure)
{
    pthread_t thread;
    int fd;

    (void)closure;
    while ((fd = accept4(rude.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        (void)pthread_mutex_lock(&rude.lock);
        rude.connections++;
        (void)pthread_mutex_unlock(&rude.lock);
        if (pthread_create(&thread, NULL, rude_connection, (void *)(intptr_t)fd) == 0)
            (void)pthread_detach(thread);
        else
            (void)close(fd);
    }
    return NULL;
}

static inline int rude_start(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rude.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(rude.listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(rude.listener, 512) < 0 ||
        getsockname(rude.listener, (struct sockaddr *)&address, &length) < 0)
        return -1;
    rude.port = ntohs(address.sin_port);
    return pthread_create(&rude.thread, NULL, rude_accept, NULL) == 0 ? 0 : -1;
}

static inline int rude_stop(void **state)
{
    (void)state;
    (void)shutdown(rude.listener, SHUT_RDWR);
    (void)pthread_join(rude.thread, NULL);
    (void)close(rude.listener);
    return 0;
}

#endif
