/* .env files: what a line may look like, and what is said about one that may not. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "envfile.h"
#include "own.h"

/* clang-format off */
static const struct { const char *text, *want; } good[] = {
    { "", "" },
    { "A=1", "A=1;" },
    { "A=1\nB=2\n", "A=1;B=2;" },
    { "A=1\r\nB=2\r\n", "A=1;B=2;" },
    { "\n  \n# comment\n\t# another\nA=1", "A=1;" },
    { "export A=1\nexport   B=2", "A=1;B=2;" },
    { "exported=1", "exported=1;" },
    { "  A = 1  ", "A=1;" },
    { "A=", "A=;" },
    { "A= # nothing", "A=;" },
    { "A=1 # one", "A=1;" },
    { "A=1#one", "A=1#one;" },
    { "A=#one", "A=#one;" },
    { "A=a b  c", "A=a b  c;" },
    { "A=a=b=c", "A=a=b=c;" },
    { "A='1 # $x \\n' # one", "A=1 # $x \\n;" },
    { "A=\"1 # \\\"x\\\" \\$y \\\\ \\t\"", "A=1 # \"x\" $y \\ \t;" },
    { "A=\"a\\nb\"", "A=a\nb;" },
    { "A=\"\"\nB=''", "A=;B=;" },
    { "A=1\nA=2", "A=1;A=2;" },
    { "_a1=$HOME `id`", "_a1=$HOME `id`;" },
    { "A=\xd0\xbf", "A=\xd0\xbf;" },
};

static const struct { const char *text, *why; } bad[] = {
    { "A", "line 1: want NAME=value" },
    { "A=1\n\nB C=2", "line 3: want NAME=value" },
    { "1A=1", "line 1: want NAME=value" },
    { "=1", "line 1: want NAME=value" },
    { "A-B=1", "line 1: want NAME=value" },
    { "export", "line 1: want NAME=value" },
    { "A=\"1", "line 1: A: the closing quote is missing" },
    { "A='1\n'", "line 1: A: the closing quote is missing" },
    { "A=\"1\\\"", "line 1: A: the closing quote is missing" },
    { "A=\"1\"2", "line 1: A: text after the closing quote" },
};
/* clang-format on */

static int collect(void *context, const char *name, const char *value)
{
    return buf_printf(context, "%s=%s;", name, value);
}

static int stop(void *context, const char *name, const char *value)
{
    (void)name;
    (void)value;
    return ++*(int *)context == 2 ? -ECANCELED : 0;
}

static void lines_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OWN_BUF struct buf got = { 0 };
        struct err why = { "" };

        buf_init(&got, 1000);
        (void)buf_add_text(&got, "");
        if (envfile_parse(good[i].text, collect, &got, &why) != 0 ||
            strcmp(got.p, good[i].want) != 0)
            fail_msg("\"%s\": \"%s\" %s", good[i].text, got.p, why.text);
    }
}

static void a_bad_line_is_named_and_its_value_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OWN_BUF struct buf got = { 0 };
        struct err why = { "" };

        buf_init(&got, 1000);
        assert_int_equal(envfile_parse(bad[i].text, collect, &got, &why), -EINVAL);
        assert_string_equal(why.text, bad[i].why);
    }
}

static void the_reader_may_end_it(void **state)
{
    struct err why = { "" };
    int n = 0;

    (void)state;
    assert_int_equal(envfile_parse("A=1\nB=2\nC=3", stop, &n, &why), -ECANCELED);
    assert_int_equal(n, 2);
    assert_string_equal(why.text, "");
}

static void a_file_that_others_may_read_is_told_of(void **state)
{
    char path[] = "/tmp/test_envfile.XXXXXX";
    OWN(close) int fd = mkstemp(path);
    OWN_BUF struct buf got = { 0 };
    bool exposed = true;

    (void)state;
    buf_init(&got, 1000);
    assert_int_equal(write(fd, "A=1\n", 4), 4);
    assert_int_equal(envfile_read(path, collect, &got, &exposed, NULL), 0);
    assert_false(exposed);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(envfile_read(path, collect, &got, &exposed, NULL), 0);
    assert_true(exposed);
    assert_string_equal(got.p, "A=1;A=1;");
    (void)unlink(path);
}

static void a_missing_file_is_named(void **state)
{
    struct err why = { "" };

    (void)state;
    assert_int_equal(envfile_read("/nowhere/.env", collect, NULL, NULL, &why), -ENOENT);
    assert_string_equal(why.text, "/nowhere/.env: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(a_bad_line_is_named_and_its_value_is_not),
        cmocka_unit_test(the_reader_may_end_it),
        cmocka_unit_test(a_file_that_others_may_read_is_told_of),
        cmocka_unit_test(a_missing_file_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
