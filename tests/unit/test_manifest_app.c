/* What an app is, given its fields: fallbacks, spellings, and what follows from several together.
 */
#include "test.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "manifest.h"
#include "manifest_text.h"

static void falls_back_to_pm2_where_nothing_else_is_better(void **state)
{
    struct manifest manifest = parsed("{\"script\": \"run\"}", NULL);
    const struct app *app = &manifest.apps[0];

    (void)state;
    assert_string_equal(app->space, "default");
    assert_string_equal(app->cwd, "/srv/fleet");
    assert_null(app->interpreter);
    assert_null(app->args[0]);
    assert_null(app->interpreter_args[0]);
    assert_null(app->env[0]);
    assert_null(app->profiles[0]);
    assert_null(app->ready_exec[0]);
    assert_int_equal(app->instances, 1);
    assert_string_equal(app->instance_var, "NODE_APP_INSTANCE");
    assert_true(app->autostart && app->restart.autorestart);
    assert_false(app->restart.one_shot || app->scheduled || app->disable_logs);
    assert_int_equal(app->restart.min_uptime_ms, 1000);
    assert_int_equal(app->restart.max_restarts, 16);
    assert_int_equal(app->restart.restart_delay_ms, 0);
    assert_int_equal(app->restart.restart_window_ms, 0);
    assert_int_equal(app->restart.stop_exit_codes_count, 0);
    assert_int_equal(app->kill_signal, SIGINT);
    assert_int_equal(app->kill_timeout_ms, 1600);
    assert_int_equal(app->ready, READY_AT_ONCE);
    assert_int_equal(app->listen_timeout_ms, 3000);
    assert_int_equal(app->depends_count, 0);
    manifest_free(&manifest);
}

/* clang-format off */
static const struct {
    const char *fields;
    int64_t delay_ms, initial_ms, max_ms, reset_after_ms;
    double factor;
    int jitter;
} delays[] = {
    { "", 0, 100, 15000, 30000, 1.5, 10 },
    { "\"restart_delay\": 0", 0, 0, 0, 0, 1, 0 },
    { "\"restart_delay\": 0, \"exp_backoff_restart_delay\": 0", 0, 0, 0, 0, 1, 0 },
    { "\"restart_delay\": 0, \"exp_backoff_restart_delay\": 200", 0, 200, 15000, 30000, 1.5, 0 },
    { "\"backoff\": {\"initial\": 0}", 0, 0, 15000, 30000, 1.5, 10 },
    { "\"restart_delay\": 3000", 3000, 100, 15000, 30000, 1.5, 10 },
    { "\"exp_backoff_restart_delay\": 200", 0, 200, 15000, 30000, 1.5, 0 },
    { "\"exp_backoff_restart_delay\": 20000", 0, 20000, 20000, 30000, 1.5, 0 },
    { "\"restart_delay\": 3000, \"exp_backoff_restart_delay\": 200", 0, 200, 15000, 30000, 1.5, 0 },
    { "\"backoff\": {\"initial\": \"1s\", \"factor\": 2, \"max\": \"1m\", \"reset_after\": 5000, \"jitter\": 0}",
      0, 1000, 60000, 5000, 2, 0 },
    { "\"backoff\": {\"factor\": 3}, \"restart_delay\": 0", 0, 100, 15000, 30000, 3, 10 },
    { "\"backoff\": {\"jitter\": 0.29}", 0, 100, 15000, 30000, 1.5, 29 },
    { "\"backoff\": {\"jitter\": 1}", 0, 100, 15000, 30000, 1.5, 1 },
};
/* clang-format on */

static void settles_the_delay_before_a_restart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct manifest manifest = parsed_app(delays[i].fields);
        const struct restart_policy *restart = &manifest.apps[0].restart;

        assert_int_equal(restart->restart_delay_ms, delays[i].delay_ms);
        assert_int_equal(restart->backoff.initial_ms, delays[i].initial_ms);
        assert_int_equal(restart->backoff.max_ms, delays[i].max_ms);
        assert_int_equal(restart->backoff.reset_after_ms, delays[i].reset_after_ms);
        assert_true(restart->backoff.factor == delays[i].factor);
        assert_int_equal(restart->backoff.jitter_percent, delays[i].jitter);
        manifest_free(&manifest);
    }
}

