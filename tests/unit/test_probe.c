/* Asking from outside whether a worker is ready: against sockets, servers and commands that are,
 * are not, and never say. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own.h"
#include "probe.h"
#include "rude_server.h"

enum { DEADLINE_MS = 10000 };

struct answer {
    bool known, ready, late;
    const char *script;
    pid_t pid;
};

static uv_loop_t loop;
static uv_timer_t timer;

static int open_loop(void **state)
{
    (void)state;
    return uv_loop_init(&loop) < 0 || uv_timer_init(&loop, &timer) < 0;
}

/* What a test left open keeps the loop from ending. */
static int close_loop(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void is_late(uv_timer_t *t)
{
    ((struct answer *)t->data)->late = true;
}

static void answered(void *owner, bool ready)
{
    struct answer *answer = owner;

    assert_false(answer->known);
    answer->known = true;
    answer->ready = ready;
}

static int start(void *owner, struct process *ret)
{
    struct answer *answer = owner;
    pid_t pid = fork();

    if (pid == 0) {
        (void)setsid();
        (void)execl("/bin/sh", "sh", "-c", answer->script, NULL);
        _exit(127);
    }
    (void)setpgid(pid, pid);
    *ret = (struct process){ .pid = answer->pid = pid, .pidfd = pidfd_open(pid, 0) };
    return 0;
}

/* Asks once and waits for the answer, at most that long. Returns 1, 0 or the errno of probe_begin,
 * or -ETIMEDOUT. */
static int ask(struct probe_ask what, struct answer *answer, int ms)
{
    struct probe *probe = NULL;
    int r;

    what.loop = &loop;
    what.answered = answered;
    what.start = start;
    what.owner = answer;
    r = probe_begin(&what, &probe);
    if (r != 0) {
        assert_null(probe);
        return r;
    }
    assert_false(answer->known);
    timer.data = answer;
    (void)uv_timer_start(&timer, is_late, (uint64_t)ms, 0);
    while (!answer->known && !answer->late)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&timer);
    probe_close(&probe);
    assert_null(probe);
    return answer->late ? -ETIMEDOUT : answer->ready;
}

/* --- ports */

/* A listening socket on one of the two localhosts, and its port. */
static int listener(int family, int *ret_port)
{
    struct sockaddr_storage address = { .ss_family = (sa_family_t)family };
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    socklen_t n = family == AF_INET ? sizeof *four : sizeof *six;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (family == AF_INET)
        four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        six->sin6_addr = in6addr_loopback;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, n) < 0 || listen(fd, 8) < 0)
        return -1;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    *ret_port = ntohs(family == AF_INET ? four->sin_port : six->sin6_port);
    return fd;
}

static int ask_port(int port, unsigned round)
{
    return ask((struct probe_ask){ .kind = READY_TCP, .number = port, .round = round },
               &(struct answer){ 0 }, DEADLINE_MS);
}

static void a_port_that_accepts_is_ready(void **state)
{
    int port, fd = listener(AF_INET, &port);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ask_port(port, 0), 1);
    (void)close(fd);
    assert_int_equal(ask_port(port, 0), 0);
}

static void every_other_try_is_for_the_other_localhost(void **state)
{
    int port, fd = listener(AF_INET6, &port);

    (void)state;
    if (fd < 0)
        skip();
    assert_int_equal(ask_port(port, 0), 0);
    assert_int_equal(ask_port(port, 1), 1);
    assert_int_equal(ask_port(port, 2), 0);
    (void)close(fd);
}

static void a_bound_port_that_does_not_listen_is_not_ready(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    OWN(close) int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t n = sizeof address;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    assert_int_equal(ask_port(ntohs(address.sin_port), 0), 0);
}

/* --- Unix sockets */

struct place {
    char folder[40], path[60], longer[200];
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    (void)snprintf(p->folder, sizeof p->folder, "/tmp/test_probe.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof p->path, "%s/socket", p->folder);
    *state = p;
    return open_loop(state);
}

static int drop_place(void **state)
{
    struct place *p = *state;
    int r = close_loop(state);

    (void)unlink(p->path);
    (void)rmdir(p->folder);
    free(p);
    return r;
}

static int unix_listener(const struct place *p, int type, int backlog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", p->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int ask_path(const char *path)
{
    return ask((struct probe_ask){ .kind = READY_UNIX, .text = path }, &(struct answer){ 0 },
               DEADLINE_MS);
}

static void a_socket_that_accepts_is_ready(void **state)
{
    static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
    struct place *p = *state;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask_path(p->path), -ENOENT);
        int fd = unix_listener(p, types[i], 8);

        assert_int_equal(ask_path(p->path), 1);
        (void)close(fd);
        assert_int_equal(ask_path(p->path), -ECONNREFUSED);
        (void)unlink(p->path);
    }
}

