/* The unit of systemd: quoting, names, and whose a unit is. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "startup.h"

static const struct startup plain = { .opsd = "/usr/bin/opsd",
                                      .home = "/srv/shop/.ops",
                                      .manifest = "/srv/shop/ecosystem.json",
                                      .folder = "/srv/shop",
                                      .user = "shop",
                                      .path = "/usr/bin:/bin" };

static void print(const struct startup *startup, struct buf *b)
{
    buf_init(b, 64 << 10);
    assert_int_equal(startup_unit(startup, b, NULL), 0);
}

static void the_machines_and_a_users(void **state)
{
    struct startup startup = plain;
    struct buf b;

    (void)state;
    print(&startup, &b);
    assert_non_null(strstr(b.p, "\nUser=shop\n"));
    assert_non_null(strstr(b.p, "\nWantedBy=multi-user.target\n"));
    assert_non_null(strstr(b.p, "\nExecStart=\"/usr/bin/opsd\" --foreground --home "
                                "\"/srv/shop/.ops\" --manifest \"/srv/shop/ecosystem.json\"\n"));
    buf_done(&b);
    startup.user = startup.path = NULL;
    print(&startup, &b);
    assert_null(strstr(b.p, "User="));
    assert_null(strstr(b.p, "Environment="));
    assert_non_null(strstr(b.p, "\nWantedBy=default.target\n"));
    buf_done(&b);
}

static void paths_mean_themselves(void **state)
{
    static const struct {
        const char *path, *word, *setting;
    } rows[] = {
        { "/a b", "\"/a b\"", "/a b" },        { "/a%b", "\"/a%%b\"", "/a%%b" },
        { "/$HOME", "\"/$$HOME\"", "/$HOME" }, { "/a\"b", "\"/a\\\"b\"", "/a\"b" },
        { "/a\\b", "\"/a\\\\b\"", "/a\\b" },
    };
    struct startup startup = plain;
    char line[128];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        startup.home = startup.folder = startup.path = rows[i].path;
        print(&startup, &b);
        (void)snprintf(line, sizeof line, " --home %s --manifest", rows[i].word);
        assert_non_null(strstr(b.p, line));
        (void)snprintf(line, sizeof line, "\nWorkingDirectory=%s\n", rows[i].setting);
        assert_non_null(strstr(b.p, line));
        buf_done(&b);
    }
    /* Environment= knows no variables. */
    startup.path = "/$HOME";
    print(&startup, &b);
    assert_non_null(strstr(b.p, "\nEnvironment=\"PATH=/$HOME\"\n"));
    buf_done(&b);
}

static void control_characters_are_refused(void **state)
{
    struct startup startup;
    const char **const members[] = { &startup.opsd, &startup.home, &startup.manifest,
                                     &startup.folder, &startup.path };
    struct err err;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        startup = plain;
        *members[i] = "/a\nExecStartPre=/bin/false";
        buf_init(&b, 64 << 10);
        assert_int_equal(startup_unit(&startup, &b, &err), -EINVAL);
        assert_non_null(strstr(err.text, "control character"));
        assert_int_equal(b.len, 0);
        buf_done(&b);
    }
}

static void names(void **state)
{
    static const struct {
        const char *folder, *name;
    } rows[] = { { "/srv/shop", "ops-shop" },
                 { "/", "ops-" },
                 { "/a b", "ops-a-b" },
                 { "/x/\xd1\x82", "ops---" } };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_init(&b, 100);
        assert_int_equal(startup_name(rows[i].folder, &b), 0);
        assert_string_equal(b.p, rows[i].name);
        assert_true(startup_is_name(b.p));
        buf_done(&b);
    }
    assert_false(startup_is_name(""));
    assert_false(startup_is_name(".x"));
    assert_false(startup_is_name("a/b"));
    assert_false(startup_is_name("a b"));
    assert_false(startup_is_name("a@b"));
}

static void whose_a_unit_is(void **state)
{
    struct buf b;

    (void)state;
    print(&plain, &b);
    assert_true(startup_is_of(b.p, plain.home));
    assert_false(startup_is_of(b.p, "/srv/shop"));
    assert_false(startup_is_of(b.p, "/srv/shop/.ops2"));
    assert_false(startup_is_of("[Service]\n", plain.home));
    buf_done(&b);
}

static void room_that_ends_is_an_error(void **state)
{
    struct buf b;
    size_t length;

    (void)state;
    print(&plain, &b);
    length = b.len;
    buf_done(&b);
    for (size_t max = 0; max < length; max++) {
        buf_init(&b, max);
        assert_int_equal(startup_unit(&plain, &b, NULL), -EMSGSIZE);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machines_and_a_users),
        cmocka_unit_test(paths_mean_themselves),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(names),
        cmocka_unit_test(whose_a_unit_is),
        cmocka_unit_test(room_that_ends_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
