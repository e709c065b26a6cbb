/* The home: which one is meant, one lock, one socket, whatever the length of the path. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "home.h"
#include "own.h"

static char root[64]; /* of one test; the current folder */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/test_home.XXXXXX");
    if (!mkdtemp(root) || chdir(root) < 0)
        return -1;
    (void)unsetenv("OPS_HOME");
    return setenv("HOME", "/nonexistent/me", 1);
}

static int tear_down(void **state)
{
    (void)state;
    if (chdir("/") < 0)
        return -1;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void touch(const char *path)
{
    assert_int_equal(file_replace(path, "[]", 2, 0600), 0);
}

/* Paths in want that begin without a slash are below root; NULL: none. */
static void assert_path(const char *path, const char *want)
{
    char full[256];

    if (!want) {
        assert_null(path);
        return;
    }
    (void)snprintf(full, sizeof full, want[0] == '/' ? "%.0s%s" : "%s/%s", root, want);
    assert_string_equal(path, full);
}

static void assert_found(const char *home, const char *manifest, const char *want_home,
                         const char *want_manifest)
{
    struct home found;
    struct err err;

    assert_int_equal(home_find(home, manifest, &found, &err), 0);
    assert_path(found.path, want_home);
    assert_path(found.manifest, want_manifest);
    assert_int_equal(found.fd, -1);
    home_done(&found);
}

static void finds_the_home_that_is_meant(void **state)
{
    (void)state;
    assert_found(NULL, NULL, "/nonexistent/me/.ops", NULL);
    assert_found("/a//b/./c/", NULL, "/a/b/c", NULL);
    assert_found("/", NULL, "/", NULL);
    assert_found("x/.", NULL, "x", NULL);

    assert_int_equal(file_make_dirs("a/b/c", 0700), 0);
    touch("a/ecosystem.json");
    assert_int_equal(chdir("a/b/c"), 0);
    assert_found(NULL, NULL, "a/.ops", "a/ecosystem.json");
    assert_found("h", NULL, "a/b/c/h", "a/ecosystem.json");
    touch("ecosystem.json");
    assert_found(NULL, NULL, "a/b/c/.ops", "a/b/c/ecosystem.json");
    touch("other.json");
    assert_found(NULL, "./other.json", "a/b/c/.ops", "a/b/c/other.json");

    assert_int_equal(setenv("OPS_HOME", "/o", 1), 0);
    assert_found(NULL, NULL, "/o", "a/b/c/ecosystem.json");
    assert_found("/h", NULL, "/h", "a/b/c/ecosystem.json");
    assert_int_equal(setenv("OPS_HOME", "", 1), 0);
    assert_found(NULL, NULL, "a/b/c/.ops", "a/b/c/ecosystem.json");
}

/* Standing in one project with the home of another must not mix the two. */
static void a_home_belongs_to_the_manifest_beside_it(void **state)
{
    char home[128];

    (void)state;
    assert_int_equal(file_make_dirs("a", 0700), 0);
    assert_int_equal(file_make_dirs("b", 0700), 0);
    touch("a/ecosystem.json");
    touch("b/ecosystem.json");
    assert_int_equal(chdir("a"), 0);
    (void)snprintf(home, sizeof home, "%s/b/.ops", root);
    assert_found(home, NULL, "b/.ops", "b/ecosystem.json");
    (void)snprintf(home, sizeof home, "%s/b/elsewhere", root);
    assert_found(home, NULL, "b/elsewhere", "a/ecosystem.json");
}

static void a_manifest_that_is_named_must_be_there(void **state)
{
    struct home untouched = { .path = root, .fd = 42 };
    struct err err;

    (void)state;
    assert_int_equal(home_find(NULL, "gone.json", &untouched, &err), -ENOENT);
    assert_non_null(strstr(err.text, "gone.json"));
    assert_ptr_equal(untouched.path, root);
    assert_int_equal(untouched.fd, 42);
}

static void open_at(const char *path, bool create, struct home *ret)
{
    struct err err;

    assert_int_equal(home_find(path, NULL, ret, &err), 0);
    assert_int_equal(home_open(ret, create, &err), 0);
}

static void only_one_can_hold_the_lock(void **state)
{
    struct home one, other;
    struct err err;
    struct stat st;

    (void)state;
    assert_int_equal(home_find("h", NULL, &one, &err), 0);
    assert_int_equal(home_open(&one, false, &err), -ENOENT);
    home_done(&one);

    open_at("x/h", true, &one);
    assert_int_equal(fstat(one.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(fcntl(one.fd, F_GETFD) & FD_CLOEXEC);
    open_at("x/h", true, &other);
    assert_int_equal(home_lock(&one), 0);
    assert_int_equal(home_lock(&other), -EWOULDBLOCK);
    home_done(&one);
    assert_int_equal(home_lock(&other), 0);
    home_done(&other);
}

static void assert_talks(const struct home *home, int listener)
{
    OWN(close) int client = home_connect(home);
    OWN(close) int server = -1;
    char byte = 0;

    assert_true(client >= 0);
    server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(write(server, "x", 1), 1);
    assert_int_equal(read(client, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
}

static void listens_and_replaces_a_dead_socket(void **state)
{
    struct home home, client;
    struct stat st;
    int listener;

    (void)state;
    open_at("h", true, &home);
    open_at("h", false, &client);
    assert_int_equal(home_connect(&client), -ENOENT);
    listener = home_listen(&home);
    assert_true(listener >= 0);
    assert_talks(&client, listener);
    assert_int_equal(stat("h/opsd.sock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(access("h/opsd.sock.new", F_OK), -1);

    (void)close(listener);
    assert_int_equal(home_connect(&client), -ECONNREFUSED);
    touch("h/opsd.sock.new"); /* left by a supervisor that died in between */
    listener = home_listen(&home);
    assert_true(listener >= 0);
    assert_talks(&client, listener);
    (void)close(listener);
    home_done(&home);
    home_done(&client);
}

static void a_path_may_be_of_any_length(void **state)
{
    char path[600] = "";
    struct home home;
    int listener;

    (void)state;
    for (int i = 0; i < 5; i++)
        (void)snprintf(path + strlen(path), sizeof path - strlen(path), "%0100d/", i);
    open_at(path, true, &home);
    listener = home_listen(&home);
    assert_true(listener >= 0);
    assert_talks(&home, listener);
    (void)close(listener);
    home_done(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_the_home_that_is_meant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_home_belongs_to_the_manifest_beside_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_manifest_that_is_named_must_be_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_one_can_hold_the_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listens_and_replaces_a_dead_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_may_be_of_any_length, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("home", tests, NULL, NULL);
}
