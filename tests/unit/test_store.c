/* Descriptors with names: kept in order, replaced, taken back, and handed through a real exec. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "own.h"
#include "store.h"

static int new_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd > 2);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool is_inherited(int fd)
{
    return fcntl(fd, F_GETFD) == 0;
}

static void keeps_names_apart(void **state)
{
    struct store store = { 0 };
    char name[32];
    int fds[100], fd;

    (void)state;
    for (int i = 0; i < 100; i++) {
        fds[i] = new_fd();
        (void)snprintf(name, sizeof name, "worker %d out", i * 37 % 100);
        assert_int_equal(store_add(&store, name, fds[i]), 0);
    }
    for (size_t i = 1; i < store.count; i++)
        assert_true(strcmp(store.items[i - 1].name, store.items[i].name) < 0);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "worker %d out", i * 37 % 100);
        assert_int_equal(store_find(&store, name), fds[i]);
    }
    assert_int_equal(store_find(&store, "worker 1"), -ENOENT);
    assert_int_equal(store_take(&store, "worker 1"), -ENOENT);

    fd = store_take(&store, "worker 0 out");
    assert_int_equal(fd, fds[0]);
    assert_true(is_open(fd));
    (void)close(fd);
    assert_int_equal(store_take(&store, "worker 0 out"), -ENOENT);

    store_drop(&store, "worker 37 out");
    store_drop(&store, "worker 37 out");
    assert_false(is_open(fds[1]));
    assert_int_equal(store.count, 98);
    store_done(&store);
    for (int i = 0; i < 100; i++)
        assert_false(is_open(fds[i]));
}

static void a_name_that_is_there_is_replaced(void **state)
{
    struct store store = { 0 };
    int one = new_fd(), two = new_fd();

    (void)state;
    assert_int_equal(store_add(&store, "x", one), 0);
    assert_int_equal(store_add(&store, "x", two), 0);
    assert_false(is_open(one));
    assert_int_equal(store.count, 1);

    one = new_fd();
    assert_int_equal(store_put(&store, "x", one), 0);
    assert_int_equal(store_find(&store, "x"), one);
    assert_true(is_open(two));
    (void)close(two);
    store_forget(&store);
    assert_true(is_open(one));
    (void)close(one);
}

static void refuses_names_that_would_break_the_list(void **state)
{
    struct store store = { 0 };
    char longest[STORE_NAME_MAX + 2];
    int fd;

    (void)state;
    memset(longest, 'n', sizeof longest);
    longest[STORE_NAME_MAX + 1] = '\0';
    const char *const bad[] = { "", "a\nb", longest };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fd = new_fd();
        assert_int_equal(store_add(&store, bad[i], fd), -EINVAL);
        assert_false(is_open(fd));
    }
    longest[STORE_NAME_MAX] = '\0';
    assert_int_equal(store_add(&store, longest, new_fd()), 0);
    store_done(&store);
}

/* Only what is in the store may reach the other program, under the same numbers. */
static void goes_through_an_exec(void **state)
{
    struct store store = { 0 }, back = { 0 };
    int out[2], list, status, other = new_fd(), closed = new_fd();
    char want[128], said[128];
    ssize_t n;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(store_add(&store, "one worker", new_fd()), 0);
    assert_int_equal(store_add(&store, "two", new_fd()), 0);
    assert_int_equal(store_add(&store, "gone", closed), 0);
    (void)close(closed);
    pid = fork();
    if (pid == 0) {
        char script[128];

        if (store_save(&store, &list) < 0 || !is_inherited(store.items[1].fd) ||
            !is_inherited(list))
            _exit(1);
        (void)snprintf(
            script, sizeof script,
            "cat /proc/self/fd/%d && [ -e /proc/self/fd/%d ] && ! [ -e /proc/self/fd/%d ]", list,
            store_find(&store, "two"), other);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execl("/bin/sh", "sh", "-c", script, NULL);
        _exit(1);
    }
    (void)close(out[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    n = read(out[0], said, sizeof said - 1);
    assert_true(n > 0);
    said[n] = '\0';
    (void)snprintf(want, sizeof want, "%d one worker\n%d two\n", store_find(&store, "one worker"),
                   store_find(&store, "two"));
    assert_string_equal(said, want);
    (void)close(out[0]);
    /* What the child promised is not the parent's. */
    assert_false(is_inherited(store_find(&store, "two")));

    assert_int_equal(store_save(&store, &list), 0);
    assert_true(is_inherited(store_find(&store, "two")));
    store_unsave(&store, list);
    assert_false(is_inherited(store_find(&store, "two")));
    assert_false(is_open(list));

    assert_int_equal(store_save(&store, &list), 0);
    assert_int_equal(store_load(list, &back), 0);
    assert_false(is_open(list));
    assert_int_equal(back.count, 2);
    assert_int_equal(store_find(&back, "two"), store_find(&store, "two"));
    assert_false(is_inherited(store_find(&back, "two")));
    store_forget(&store);
    store_done(&back);
    (void)close(other);
}

static void low_numbers_are_made_free(void **state)
{
    struct store store = { 0 };
    int low = new_fd(), high = fcntl(low, F_DUPFD_CLOEXEC, 100);

    (void)state;
    assert_true(low < 50 && high >= 100);
    assert_int_equal(store_add(&store, "a", low), 0);
    assert_int_equal(store_add(&store, "b", high), 0);
    assert_int_equal(store_raise(&store, 50), 0);
    assert_false(is_open(low));
    assert_true(store_find(&store, "a") >= 50);
    assert_true(is_open(store_find(&store, "a")));
    assert_false(is_inherited(store_find(&store, "a")));
    assert_int_equal(store_find(&store, "b"), high);
    assert_true(is_open(high));
    store_done(&store);
}

static void an_empty_store_goes_through_too(void **state)
{
    struct store store = { 0 };
    int list;

    (void)state;
    assert_int_equal(store_save(&store, &list), 0);
    assert_int_equal(store_load(list, &store), 0);
    assert_int_equal(store.count, 0);
    store_done(&store);
}

static void tells_a_broken_list(void **state)
{
    static const char *const lists[] = { "x",  "1\n", "a b\n", "-1 b\n", "99999999999 b\n",
                                         "\n", "1 b" };
    struct store store = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        int fd = memfd_create("list", MFD_CLOEXEC);

        assert_int_equal(write(fd, lists[i], strlen(lists[i])), (ssize_t)strlen(lists[i]));
        assert_int_equal(store_load(fd, &store), -EBADMSG);
        assert_false(is_open(fd));
        assert_int_equal(store.count, 0);
    }
    assert_int_equal(store_load(-1, &store), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_names_apart),
        cmocka_unit_test(a_name_that_is_there_is_replaced),
        cmocka_unit_test(refuses_names_that_would_break_the_list),
        cmocka_unit_test(goes_through_an_exec),
        cmocka_unit_test(low_numbers_are_made_free),
        cmocka_unit_test(an_empty_store_goes_through_too),
        cmocka_unit_test(tells_a_broken_list),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
