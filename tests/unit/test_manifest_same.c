/* What differs between two readings of an app: every field of the table is noticed, and named. */
#include "test.h"

#include <string.h>

#include "manifest_fields.h"
#include "manifest_read.h"
#include "manifest_text.h"

/* clang-format off */
static const struct {
    const char *field, *before, *after;
    const char *told; /* the field that tells it; NULL: this one; "": none, it means the same */
    bool restart;
} changes[] = {
    { "name", "a", "b", NULL, true },
    { "script", "a", "b", NULL, true },
    { "args", "[1]", "[1, 2]", NULL, true },
    { "args", "\"a b\"", "[\"a\", \"b\"]", "", false },
    { "namespace", "a", "b", NULL, false },
    { "cwd", "a", "b", NULL, true },
    { "interpreter", "a", "b", NULL, true },
    { "interpreter_args", "a", "b", NULL, true },
    { "profiles", "[]", "[]", "", false },
    { "autostart", "true", "false", NULL, false },
    { "env", "{\"A\": 1}", "{\"A\": 2}", NULL, true },
    { "env", "{\"A\": 1}", "{}", NULL, true },
    { "env", "{\"A\": 1}", "{\"A\": \"1\"}", "", false },
    { "env_x", "{\"A\": 1}", "{\"A\": 2}", "", false },
    { "env_file", "a", "b", NULL, true },
    { "filter_env", "true", "[\"A\"]", NULL, true },
    { "instances", "1", "2", NULL, false },
    { "instance_var", "A", "B", NULL, true },
    { "increment_var", "A", "B", NULL, true },
    { "exec_mode", "fork", "cluster", "", false },
    { "autorestart", "true", "false", NULL, false },
    { "stop_exit_codes", "[1]", "[2]", NULL, false },
    { "min_uptime", "1", "2", NULL, false },
    { "min_uptime", "1000", "\"1s\"", "", false },
    { "max_restarts", "1", "2", NULL, false },
    { "restart_delay", "1", "2", NULL, false },
    { "exp_backoff_restart_delay", "1", "2", "backoff", false },
    { "backoff", "{\"factor\": 2}", "{\"factor\": 3}", NULL, false },
    { "restart_window", "1", "2", NULL, false },
    { "stdin", "true", "false", NULL, true },
    { "kill_signal", "1", "2", NULL, false },
    { "kill_timeout", "1", "2", NULL, false },
    { "treekill", "true", "false", NULL, false },
    { "shutdown_with_message", "true", "false", NULL, true },
    { "ready", "{\"tcp\": 1}", "{\"tcp\": 2}", NULL, true },
    { "ready", "{\"exec\": \"a\"}", "{\"exec\": \"b\"}", NULL, true },
    { "wait_ready", "true", "false", "ready", true },
    { "listen_timeout", "1", "2", NULL, false },
    { "watchdog", "1", "2", NULL, true },
    { "depends_on", "[]", "[\"other\"]", NULL, false },
    { "depends_on", "[\"other\"]", "{\"other\": \"started\"}", NULL, false },
    { "depends_on", "[\"other\"]", "{\"other\": {\"restart\": true}}", NULL, false },
    { "depends_on", "[\"other\"]", "{\"other\": {}}", "", false },
    { "schedule", "\"@daily\"", "\"@hourly\"", NULL, false },
    { "timezone", "UTC", "Europe/Moscow", NULL, false },
    { "overlap", "skip", "queue", NULL, false },
    { "catch_up", "none", "once", NULL, false },
    { "jitter", "1", "2", NULL, false },
    { "timeout", "1", "2", NULL, false },
    { "run_on_start", "true", "false", NULL, false },
    { "cron_restart", "0", "\"@daily\"", NULL, false },
    { "out_file", "a", "b", NULL, true },
    { "error_file", "a", "b", NULL, true },
    { "disable_logs", "true", "false", NULL, true },
    { "log_file", "true", "\"a\"", NULL, true },
    { "merge_logs", "true", "false", NULL, true },
    { "log_type", "raw", "json", NULL, false },
    { "log_date_format", "a", "b", NULL, false },
    { "time", "true", "false", "log_date_format", false },
    { "log_max_size", "1", "2", NULL, false },
    { "log_keep", "1", "2", NULL, false },
    { "log_compress", "true", "false", NULL, false },
    { "log_stall", "1", "2", NULL, false },
    { "uid", "a", "b", NULL, true },
    { "gid", "1", "2", NULL, true },
    { "max_memory_restart", "1", "2", NULL, false },
    { "limits", "{\"cpu\": 1}", "{\"cpu\": 2}", NULL, true },
    { "nice", "1", "2", NULL, true },
    { "oom_score_adj", "1", "2", NULL, true },
    { "no_new_privs", "true", "false", NULL, true },
    { "umask", "\"1\"", "\"2\"", NULL, true },
    { "listen", "[]", "[\"unix:///x\"]", NULL, true },
    { "listen", "[\"unix:///y\"]", "[\"unix:///x\"]", NULL, true },
    { "port", "1", "2", NULL, true },
    { "pid_file", "a", "b", NULL, true },
    { "watch", "true", "[\"a\"]", NULL, false },
    { "ignore_watch", "a", "b", NULL, false },
    { "watch_delay", "1", "2", NULL, false },
    { "append_env_to_name", "true", "false", NULL, false },
    { "kill_retry_time", "1", "2", "", false },
};
/* clang-format on */

