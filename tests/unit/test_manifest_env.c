/* `--env NAME`: which variables win, and what it makes of names. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "manifest.h"
#include "manifest_text.h"

static void assert_texts(texts got, const char *const *wants)
{
    for (; *wants; got++, wants++)
        assert_string_equal(*got ?: "(nothing)", *wants);
    assert_null(*got);
}

static const char layered[] =
    "{\"apps\": {\"script\": \"run\", \"env\": {\"A\": 1, \"AB\": 2, \"B\": 3},"
    " \"env_production\": {\"C\": 5, \"A\": 4, \"B\": null}, \"env_test\": {\"A\": 6}},"
    " \"deploy\": {\"production\": {\"env\": {\"D\": 7, \"AB\": 8}}}}";

static void lets_the_named_variables_win(void **state)
{
    static const struct {
        const char *name;
        const char *wants[6];
    } cases[] = {
        { NULL, { "A=1", "AB=2", "B=3" } },
        { "production", { "D=7", "AB=2", "B=3", "C=5", "A=4" } },
        { "test", { "AB=2", "B=3", "A=6" } },
        { "tes", { "A=1", "AB=2", "B=3" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed_with_env(layered, cases[i].name);
        texts env = manifest.apps[0].env;
        size_t n = 0;

        for (; cases[i].wants[n]; n++) {
            bool found = false;

            for (size_t k = 0; env[k]; k++)
                found |= strcmp(env[k], cases[i].wants[n]) == 0;
            if (!found)
                fail_msg("--env %s: no %s", cases[i].name, cases[i].wants[n]);
        }
        assert_null(env[n]);
        manifest_free(&manifest);
    }
}

static struct buf problems_of(const char *text, const char *env_name, int wants)
{
    struct manifest_source source = {
        .text = text, .n = strlen(text), .folder = "/srv/fleet", .env_name = env_name
    };
    struct manifest manifest;
    struct buf problems;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    assert_int_equal(manifest_parse(&source, &manifest, &problems), wants);
    if (wants == 0)
        manifest_free(&manifest);
    return problems;
}

static void says_when_nobody_has_such_variables(void **state)
{
    struct buf problems = problems_of("{\"script\": \"run\", \"env_production\": {\"A\": 1}}",
                                      "prodution", 0);

    (void)state;
    assert_string_equal(problems.p, "--env: no app has variables of that name (line 1)\n");
    buf_done(&problems);
    problems = problems_of("{\"script\": \"run\", \"env_production\": {\"A\": 1}}", "production",
                           0);
    assert_null(problems.p);
    buf_done(&problems);
}

static const char appending[] =
    "[{\"name\": \"web\", \"script\": \"run\", \"append_env_to_name\": true,"
    "  \"depends_on\": [\"db\", \"log\"]},"
    " {\"name\": \"db\", \"script\": \"run\", \"append_env_to_name\": true},"
    " {\"name\": \"log\", \"script\": \"run\", \"depends_on\": {\"db\": {\"restart\": true}}}]";

static void appends_the_name_also_where_others_depend_on_it(void **state)
{
    static const char *const none[] = { NULL };
    struct manifest manifest = parsed_with_env(appending, "test");

    (void)state;
    assert_string_equal(manifest.apps[0].name, "web-test");
    assert_string_equal(manifest.apps[0].depends_on[0].name, "db-test");
    assert_string_equal(manifest.apps[0].depends_on[1].name, "log");
    assert_string_equal(manifest.apps[1].name, "db-test");
    assert_string_equal(manifest.apps[2].name, "log");
    assert_string_equal(manifest.apps[2].depends_on[0].name, "db-test");
    assert_true(manifest.apps[2].depends_on[0].restart);
    assert_texts(manifest.apps[0].env, none);
    manifest_free(&manifest);
    manifest = parsed_with_env(appending, NULL);
    assert_string_equal(manifest.apps[0].name, "web");
    assert_string_equal(manifest.apps[0].depends_on[0].name, "db");
    assert_false(manifest.apps[0].depends_on[0].restart);
    manifest_free(&manifest);
}

static void refuses_names_that_this_makes(void **state)
{
    struct buf problems = problems_of("[{\"name\": \"web-test\", \"script\": \"run\"},\n"
                                      "{\"name\": \"web\", \"script\": \"run\","
                                      " \"append_env_to_name\": true}]",
                                      "test", -EINVAL);

    (void)state;
    assert_string_equal(problems.p, "append_env_to_name: \"web-test\" is the name of the app on "
                                    "line 1, too (line 2)\n");
    buf_done(&problems);
    problems = problems_of("{\"script\": \"run\", \"append_env_to_name\": true}", "a b", -EINVAL);
    assert_non_null(strstr(problems.p, "append_env_to_name: makes the name \"run-a b\": want a "));
    buf_done(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_the_named_variables_win),
        cmocka_unit_test(says_when_nobody_has_such_variables),
        cmocka_unit_test(appends_the_name_also_where_others_depend_on_it),
        cmocka_unit_test(refuses_names_that_this_makes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