/* clang-format off */
static const struct {
    const char *fields, *name, *script, *interpreter;
} programs[] = {
    { "\"script\": \"sleep\"", "sleep", "sleep", NULL },
    { "\"script\": \"python3.11\"", "python3", "python3.11", NULL },
    { "\"script\": \"./build/web\"", "web", "/srv/fleet/build/web", NULL },
    { "\"script\": \"build/a.b.c\"", "a.b", "/srv/fleet/build/a.b.c", NULL },
    { "\"script\": \"/opt/web\"", "web", "/opt/web", NULL },
    { "\"script\": \"../web\"", "web", "/srv/fleet/../web", NULL },
    { "\"script\": \"app.js\"", "app", "/srv/fleet/app.js", "node" },
    { "\"script\": \"app.py\"", "app", "/srv/fleet/app.py", "python3" },
    { "\"script\": \"app.sh\"", "app", "/srv/fleet/app.sh", "bash" },
    { "\"script\": \"app.rb\"", "app", "/srv/fleet/app.rb", "ruby" },
    { "\"script\": \"app.pl\"", "app", "/srv/fleet/app.pl", "perl" },
    { "\"script\": \"app.php\"", "app", "/srv/fleet/app.php", "php" },
    { "\"script\": \"app.ts\"", "app", "/srv/fleet/app.ts", "bun" },
    { "\"script\": \"app.coffee\"", "app", "/srv/fleet/app.coffee", "coffee" },
    { "\"script\": \"app.py\", \"interpreter\": \"none\"", "app", "/srv/fleet/app.py", NULL },
    { "\"script\": \"app.py\", \"interpreter\": \"pypy\"", "app", "/srv/fleet/app.py", "pypy" },
    { "\"script\": \"app.jar\", \"exec_interpreter\": \"./jre/java\"", "app", "/srv/fleet/app.jar",
      "/srv/fleet/jre/java" },
    { "\"script\": \"app\", \"name\": \"b\", \"execInterpreter\": \"lua\"", "b", "/srv/fleet/app", "lua" },
};
/* clang-format on */

static void finds_what_to_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        struct manifest manifest = parsed_app(programs[i].fields);
        const struct app *app = &manifest.apps[0];

        assert_string_equal(app->name, programs[i].name);
        assert_string_equal(app->script, programs[i].script);
        assert_string_equal(app->interpreter ?: "none", programs[i].interpreter ?: "none");
        manifest_free(&manifest);
    }
}

static void joins_paths_to_the_folder(void **state)
{
    struct manifest manifest = parsed_app("\"cwd\": \"./a/.././b\", \"env_file\": \".env\", "
                                          "\"out\": \"NULL\", \"err_log\": \"/var/log/e\"");
    const struct app *app = &manifest.apps[0];
    struct manifest_source source = { .text = "{\"script\": \"./x\"}", .n = 17, .folder = "/" };
    struct buf problems;

    (void)state;
    assert_string_equal(app->cwd, "/srv/fleet/a/.././b");
    assert_string_equal(app->env_file, "/srv/fleet/.env");
    assert_string_equal(app->out_file, "/dev/null");
    assert_string_equal(app->error_file, "/var/log/e");
    manifest_free(&manifest);
    buf_init(&problems, PROBLEMS_BYTES_MAX);
    assert_int_equal(manifest_parse(&source, &manifest, &problems), 0);
    assert_string_equal(manifest.apps[0].script, "/x");
    assert_string_equal(manifest.apps[0].cwd, "/");
    manifest_free(&manifest);
    buf_done(&problems);
}

static void leaves_comment_signs_in_texts_alone(void **state)
{
    struct manifest manifest = parsed_app("\"args\": [\"http://a/*b*/\", \"\\\"//\"]");

    (void)state;
    assert_string_equal(manifest.apps[0].args[0], "http://a/*b*/");
    assert_string_equal(manifest.apps[0].args[1], "\"//");
    manifest_free(&manifest);
}

static void assert_texts(texts got, const char *const *wants)
{
    for (; *wants; got++, wants++)
        assert_string_equal(*got ?: "(nothing)", *wants);
    assert_null(*got);
}

/* clang-format off */
static const struct {
    const char *args;
    const char *wants[5];
} splits[] = {
    { "\"\"", { NULL } },
    { "\" \\t \"", { NULL } },
    { "\"a  bc\\td \"", { "a", "bc", "d" } },
    { "\"--a='b c' \\\"d 'e\\\"\"", { "--a=b c", "d 'e" } },
    { "\"'' x\"", { "", "x" } },
    { "\"a\\\\ b \\\\\\\\ 'c\\\\d'\"", { "a b", "\\", "c\\d" } },
    { "\"\\\"a\\\\\\\"b\\\\n\\\"\"", { "a\"b\\n" } },
    { "\"$HOME `ls` *\"", { "$HOME", "`ls`", "*" } },
    { "[\"a b\", 1, 2.5, true]", { "a b", "1", "2.5", "true" } },
};
/* clang-format on */

