/* What a worker's environment consists of, and who wins. */
#include "test.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "fleet.h"
#include "instance_command.h"
#include "manifest_text.h"

/* The environment of the first app's instance of that number. */
static struct environment environment_of(struct app *app, int number)
{
    struct home home = { .path = (char *)"/home/ops" };
    struct fleet fleet = { .home = &home };
    struct instance instance = { .fleet = &fleet, .app = app, .number = number, .id = 7 };
    struct environment env;
    struct err why;

    (void)snprintf(instance.notify_address, sizeof instance.notify_address, "@x");
    if (instance_environment(&instance, &env, &why) < 0)
        fail_msg("refused: %s", why.text);
    return env;
}

static const char *value(const struct environment *env, const char *name)
{
    const char *found = environment_value(env, name);

    return found ? found : "(unset)";
}

static void set_the_daemons(void)
{
    (void)setenv("PATH", "/opt/bin", 1);
    (void)setenv("HOME", "/home/daemon", 1);
    (void)setenv("LANG", "C.UTF-8", 1);
    (void)setenv("SECRET_OF_THE_SHELL", "x", 1);
}

static void inherits_only_a_few(void **state)
{
    struct manifest manifest = parsed_app("\"env\": {\"A\": \"1\", \"HOME\": \"/h\"}");
    struct environment env;

    (void)state;
    set_the_daemons();
    env = environment_of(&manifest.apps[0], 2);
    assert_string_equal(value(&env, "PATH"), "/opt/bin");
    assert_string_equal(value(&env, "HOME"), "/h");
    assert_string_equal(value(&env, "A"), "1");
    assert_string_equal(value(&env, "SECRET_OF_THE_SHELL"), "(unset)");
    assert_string_equal(value(&env, "NODE_APP_INSTANCE"), "2");
    assert_string_equal(value(&env, "name"), "run");
    assert_string_equal(value(&env, "pm_id"), "7");
    assert_string_equal(value(&env, "OPS_HOME"), "/home/ops");
    assert_string_equal(value(&env, "PORT"), "(unset)");
    environment_done(&env);
    manifest_free(&manifest);
}

/* clang-format off */
static const struct {
    const char *fields;
    const char *path, *lang, *shell, *token, *env;
} filters[] = {
    { "", "/opt/bin", "C.UTF-8", "1", "2", "3" },
    { "\"filter_env\": true", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "(unset)", "(unset)", "(unset)", "3" },
    { "\"filter_env\": [\"TOK\", \"LANG\", \"FROM_ENV\"]", "/opt/bin", "(unset)", "1", "(unset)", "3" },
    { "\"filter_env\": \"ATH\"", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "C.UTF-8", "1", "2", "3" },
    { "\"filter_env\": []", "/opt/bin", "C.UTF-8", "1", "2", "3" },
};
/* clang-format on */

static void leaves_out_what_is_filtered(void **state)
{
    static const char *const shell[] = { "SHELL_SAYS=1", "A_TOKEN=2", "FROM_ENV=0",
                                         "=odd",         "odd",       NULL };
    char fields[256];

    (void)state;
    set_the_daemons();
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct manifest manifest;
        struct environment env;

        (void)snprintf(fields, sizeof fields, "\"env\": {\"FROM_ENV\": 3}%s%s",
                       *filters[i].fields ? ", " : "", filters[i].fields);
        manifest = parsed_app(fields);
        manifest.apps[0].shell_env = shell;
        env = environment_of(&manifest.apps[0], 0);
        assert_string_equal(value(&env, "PATH"), filters[i].path);
        assert_string_equal(value(&env, "LANG"), filters[i].lang);
        assert_string_equal(value(&env, "SHELL_SAYS"), filters[i].shell);
        assert_string_equal(value(&env, "A_TOKEN"), filters[i].token);
        assert_string_equal(value(&env, "FROM_ENV"), filters[i].env);
        environment_done(&env);
        manifest_free(&manifest);
    }
}