static void a_socket_that_nobody_accepts_on_is_not_ready(void **state)
{
    struct place *p = *state;
    OWN(close) int fd = unix_listener(p, SOCK_STREAM, -1);

    assert_int_equal(ask_path(p->path), -ECONNREFUSED);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(ask_path(p->path), 1);
    /* The queue is full, and connect would have to wait. */
    assert_int_equal(ask_path(p->path), -EAGAIN);
}

static void a_path_may_be_longer_than_an_address(void **state)
{
    struct place *p = *state;
    char name[120];
    int fd = unix_listener(p, SOCK_STREAM, 8);

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(p->longer, sizeof p->longer, "%s/%s", p->folder, name);
    assert_int_equal(rename(p->path, p->longer), 0);
    assert_int_equal(ask_path(p->longer), 1);
    (void)close(fd);
    (void)unlink(p->longer);
}

/* --- http */

/* clang-format off */
static const struct { const char *path; int want; } pages[] = {
    { "/ok", 1 },
    { "/empty", 1 },
    { "/trailer", 1 },
    { "/half-headers", 1 }, /* its first line says it all */
    { "/endless", 1 },
    { "/cut-after-103", 1 },
    { "/redirect", 0 },
    { "/500", 0 },
    { "/400", 0 },
    { "/drop", 0 },
    { "/not-http", 0 },
    { "/stall", -ETIMEDOUT },
};
/* clang-format on */

static int ask_url(const char *url, int ms)
{
    return ask((struct probe_ask){ .kind = READY_HTTP, .text = url }, &(struct answer){ 0 }, ms);
}

static void only_2xx_is_ready(void **state)
{
    char url[100];

    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        int got;

        (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", rude.port, pages[i].path);
        got = ask_url(url, pages[i].want == -ETIMEDOUT ? 100 : DEADLINE_MS);
        if (got != pages[i].want)
            fail_msg("%s: %d, want %d", pages[i].path, got, pages[i].want);
    }
    (void)snprintf(url, sizeof url, "http://localhost:%d/ok", rude.port);
    assert_int_equal(ask_url(url, DEADLINE_MS), 1);
    assert_int_equal(ask_url("http://example.com/", DEADLINE_MS), -EINVAL);
}

static void nobody_there_is_not_ready(void **state)
{
    int port, fd = listener(AF_INET, &port);
    char url[100];

    (void)state;
    (void)close(fd);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    assert_int_equal(ask_url(url, DEADLINE_MS), 0);
}

/* clang-format off */
static const struct { const char *url, *host; int port; const char *path; } urls[] = {
    { "http://127.0.0.1", "127.0.0.1", 80, "" },
    { "http://127.0.0.1/", "127.0.0.1", 80, "/" },
    { "http://localhost:8080/a?b=c#d", "localhost", 8080, "/a?b=c" },
    { "http://[::1]:65535?x", "::1", 65535, "?x" },
    { "http://[::1]/health", "::1", 80, "/health" },
    { "https://127.0.0.1/", NULL, 0, NULL },
    { "127.0.0.1:80", NULL, 0, NULL },
    { "http://example.com/", NULL, 0, NULL },
    { "http://user@127.0.0.1/", NULL, 0, NULL },
    { "http://127.0.0.1:0/", NULL, 0, NULL },
    { "http://127.0.0.1:65536/", NULL, 0, NULL },
    { "http://127.0.0.1:/", NULL, 0, NULL },
    { "http://127.0.0.1:80x/", NULL, 0, NULL },
    { "http://::1/", NULL, 0, NULL },
    { "http://[::1/", NULL, 0, NULL },
    { "http://[127.0.0.1]/", NULL, 0, NULL },
    { "http:///", NULL, 0, NULL },
    { "http://127.0.0.1/a b", NULL, 0, NULL },
    { "http://127.0.0.1/a\r\nX: y", NULL, 0, NULL },
    { "http://127.0.0.1/\xc3\xa4", NULL, 0, NULL },
    { "", NULL, 0, NULL },
};
/* clang-format on */