static void splits_arguments_as_a_shell_would(void **state)
{
    char fields[256];

    (void)state;
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        struct manifest manifest;

        (void)snprintf(fields, sizeof fields, "\"args\": %s", splits[i].args);
        manifest = parsed_app(fields);
        assert_texts(manifest.apps[0].args, splits[i].wants);
        manifest_free(&manifest);
    }
}

static void writes_variables_as_pm2_does(void **state)
{
    static const char *const wants[] = {
        "A=x=y", "B=1", "C=1.5", "D=true", "F=[1,{\"a\":2}]", NULL
    };
    struct manifest manifest = parsed_app("\"env\": {\"A\": \"x=y\", \"B\": 1, \"C\": 1.5, "
                                          "\"D\": true, \"E\": null, \"F\": [1, {\"a\": 2}]}");

    (void)state;
    assert_texts(manifest.apps[0].env, wants);
    manifest_free(&manifest);
}

static void settles_readiness(void **state)
{
    static const char *const command[] = { "pg_isready", "-q", NULL };
    static const struct {
        const char *fields;
        enum ready_kind ready;
        int64_t timeout_ms;
        int number;
        const char *text;
    } cases[] = {
        { "\"wait_ready\": true", READY_MESSAGE, 3000, 0, NULL },
        { "\"wait_ready\": false, \"ready\": \"notify\"", READY_NOTIFY, 30000, 0, NULL },
        { "\"ready\": \"notify\", \"listen_timeout\": \"5s\"", READY_NOTIFY, 5000, 0, NULL },
        { "\"ready\": {\"exec\": \"pg_isready -q\"}", READY_EXEC, 30000, 0, NULL },
        { "\"ready\": {\"tcp\": 80}", READY_TCP, 30000, 80, NULL },
        { "\"ready\": {\"fd\": 3}", READY_FD, 30000, 3, NULL },
        { "\"ready\": {\"fd\": 4}, \"listen\": [\"tcp://127.0.0.1:80\"]", READY_FD, 30000, 4,
          NULL },
        { "\"ready\": {\"unix\": \"run/x\"}", READY_UNIX, 30000, 0, "/srv/fleet/run/x" },
        { "\"ready\": {\"http\": \"http://[::1]:80/up?x=1\"}", READY_HTTP, 30000, 0,
          "http://[::1]:80/up?x=1" },
        { "\"ready\": {\"log\": \"is up\"}", READY_LOG, 30000, 0, "is up" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed_app(cases[i].fields);
        const struct app *app = &manifest.apps[0];

        assert_int_equal(app->ready, cases[i].ready);
        assert_int_equal(app->listen_timeout_ms, cases[i].timeout_ms);
        assert_int_equal(app->ready_number, cases[i].number);
        assert_string_equal(app->ready_text ?: "none", cases[i].text ?: "none");
        assert_texts(app->ready_exec, app->ready == READY_EXEC ? command : command + 2);
        manifest_free(&manifest);
    }
}

static void binds_nothing_by_default(void **state)
{
    struct manifest manifest = parsed_app("");
    const struct app *app = &manifest.apps[0];

    (void)state;
    for (int i = 0; i < LIMIT_COUNT; i++)
        assert_int_equal(app->bounds.limits[i], LIMIT_INHERITED);
    assert_int_equal(app->bounds.nice, BOUND_INHERITED);
    assert_int_equal(app->bounds.oom_score_adj, BOUND_INHERITED);
    assert_int_equal(app->bounds.umask, BOUND_INHERITED);
    assert_false(app->bounds.no_new_privs || app->watch || app->filter_all || app->log_both);
    assert_true(app->treekill);
    assert_null(app->user);
    assert_null(app->group);
    assert_null(app->cron_restart_text);
    assert_null(app->log_date_format);
    assert_null(app->watch_paths[0]);
    assert_null(app->filter_env[0]);
    assert_null(app->shell_env[0]);
    assert_int_equal(app->listen_count, 0);
    assert_int_equal(app->max_memory, 0);
    assert_int_equal(app->watchdog_ms, 0);
    assert_int_equal(app->port, 0);
    assert_int_equal(app->log_max_size, 10 << 20);
    assert_int_equal(app->log_keep, 5);
    assert_int_equal(app->log_stall_ms, 5000);
    manifest_free(&manifest);
}

static void reads_what_it_may_use(void **state)
{
    struct manifest manifest = parsed_app(
        "\"uid\": \"www-data\", \"gid\": 33, \"nice\": -5, \"oom_score_adj\": 0, "
        "\"umask\": \"027\", \"no_new_privs\": true, \"max_memory_restart\": \"200M\", "
        "\"limits\": {\"nofile\": 1024, \"core\": 0, \"as\": \"1G\", \"cpu\": \"unlimited\"}, "
        "\"port\": 8080, \"watchdog\": \"30s\", \"treekill\": false, "
        "\"shutdown_with_message\": true, \"pid_file\": \"run/pid\"");
    const struct app *app = &manifest.apps[0];

    (void)state;
    assert_string_equal(app->user, "www-data");
    assert_string_equal(app->group, "33");
    assert_int_equal(app->bounds.nice, -5);
    assert_int_equal(app->bounds.oom_score_adj, 0);
    assert_int_equal(app->bounds.umask, 027);
    assert_true(app->bounds.no_new_privs);
    assert_int_equal(app->max_memory, 200 << 20);
    assert_int_equal(app->bounds.limits[LIMIT_NOFILE], 1024);
    assert_int_equal(app->bounds.limits[LIMIT_CORE], 0);
    assert_int_equal(app->bounds.limits[LIMIT_AS], 1 << 30);
    assert_int_equal(app->bounds.limits[LIMIT_NPROC], LIMIT_INHERITED);
    assert_int_equal(app->bounds.limits[LIMIT_CPU], LIMIT_NONE);
    assert_int_equal(app->port, 8080);
    assert_int_equal(app->watchdog_ms, 30000);
    assert_true(!app->treekill && app->shutdown_with_message);
    assert_string_equal(app->pid_file, "/srv/fleet/run/pid");
    manifest_free(&manifest);
}

static void makes_addresses_ready_to_bind(void **state)
{
    struct manifest manifest = parsed_app(
        "\"listen\": [\"tcp://127.0.0.1:8080\", \"tcp://[::1]:81\", \"unix:///run/x\"]");
    const struct app *app = &manifest.apps[0];
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&app->listen[0].address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&app->listen[1].address;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&app->listen[2].address;

    (void)state;
    assert_int_equal(app->listen_count, 3);
    assert_string_equal(app->listen[1].text, "tcp://[::1]:81");
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(ntohs(v4->sin_port), 8080);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(app->listen[0].length, sizeof *v4);
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6->sin6_port), 81);
    assert_memory_equal(&v6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
    assert_int_equal(un->sun_family, AF_UNIX);
    assert_string_equal(un->sun_path, "/run/x");
    manifest_free(&manifest);
}

