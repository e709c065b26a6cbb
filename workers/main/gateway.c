/*
 * gateway: the only thing that listens on TCP.
 *
 * Takes     what Telegram sends to /telegram/BOT, and stores it before it says so.
 * Tells     /healthz to everybody; to whoever has HTTP_API_TOKEN also /metrics, /api and the
 *           dashboard.
 * Does      what an administrator asks of a job or a worker.
 */
#include "gateway.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "instant.h"
#include "notify.h"
#include "own.h"
#include "worker.h"

enum {
    BEAT_MS = 1000,
    /* What is being answered when it is told to stop may take so long; below kill_timeout's default
     * of 1,600 ms. */
    LEAVE_MS = 1000,
    BACKLOG = 1024,
    /* The first of LISTEN_FDS (sd_listen_fds(3)). */
    PASSED_FD = 3,
};

static struct {
    struct run *run;
    uv_loop_t loop;
    uv_poll_t stop;
    uv_timer_t beat;
    uv_prepare_t step;
    uint64_t leave_ms; /* once it is told to stop */
} gateway;

/* --- the socket --- */

static int wrong_address(const char *listen_text, struct err *reterr)
{
    return err_set(reterr, -EBADMSG,
                   "HTTP_LISTEN: want address:port such as 127.0.0.1:8080 or "
                   "[::1]:8080, got \"%s\"",
                   listen_text);
}

/* Splits address:port; ret_host has room for text. */
static int split(const char *text, char *ret_host, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (n && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return -EINVAL;
    }
    if (!n)
        return -EINVAL;
    memcpy(ret_host, text, n);
    ret_host[n] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int resolve(const char *text, struct addrinfo **ret, struct err *reterr)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    char host[NAME_BYTES_MAX];
    const char *port;

    if (strlen(text) >= sizeof host || split(text, host, &port) < 0 || !*port ||
        getaddrinfo(host, port, &hints, ret) != 0)
        return wrong_address(text, reterr);
    return 0;
}

static int listen_on(const char *text, struct err *reterr)
{
    struct addrinfo *address = NULL;
    OWN(close) int fd = -1;
    int r = resolve(text, &address, reterr);

    if (r < 0)
        return r;
    fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The connections of the process before this one are not in the way. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        r = err_set(reterr, errno == EADDRINUSE ? -EAGAIN : -errno,
                    "cannot listen on %s: %s; HTTP_LISTEN says where, and for a reload, with two "
                    "at a time, \"listen\" in the manifest",
                    text, strerror(errno));
    freeaddrinfo(address);
    return r < 0 ? r : take_fd(&fd);
}

/* With "listen" in the manifest opsd holds the socket, and a reload refuses no connection. */
static int passed_socket(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (!pid || !count || strtol(pid, NULL, 10) != getpid() || strtol(count, NULL, 10) < 1)
        return -1;
    return PASSED_FD;
}

static void tell_address(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    char host[NAME_BYTES_MAX] = "?", port[16] = "?";

    (void)getsockname(fd, (struct sockaddr *)&address, &length);
    (void)getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    log_info("listening", LOG_TEXT("address", host), LOG_TEXT("port", port));
}

/* --- the loop --- */

static void beat(uv_timer_t *timer)
{
    const struct updates_counts *counts = updates_counts();
    struct run_stats *stats = &gateway.run->stats;

    (void)timer;
    stats->selected = (int64_t)(counts->stored + counts->duplicates);
    stats->changed = stats->enqueued = (int64_t)counts->stored;
    stats->failed = (int64_t)(counts->failed + counts->refused);
    run_progress(gateway.run);
}

static void step(uv_prepare_t *prepare)
{
    (void)prepare;
    updates_step();
}

static void leave_when_idle(uv_timer_t *timer)
{
    (void)timer;
    if (!face_is_busy() || monotonic_now_ms() >= gateway.leave_ms)
        uv_stop(&gateway.loop);
}

static void told_to_stop(uv_poll_t *poll, int status, int events)
{
    enum { LOOK_MS = 50 };

    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    log_info("stopping", LOG_INT("connections", peers_count()));
    face_quiesce();
    gateway.leave_ms = monotonic_now_ms() + LEAVE_MS;
    (void)uv_timer_start(&gateway.beat, leave_when_idle, LOOK_MS, LOOK_MS);
}

static int open_handles(struct run *run)
{
    int r = uv_loop_init(&gateway.loop);

    gateway.run = run;
    if (r == 0)
        r = uv_poll_init(&gateway.loop, &gateway.stop, worker_stop_fd());
    if (r < 0)
        return r;
    (void)uv_timer_init(&gateway.loop, &gateway.beat);
    (void)uv_prepare_init(&gateway.loop, &gateway.step);
    (void)uv_timer_start(&gateway.beat, beat, 0, BEAT_MS);
    (void)uv_prepare_start(&gateway.step, step);
    return uv_poll_start(&gateway.stop, UV_READABLE, told_to_stop);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_all(void)
{
    fleet_close();
    ask_close();
    updates_close();
    face_close();
    uv_walk(&gateway.loop, close_handle, NULL);
    (void)uv_run(&gateway.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&gateway.loop);
}

/* Each connection is a descriptor, and the default limit is barely above CONNECTIONS_MAX. */
static void raise_descriptor_limit(void)
{
    enum { OTHERS = 128 };
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= CONNECTIONS_MAX + OTHERS)
        return;
    limit.rlim_cur = limit.rlim_max < CONNECTIONS_MAX + OTHERS ? limit.rlim_max
                                                               : CONNECTIONS_MAX + OTHERS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_all(struct run *run, int fd, struct err *reterr)
{
    int r = open_handles(run);

    if (r < 0)
        return err_set(reterr, r, "no event loop: %s", uv_strerror(r));
    raise_descriptor_limit();
    fleet_open(&gateway.loop);
    r = updates_open(&gateway.loop, reterr);
    if (r == 0)
        r = ask_open(&gateway.loop, reterr);
    if (r == 0)
        r = face_open(&gateway.loop, fd, reterr);
    return r;
}

static int serve(struct run *run)
{
    struct err why = { "" };
    OWN(close) int fd = -1;
    int r;

    r = db_check_conninfo(setting_text("DATABASE_URL"), &why);
    if (r == 0)
        r = routes_open(&why);
    if (r == 0)
        r = dashboard_open(&why);
    if (r == 0) {
        fd = passed_socket();
        if (fd < 0)
            fd = listen_on(setting_text("HTTP_LISTEN"), &why);
        r = fd < 0 ? fd : 0;
    }
    if (r < 0)
        return run_failed(run, r, why.text);
    if (run->dry_run) {
        log_info("dry run: the settings are good; nobody is served");
        return 0;
    }
    r = open_all(run, fd, &why);
    if (r == 0) {
        tell_address(fd);
        (void)notify_send("READY=1");
        (void)uv_run(&gateway.loop, UV_RUN_DEFAULT);
        face_give_up();
    } else {
        (void)run_failed(run, r, why.text);
    }
    close_all();
    return r;
}

const struct worker worker = {
    .app = "main",
    .name = "gateway",
    .about = "take Telegram's updates, tell health, metrics and the state of the fleet over HTTP",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS("DATABASE_URL", "HTTP_LISTEN", "HTTP_API_TOKEN", "WEBHOOK_SECRET",
                          "OPS_HOME"),
    .tells_ready = true,
    .run = serve,
};