static void a_url_is_taken_apart_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct probe_url got;
        struct err why = { "" };
        int r = probe_url_parse(urls[i].url, &got, &why);

        if (!urls[i].host) {
            if (r != -EINVAL || !why.text[0])
                fail_msg("%s: %d", urls[i].url, r);
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(got.host, urls[i].host);
        assert_int_equal(got.port, urls[i].port);
        assert_int_equal(got.path_length, strlen(urls[i].path));
        assert_memory_equal(got.path, urls[i].path, got.path_length);
    }
}

/* clang-format off */
static const struct { const char *text; int want; } statuses[] = {
    { "", 0 },
    { "HTTP/1.1 200", 0 },
    { "HTTP/1.1 200\n", 200 },
    { "HTTP/1.0 204 No Content\r\n", 204 },
    { "HTTP/1.1 599 x\r\n", 599 },
    { "HTTP/1.1 100 Continue\r\n", 0 },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 x\r\n", 503 },
    { "HTTP/1.1 2000 x\r\n", -EPROTO },
    { "HTTP/1.1 20 x\r\n", -EPROTO },
    { "HTTP/1.1 600 x\r\n", -EPROTO },
    { "HTTP/2.0 200 x\r\n", -EPROTO },
    { "HTTP/1.1  200 x\r\n", -EPROTO },
    { "\r\n", -EPROTO },
};
/* clang-format on */

static void a_status_is_read_or_waited_for(void **state)
{
    char endless[PROBE_ANSWER_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        assert_int_equal(probe_http_status(statuses[i].text, strlen(statuses[i].text)),
                         statuses[i].want);
    memset(endless, 'x', sizeof endless);
    assert_int_equal(probe_http_status(endless, sizeof endless - 1), 0);
    assert_int_equal(probe_http_status(endless, sizeof endless), -EPROTO);
}

/* --- commands */

static int run(const char *script, int ms, struct answer *answer)
{
    *answer = (struct answer){ .script = script };
    return ask((struct probe_ask){ .kind = READY_EXEC }, answer, ms);
}

static void a_command_says_it_by_its_exit_code(void **state)
{
    struct answer answer;

    (void)state;
    assert_int_equal(run("exit 0", DEADLINE_MS, &answer), 1);
    assert_int_equal(run("exit 1", DEADLINE_MS, &answer), 0);
    assert_int_equal(run("kill -9 $$", DEADLINE_MS, &answer), 0);
}

static void a_command_that_hangs_is_killed_and_reaped(void **state)
{
    struct answer answer;

    assert_int_equal(run("trap '' TERM; sleep 999", 50, &answer), -ETIMEDOUT);
    assert_int_equal(close_loop(state), 0);
    assert_int_equal(waitpid(answer.pid, NULL, WNOHANG), -1);
    assert_int_equal(open_loop(state), 0);
}

static void what_is_told_is_not_asked(void **state)
{
    static const enum ready_kind told[] = { READY_AT_ONCE, READY_NOTIFY, READY_FD, READY_LOG,
                                            READY_MESSAGE };

    (void)state;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        assert_int_equal(probe_every(told[i]), 0);
        assert_int_equal(ask((struct probe_ask){ .kind = told[i] }, &(struct answer){ 0 }, 1),
                         -EINVAL);
    }
    for (int kind = 0; kind <= READY_MESSAGE; kind++)
        assert_true(!probe_every(kind) || (probe_every(kind) >= 100 && probe_every(kind) <= 250));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)
#define PLACED(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_that_accepts_is_ready),
        TEST(every_other_try_is_for_the_other_localhost),
        TEST(a_bound_port_that_does_not_listen_is_not_ready),
        PLACED(a_socket_that_accepts_is_ready),
        PLACED(a_socket_that_nobody_accepts_on_is_not_ready),
        PLACED(a_path_may_be_longer_than_an_address),
        TEST(only_2xx_is_ready),
        TEST(nobody_there_is_not_ready),
        cmocka_unit_test(a_url_is_taken_apart_or_refused),
        cmocka_unit_test(a_status_is_read_or_waited_for),
        TEST(a_command_says_it_by_its_exit_code),
        TEST(a_command_that_hangs_is_killed_and_reaped),
        TEST(what_is_told_is_not_asked),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, rude_start, rude_stop);
}