static void reads_what_is_watched(void **state)
{
    static const struct {
        const char *fields;
        bool watch;
        const char *paths[4];
    } cases[] = {
        { "\"watch\": false", false, { NULL } },
        { "\"watch\": []", false, { NULL } },
        { "\"watch\": true, \"cwd\": \"d\"", true, { "/srv/fleet/d", NULL } },
        { "\"watch\": true, \"script\": \"b/x\"", true, { "/srv/fleet", "/srv/fleet/b/x" } },
        { "\"watch\": \"src\", \"cwd\": \"d\"", true, { "/srv/fleet/d/src" } },
        { "\"watch\": [\"./a\", \"/b\"]", true, { "/srv/fleet/a", "/b" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed_app(cases[i].fields);

        assert_int_equal(manifest.apps[0].watch, cases[i].watch);
        assert_texts(manifest.apps[0].watch_paths, cases[i].paths);
        manifest_free(&manifest);
    }
}

static void ignores_paths_of_the_folder_watched_and_of_cwd(void **state)
{
    struct manifest manifest = parsed_app(
        "\"watch\": [\"src\"], \"cwd\": \"d[1]\", \"ignore_watch\": "
        "[\"data\", \"./src/data\", \"/x/y\", \"**/a/b\", \"src/*\"]");
    static const char *const wants[] = {
        "data",   "./src/data", "/srv/fleet/d\\[1]/src/data", "/x/y",
        "**/a/b", "src/*",      "/srv/fleet/d\\[1]/src/*",    NULL
    };

    (void)state;
    assert_texts(manifest.apps[0].watch_ignore, wants);
    manifest_free(&manifest);
}

static void reads_how_logs_are_written(void **state)
{
    struct manifest manifest = parsed_app(
        "\"log\": true, \"merge_logs\": true, \"time\": true, \"log_type\": \"json\", "
        "\"log_max_size\": 0, \"log_keep\": 0, \"log_compress\": true, \"log_stall\": \"1m\"");
    const struct app *app = &manifest.apps[0];

    (void)state;
    assert_true(app->log_both && app->merge_logs && app->log_compress);
    assert_null(app->log_file);
    assert_string_equal(app->log_date_format, "YYYY-MM-DDTHH:mm:ss");
    assert_int_equal(app->log_type, LOG_TYPE_JSON);
    assert_int_equal(app->log_max_size, 0);
    assert_int_equal(app->log_keep, 0);
    assert_int_equal(app->log_stall_ms, 60000);
    manifest_free(&manifest);
    manifest = parsed_app("\"log_file\": \"all.log\", \"time\": true, "
                          "\"log_date_format\": \"HH:mm\", \"log_max_size\": \"unlimited\"");
    app = &manifest.apps[0];
    assert_true(app->log_both);
    assert_string_equal(app->log_file, "/srv/fleet/all.log");
    assert_string_equal(app->log_date_format, "HH:mm");
    assert_int_equal(app->log_max_size, 0);
    manifest_free(&manifest);
}

static void reads_schedules(void **state)
{
    struct manifest manifest = parsed_app(
        "\"schedule\": \"*/15 3 * * *\", \"timezone\": \"Europe/Moscow\", \"overlap\": \"queue\", "
        "\"catch_up\": \"once\", \"jitter\": \"5s\", \"timeout\": \"1h\", \"run_on_start\": true");
    const struct app *app = &manifest.apps[0];

    (void)state;
    assert_true(app->scheduled && app->restart.one_shot && app->run_on_start);
    assert_string_equal(app->schedule_text, "*/15 3 * * *");
    assert_int_equal(app->schedule.hours, 1 << 3);
    assert_string_equal(app->timezone, "Europe/Moscow");
    assert_int_equal(app->overlap, OVERLAP_QUEUE);
    assert_int_equal(app->jitter_ms, 5000);
    assert_int_equal(app->timeout_ms, 3600000);
    assert_int_equal(app->catch_up, CATCH_UP_ONCE);
    assert_null(app->cron_restart_text);
    manifest_free(&manifest);
    manifest = parsed_app("\"cron\": \"0 4 * * *\", \"timezone\": \"Europe/Moscow\"");
    app = &manifest.apps[0];
    assert_false(app->scheduled || app->restart.one_shot);
    assert_string_equal(app->cron_restart_text, "0 4 * * *");
    assert_int_equal(app->cron_restart.hours, 1 << 4);
    manifest_free(&manifest);
}

static void reads_numbers_in_every_spelling(void **state)
{
    static const struct {
        const char *value;
        int wants;
    } signals[] = {
        { "\"SIGTERM\"", SIGTERM }, { "\"HUP\"", SIGHUP }, { "9", 9 }, { "\"34\"", 34 }
    };
    struct manifest manifest;
    char fields[64];

    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        (void)snprintf(fields, sizeof fields, "\"kill_signal\": %s", signals[i].value);
        manifest = parsed_app(fields);
        assert_int_equal(manifest.apps[0].kill_signal, signals[i].wants);
        manifest_free(&manifest);
    }
    manifest = parsed_app("\"instances\": \"max\", \"stop_exit_codes\": 3, \"maxRestarts\": \"7\", "
                          "\"min_uptime\": \"1m30s\", \"kill_timeout\": \"250\"");
    assert_int_equal(manifest.apps[0].instances, 0);
    assert_int_equal(manifest.apps[0].restart.stop_exit_codes_count, 1);
    assert_int_equal(manifest.apps[0].restart.stop_exit_codes[0], 3);
    assert_int_equal(manifest.apps[0].restart.max_restarts, 7);
    assert_int_equal(manifest.apps[0].restart.min_uptime_ms, 90000);
    assert_int_equal(manifest.apps[0].kill_timeout_ms, 250);
    manifest_free(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(falls_back_to_pm2_where_nothing_else_is_better),
        cmocka_unit_test(settles_the_delay_before_a_restart),
        cmocka_unit_test(finds_what_to_run),
        cmocka_unit_test(joins_paths_to_the_folder),
        cmocka_unit_test(leaves_comment_signs_in_texts_alone),
        cmocka_unit_test(splits_arguments_as_a_shell_would),
        cmocka_unit_test(writes_variables_as_pm2_does),
        cmocka_unit_test(settles_readiness),
        cmocka_unit_test(binds_nothing_by_default),
        cmocka_unit_test(reads_what_it_may_use),
        cmocka_unit_test(makes_addresses_ready_to_bind),
        cmocka_unit_test(reads_what_is_watched),
        cmocka_unit_test(ignores_paths_of_the_folder_watched_and_of_cwd),
        cmocka_unit_test(reads_how_logs_are_written),
        cmocka_unit_test(reads_schedules),
        cmocka_unit_test(reads_numbers_in_every_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
