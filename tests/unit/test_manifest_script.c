/* `start SCRIPT` as a manifest: what is written is read back as what was meant. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "manifest_script.h"
#include "manifest_text.h"

static struct manifest started(const struct script_start *start)
{
    struct manifest manifest;
    struct buf text;
    struct err why;

    buf_init(&text, MANIFEST_BYTES_MAX);
    if (manifest_of_script(start, &text, &why) < 0)
        fail_msg("refused: %s", why.text);
    manifest = parsed(text.p, NULL);
    buf_done(&text);
    return manifest;
}

/* clang-format off */
static const struct {
    struct script_start start;
    const char *name, *script, *interpreter;
} cases[] = {
    { { .script = "app.py", .cwd = "/srv/a" }, "app", "/srv/a/app.py", "python3" },
    { { .script = "./run", .cwd = "/srv/a" }, "run", "/srv/a/./run", NULL },
    { { .script = "/opt/x/run", .cwd = "/srv/a" }, "run", "/opt/x/run", NULL },
    { { .script = "sleep", .cwd = "/srv/a" }, "sleep", "sleep", NULL },
    { { .script = "sleep", .cwd = "/srv/a", .name = "nap" }, "nap", "sleep", NULL },
    { { .script = "app", .cwd = "/", .interpreter = "./lua" }, "app", "//app", "//./lua" },
    { { .script = "app.js", .cwd = "/a b", .interpreter = "none" }, "app", "/a b/app.js", NULL },
    { { .script = "\"odd\".sh", .cwd = "/a", .name = "odd" }, "odd", "/a/\"odd\".sh", "bash" },
};
/* clang-format on */

static void finds_what_is_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = started(&cases[i].start);
        const struct app *app = &manifest.apps[0];

        assert_int_equal(manifest.count, 1);
        assert_string_equal(app->name, cases[i].name);
        assert_string_equal(app->script, cases[i].script);
        assert_string_equal(app->interpreter ?: "none", cases[i].interpreter ?: "none");
        assert_string_equal(app->cwd, cases[i].start.cwd);
        assert_null(app->args[0]);
        assert_null(app->env[0]);
        manifest_free(&manifest);
    }
}

static void keeps_arguments_and_variables_as_they_are(void **state)
{
    static const char *const args[] = { "", "a b", "--x='1'", "\xc3\xa9\n", "2", NULL };
    static const char *const env[] = {
        "A=1", "B=x=y", "=C:=odd", "A=2", "E=\xff", "F=", "G", NULL
    };
    static const char *const wants[] = { "A=1", "B=x=y", "F=" };
    struct manifest manifest = started(
        &(struct script_start){ .script = "run", .cwd = "/", .args = args, .env = env });
    const struct app *app = &manifest.apps[0];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(app->args[i], args[i]);
    assert_null(app->args[5]);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(app->env[i], wants[i]);
    assert_null(app->env[3]);
    manifest_free(&manifest);
}

static void refuses_what_json_cannot_hold(void **state)
{
    static const char *const args[] = { "\xff", NULL };
    struct script_start start = { .script = "run", .cwd = "/", .args = args };
    struct buf text;
    struct err why;

    (void)state;
    buf_init(&text, MANIFEST_BYTES_MAX);
    assert_int_equal(manifest_of_script(&start, &text, &why), -EINVAL);
    assert_string_equal(why.text, "an argument is not UTF-8: put it into a script");
    start = (struct script_start){ .script = "run", .cwd = "/\xff" };
    assert_int_equal(manifest_of_script(&start, &text, &why), -EINVAL);
    assert_int_equal(text.len, 0);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_meant),
        cmocka_unit_test(keeps_arguments_and_variables_as_they_are),
        cmocka_unit_test(refuses_what_json_cannot_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
