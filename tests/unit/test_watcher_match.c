/* Which changed files are a reason to restart an app. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "watcher_match.h"
#include "watcher_own.h"

#define PATTERNS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void leaves_out_what_patterns_say(void **state)
{
    static const struct {
        const char *relative;
        const char *pattern;
        bool out;
    } rows[] = {
        { "a.js", NULL, false },
        { "", NULL, false },
        { "src/a.js", NULL, false },
        { ".git", NULL, true },
        { ".git/HEAD", NULL, true },
        { "src/.a.js.swp", NULL, true },
        { "src/a.js~", NULL, true },
        { "src/#a.js#", NULL, true },
        { "src/4913", NULL, true },
        { "src/49130", NULL, false },
        { "node_modules/x/y.js", NULL, true },
        { "src/node_modules", NULL, true },
        { "node_modules.js", NULL, false },
        { "src/__pycache__/a.pyc", NULL, true },
        { "a.log", "*.log", true },
        { "x/a.log", "*.log", true },
        { "x/a.log.js", "*.log", false },
        { "logs", "logs", true },
        { "logs/x/y", "logs", true },
        { "x/logs/y", "logs", true },
        { "logs/x", "./logs/", true },
        { "client/img/a.png", "client/img", true },
        { "x/client/img/a.png", "client/img", false },
        { "client/imgs", "client/img", false },
        { "x/client/img/a.png", "**/client/img", true },
        { "client/img/a.png", "**/client/img", true },
        { "logs/a/b", "logs/**", true },
        { "a.tmp", "**/*.tmp", true },
        { "x/y/a.tmp", "**/*.tmp", true },
        { "x.git", "\\.git", false },
        { "data/a", "/srv/app/data", true },
        { "data/a", "/srv/app/data/*", true },
        { "data/a", "/srv/data", false },
        { "a[", "[", false },
        { "a", "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool out = watch_leaves_out("/srv/app", rows[i].relative, PATTERNS(rows[i].pattern));

        if (out != rows[i].out)
            fail_msg("%s by %s: %d", rows[i].relative, rows[i].pattern ? rows[i].pattern : "none",
                     out);
    }
}

static void looks_at_all_patterns(void **state)
{
    (void)state;
    assert_true(watch_leaves_out("/a", "x.b", PATTERNS("*.a", "*.b")));
    assert_false(watch_leaves_out("/a", "x.c", PATTERNS("*.a", "*.b")));
}

static void knows_its_own_files(void **state)
{
    struct own_files own = { 0 }, other = { 0 };

    (void)state;
    assert_int_equal(own_files_add_folder(&own, "/srv/logs/"), 0);
    assert_int_equal(own_files_add(&own, "/srv/app.log"), 0);
    assert_int_equal(own_files_add(&own, NULL), 0);
    assert_true(own_files_hold(&own, "/srv/logs"));
    assert_true(own_files_hold(&own, "/srv/logs/a"));
    assert_false(own_files_hold(&own, "/srv/logs.js"));
    assert_true(own_files_hold(&own, "/srv/app.log"));
    assert_true(own_files_hold(&own, "/srv/app.log.1"));
    assert_false(own_files_hold(&own, "/srv/app.logger"));
    assert_false(own_files_same(&own, &other));
    assert_int_equal(own_files_add_folder(&other, "/srv/logs"), 0);
    assert_int_equal(own_files_add(&other, "/srv/app.log"), 0);
    assert_true(own_files_same(&own, &other));
    own_files_done(&own);
    own_files_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_out_what_patterns_say),
        cmocka_unit_test(looks_at_all_patterns),
        cmocka_unit_test(knows_its_own_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
