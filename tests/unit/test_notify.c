/* sd_notify from both sides: what a message says, and who may say it. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify.h"
#include "notify_socket.h"
#include "own.h"

/* clang-format off */
static const struct { const char *text; bool ready; const char *status, *stats; } messages[] = {
    { "", false, NULL, NULL },
    { "READY=1", true, NULL, NULL },
    { "READY=1\n", true, NULL, NULL },
    { "READY=0", false, NULL, NULL },
    { "READY=12", false, NULL, NULL },
    { "XREADY=1", false, NULL, NULL },
    { "READY=1\nSTATUS=working", true, "working", NULL },
    { "STATUS=", false, "", NULL },
    { "STATUS=a=b\nX_STATS={\"n\":1}\nREADY=1", true, "a=b", "{\"n\":1}" },
    { "STATUS=one\nSTATUS=two", false, "two", NULL },
    { "WATCHDOG=1\nMAINPID=1\nunknown\n\n=\nSTATUS=x", false, "x", NULL },
};
/* clang-format on */

static void assert_same_text(const char *got, const char *want)
{
    if (!want)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void assignments_are_read_line_by_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        char text[200];
        struct notify_message got;

        (void)snprintf(text, sizeof text, "%s", messages[i].text);
        notify_parse(text, &got);
        assert_int_equal(got.ready, messages[i].ready);
        assert_same_text(got.status, messages[i].status);
        assert_same_text(got.stats, messages[i].stats);
    }
}

static void each_word_is_told_apart(void **state)
{
    char text[] = "RELOADING=1\nMONOTONIC_USEC=5\nWATCHDOG=1\nERRNO=2\nFDSTORE=1\nFDNAME=x";
    char more[] = "STOPPING=1\nWATCHDOG=trigger\nWATCHDOG=2\nREADY=1x";
    struct notify_message got;

    (void)state;
    notify_parse(text, &got);
    assert_true(got.reloading && got.watchdog);
    assert_false(got.ready || got.stopping || got.trigger || got.status || got.stats);
    notify_parse(more, &got);
    assert_true(got.stopping && got.trigger);
    assert_false(got.ready || got.reloading || got.watchdog);
}

/* clang-format off */
static const struct { const char *text; int64_t ms; } extensions[] = {
    { "EXTEND_TIMEOUT_USEC=5000000", 5000 },
    { "EXTEND_TIMEOUT_USEC=1", 1 },
    { "EXTEND_TIMEOUT_USEC=1001", 2 },
    { "EXTEND_TIMEOUT_USEC=9223372036854775807", 9223372036854776 },
    { "EXTEND_TIMEOUT_USEC=9223372036854775808", 0 },
    { "EXTEND_TIMEOUT_USEC=-1", 0 },
    { "EXTEND_TIMEOUT_USEC=0", 0 },
    { "EXTEND_TIMEOUT_USEC=", 0 },
    { "EXTEND_TIMEOUT_USEC=1s", 0 },
    { "EXTEND_TIMEOUT=5", 0 },
};
/* clang-format on */

static void more_time_is_asked_for_in_microseconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        char text[64];
        struct notify_message got;

        (void)snprintf(text, sizeof text, "%s", extensions[i].text);
        notify_parse(text, &got);
        assert_int_equal(got.extend_ms, extensions[i].ms);
    }
}

struct place {
    char address[NOTIFY_ADDRESS_MAX];
    int fd;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    p->fd = notify_socket_open(p->address, NULL);
    assert_true(p->fd >= 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", p->address, 1), 0);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    (void)close(p->fd);
    free(p);
    return 0;
}

/* Looks at the first message, twice as whoever comes after a crash does, and takes it away. */
static int read_one(int fd, pid_t main_pid, char *text, struct notify_message *ret)
{
    int first = notify_socket_peek(fd, main_pid, text, ret);

    if (first < 0)
        return first;
    assert_int_equal(notify_socket_peek(fd, main_pid, text, ret), first);
    notify_socket_drop(fd);
    return first;
}

/* Sends from a child, and waits for its end only after the message was read: whose it is is found
 * through /proc. Returns what the socket said for a main process. */
static int send_from_child(struct place *p, const char *text, bool to_child,
                           struct notify_message *ret, char *bytes)
{
    pid_t pid = fork();
    int r;

    if (pid == 0)
        _exit(notify_send(text) == 1 ? 0 : 1);
    do
        r = read_one(p->fd, to_child ? pid : 1, bytes, ret);
    while (r == -EAGAIN);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return r;
}

static void the_main_process_is_heard(void **state)
{
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;

    assert_int_equal(send_from_child(*state, "READY=1\nSTATUS=up", true, &got, bytes), 1);
    assert_true(got.ready);
    assert_string_equal(got.status, "up");
}

static void its_descendants_are_heard(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    int r, hold[2];
    pid_t pid;

    assert_int_equal(pipe(hold), 0);
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            (void)notify_send("READY=1");
            (void)!read(hold[0], bytes, 1);
            _exit(0);
        }
        (void)wait(NULL);
        _exit(0);
    }
    do
        r = read_one(p->fd, pid, bytes, &got);
    while (r == -EAGAIN);
    (void)!write(hold[1], "x", 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(r, 1);
    (void)close(hold[0]);
    (void)close(hold[1]);
}