static struct manifest parsed_field(const char *field, const char *value)
{
    bool word = !strchr("[{\"0123456789", value[0]) && strcmp(value, "true") != 0 &&
                strcmp(value, "false") != 0;
    char text[512];

    (void)snprintf(text, sizeof text,
                   "[{%s%s \"%s\": %s%s%s}, {\"name\": \"other\", \"script\": \"run\"}]",
                   strcmp(field, "name") == 0 ? "" : "\"name\": \"n\", ",
                   strcmp(field, "script") == 0 ? "" : "\"script\": \"run\",", field,
                   word ? "\"" : "", value, word ? "\"" : "");
    return parsed(text, NULL);
}

static void tells_each_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct manifest before = parsed_field(changes[i].field, changes[i].before);
        struct manifest after = parsed_field(changes[i].field, changes[i].after);
        const struct app *a = &before.apps[0], *b = &after.apps[0];
        const char *wants = changes[i].told ? changes[i].told : changes[i].field, *told;
        bool restart = false;
        size_t at = 0;

        told = app_difference(a, b, &at, &restart);
        if (strcmp(told ? told : "", wants) != 0 || restart != changes[i].restart)
            fail_msg("%s: told as %s, restart %d", changes[i].field, told ?: "nothing", restart);
        if (told && app_difference(a, b, &at, &restart))
            fail_msg("%s: told as two changes", changes[i].field);
        assert_int_equal(app_same_process(a, b), !changes[i].restart);
        assert_true(app_same_process(b, b));
        manifest_free(&before);
        manifest_free(&after);
    }
}

/* A field that is new in the table needs a row above, or has nothing to be compared. */
static void knows_every_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < app_fields.count; i++) {
        const struct field *field = &app_fields.rows[i];
        bool known = false;

        for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
            known |= field_find(&app_fields, changes[k].field) == field;
        if (!known && !(field->note && strstr(field->note, "Node")))
            fail_msg("%s has no row here", field->name);
        if (field->offset < sizeof(struct app))
            assert_non_null(field->same);
    }
}

static void tells_all_that_changed(void **state)
{
    struct manifest before = parsed_app("\"nice\": 1, \"max_restarts\": 1, \"cwd\": \"a\"");
    struct manifest after = parsed_app("\"schedule\": \"@daily\", \"nice\": 1");
    static const char *const wants[] = { "cwd", "max_restarts", "schedule" };
    bool restart;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(
            app_difference(&before.apps[0], &after.apps[0], &at, &restart) ?: "nothing", wants[i]);
        assert_int_equal(restart, i != 1);
    }
    assert_null(app_difference(&before.apps[0], &after.apps[0], &at, &restart));
    manifest_free(&before);
    manifest_free(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_change),
        cmocka_unit_test(knows_every_field),
        cmocka_unit_test(tells_all_that_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