static void counts_up_from_instance_to_instance(void **state)
{
    static const struct {
        const char *fields, *name;
        const char *wants[3];
    } cases[] = {
        { "\"increment_var\": \"PORT\", \"env\": {\"PORT\": 8000}",
          "PORT",
          { "8000", "8001", "8002" } },
        { "\"increment_var\": \"PORT\", \"port\": 80", "PORT", { "80", "81", "82" } },
        { "\"increment_var\": \"N\"", "N", { "0", "1", "2" } },
        { "\"increment_var\": \"N\", \"env\": {\"N\": \"x\"}", "N", { "0", "1", "2" } },
        { "\"port\": 80, \"env\": {\"PORT\": 1}", "PORT", { "80", "80", "80" } },
        { "\"instance_var\": \"I\"", "I", { "0", "1", "2" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed_app(cases[i].fields);

        for (int n = 0; n < 3; n++) {
            struct environment env = environment_of(&manifest.apps[0], n);

            assert_string_equal(value(&env, cases[i].name), cases[i].wants[n]);
            environment_done(&env);
        }
        manifest_free(&manifest);
    }
}

static void is_at_home_as_its_user(void **state)
{
    struct manifest manifest = parsed_app("\"uid\": \"nobody\", \"env\": {\"SHELL\": \"/s\"}");
    const struct passwd *nobody = getpwnam("nobody");
    struct environment env;

    (void)state;
    if (!nobody)
        skip();
    set_the_daemons();
    env = environment_of(&manifest.apps[0], 0);
    assert_string_equal(value(&env, "HOME"), nobody->pw_dir);
    assert_string_equal(value(&env, "USER"), "nobody");
    assert_string_equal(value(&env, "LOGNAME"), "nobody");
    assert_string_equal(value(&env, "SHELL"), "/s");
    environment_done(&env);
    manifest_free(&manifest);
}

static void tells_the_worker_of_its_descriptors(void **state)
{
    static const struct {
        const char *fields, *fds, *channel, *watchdog;
        int fd;
    } cases[] = {
        { "", "(unset)", "(unset)", "(unset)", -1 },
        { "\"watchdog\": \"30s\"", "(unset)", "(unset)", "30000000", -1 },
        { "\"wait_ready\": true", "(unset)", "3", "(unset)", 3 },
        { "\"interpreter\": \"node\"", "(unset)", "3", "(unset)", 3 },
        { "\"interpreter\": \"/opt/n/bin/node\"", "(unset)", "3", "(unset)", 3 },
        { "\"interpreter\": \"/opt/node/bin/other\"", "(unset)", "(unset)", "(unset)", -1 },
        { "\"listen\": [\"unix:///a\", \"unix:///b\"]", "2", "(unset)", "(unset)", -1 },
        { "\"listen\": [\"unix:///a\"], \"shutdown_with_message\": true", "1", "4", "(unset)", 4 },
        { "\"ready\": {\"fd\": 3}, \"shutdown_with_message\": true", "(unset)", "4", "(unset)", 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed_app(cases[i].fields);
        struct instance instance = { .app = &manifest.apps[0] };
        struct environment env;
        char *pid = (char *)"";

        assert_int_equal(environment_init(&env), 0);
        assert_int_equal(instance_environment_of_worker(&instance, &env, &pid), 0);
        assert_string_equal(value(&env, "LISTEN_FDS"), cases[i].fds);
        assert_string_equal(value(&env, "NODE_CHANNEL_FD"), cases[i].channel);
        assert_string_equal(value(&env, "WATCHDOG_USEC"), cases[i].watchdog);
        assert_int_equal(app_channel_fd(&manifest.apps[0]), cases[i].fd);
        assert_int_equal(pid != NULL, strcmp(cases[i].fds, "(unset)") != 0);
        assert_ptr_equal(pid, environment_value(&env, "LISTEN_PID"));
        environment_done(&env);
        manifest_free(&manifest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inherits_only_a_few),
        cmocka_unit_test(leaves_out_what_is_filtered),
        cmocka_unit_test(counts_up_from_instance_to_instance),
        cmocka_unit_test(is_at_home_as_its_user),
        cmocka_unit_test(tells_the_worker_of_its_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