static void nobody_else_is(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got = { 0 };
    pid_t other = fork();

    if (other == 0) {
        (void)pause();
        _exit(0);
    }
    /* We are the parent of that one, not a child of it. */
    assert_int_equal(notify_send("READY=1"), 1);
    assert_int_equal(read_one(p->fd, other, bytes, &got), 0);
    assert_int_equal(notify_send("READY=1"), 1);
    assert_int_equal(read_one(p->fd, 0, bytes, &got), 0);
    assert_false(got.ready);
    assert_int_equal(read_one(p->fd, other, bytes, &got), -EAGAIN);
    (void)kill(other, SIGKILL);
    (void)waitpid(other, NULL, 0);
}

/* It could have been anybody, and nobody is asked any more. */
static void one_that_was_reaped_is_not(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    pid_t pid = fork();

    if (pid == 0)
        _exit(notify_send("READY=1") == 1 ? 0 : 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read_one(p->fd, getpid(), bytes, &got), 0);
    assert_int_equal(got.sender, pid);
    assert_false(got.ready);
}

/* A zombie can still be looked up. */
static void one_that_has_ended_is_heard_until_it_is_reaped(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(notify_send("READY=1") == 1 ? 0 : 1);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(read_one(p->fd, getpid(), bytes, &got), 1);
    assert_true(got.ready);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* pid 1 is an ancestor of all, and a worker of nobody's. */
static void an_ancestor_is_not(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    pid_t pid = fork();

    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    for (int i = 0; i < 2; i++) {
        pid_t main_pid = i ? pid : getppid();
        int want = i ? 0 : 1;

        /* We descend from our parent, but not from our child. */
        assert_int_equal(notify_send("READY=1"), 1);
        assert_int_equal(read_one(p->fd, main_pid, bytes, &got), want);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static int count_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void descriptors_that_come_along_are_closed(void **state)
{
    struct place *p = *state;
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 3)];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char ready[] = "READY=1";
    struct iovec text = { ready, 7 };
    struct msghdr message = { .msg_name = &address,
                              .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                                         strlen(p->address)),
                              .msg_iov = &text,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control.bytes };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    OWN(close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    int before;

    /* "@name" is '\0' and the name. */
    memcpy(address.sun_path + 1, p->address + 1, strlen(p->address) - 1);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * 3);
    memcpy(CMSG_DATA(c), (int[]){ 0, 1, 2 }, sizeof(int) * 3);
    before = count_descriptors();
    assert_int_equal(sendmsg(fd, &message, 0), 7);
    assert_int_equal(read_one(p->fd, getpid(), bytes, &got), 1);
    assert_true(got.ready);
    assert_int_equal(count_descriptors(), before);
}

static void a_message_that_is_too_long_is_cut(void **state)
{
    struct place *p = *state;
    char bytes[NOTIFY_BYTES_MAX + 1], text[NOTIFY_BYTES_MAX * 2];
    struct notify_message got;

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "STATUS=", 7);
    text[sizeof text - 1] = '\0';
    assert_int_equal(notify_send(text), 1);
    assert_int_equal(read_one(p->fd, getpid(), bytes, &got), 1);
    assert_int_equal(strlen(got.status), NOTIFY_BYTES_MAX - 7);
}

static void an_address_that_is_known_is_taken_again(void **state)
{
    struct place *p = *state;
    char before[NOTIFY_ADDRESS_MAX], bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;

    (void)close(p->fd);
    memcpy(before, p->address, sizeof before);
    p->fd = notify_socket_open(p->address, NULL);
    assert_true(p->fd >= 0);
    assert_string_equal(p->address, before);
    assert_int_equal(notify_send("READY=1"), 1);
    assert_int_equal(read_one(p->fd, getpid(), bytes, &got), 1);
}

static void nobody_listens_and_nothing_is_sent(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(notify_send("READY=1"), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere/socket", 1), 0);
    assert_int_equal(notify_send("READY=1"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_are_read_line_by_line),
        cmocka_unit_test(each_word_is_told_apart),
        cmocka_unit_test(more_time_is_asked_for_in_microseconds),
        cmocka_unit_test_setup_teardown(the_main_process_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_reaped_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_has_ended_is_heard_until_it_is_reaped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_ancestor_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_descendants_are_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_else_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_that_come_along_are_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_is_too_long_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_that_is_known_is_taken_again, set_up, tear_down),
        cmocka_unit_test(nobody_listens_and_nothing_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
