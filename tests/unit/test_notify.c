/* sd_notify from both sides: what a message says, and who may say it. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
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

struct place {
    char folder[64];
    char address[NOTIFY_ADDRESS_MAX];
    int fd;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    (void)snprintf(p->folder, sizeof p->folder, "/tmp/test_notify.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    p->fd = notify_socket_open(p->folder, "w-0.notify", p->address, NULL);
    assert_true(p->fd >= 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", p->address, 1), 0);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    (void)close(p->fd);
    (void)unlink(p->address);
    (void)rmdir(p->folder);
    free(p);
    return 0;
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
        r = notify_socket_read(p->fd, to_child ? pid : 1, bytes, ret);
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
        r = notify_socket_read(p->fd, pid, bytes, &got);
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
    assert_int_equal(notify_socket_read(p->fd, other, bytes, &got), 0);
    assert_int_equal(notify_send("READY=1"), 1);
    assert_int_equal(notify_socket_read(p->fd, 0, bytes, &got), 0);
    assert_false(got.ready);
    assert_int_equal(notify_socket_read(p->fd, other, bytes, &got), -EAGAIN);
    (void)kill(other, SIGKILL);
    (void)waitpid(other, NULL, 0);
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
                              .msg_namelen = sizeof address,
                              .msg_iov = &text,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control.bytes };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    OWN(close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    int before;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", p->address);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * 3);
    memcpy(CMSG_DATA(c), (int[]){ 0, 1, 2 }, sizeof(int) * 3);
    before = count_descriptors();
    assert_int_equal(sendmsg(fd, &message, 0), 7);
    assert_int_equal(notify_socket_read(p->fd, getpid(), bytes, &got), 1);
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
    assert_int_equal(notify_socket_read(p->fd, getpid(), bytes, &got), 1);
    assert_int_equal(strlen(got.status), NOTIFY_BYTES_MAX - 7);
}

static void only_its_owner_may_send(void **state)
{
    struct place *p = *state;
    struct stat st;

    assert_int_equal(stat(p->address, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_folder_too_long_for_an_address_makes_an_abstract_one(void **state)
{
    char folder[200], address[NOTIFY_ADDRESS_MAX], bytes[NOTIFY_BYTES_MAX + 1];
    struct notify_message got;
    OWN(close) int fd = -1;

    (void)state;
    memset(folder, 'x', sizeof folder - 1);
    folder[0] = '/';
    folder[sizeof folder - 1] = '\0';
    fd = notify_socket_open(folder, "w-0.notify", address, NULL);
    assert_true(fd >= 0);
    assert_int_equal(address[0], '@');
    assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
    assert_int_equal(notify_send("READY=1"), 1);
    assert_int_equal(notify_socket_read(fd, getpid(), bytes, &got), 1);
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
        cmocka_unit_test_setup_teardown(the_main_process_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_descendants_are_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_else_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_that_come_along_are_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_is_too_long_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_its_owner_may_send, set_up, tear_down),
        cmocka_unit_test(a_folder_too_long_for_an_address_makes_an_abstract_one),
        cmocka_unit_test(nobody_listens_and_nothing_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
