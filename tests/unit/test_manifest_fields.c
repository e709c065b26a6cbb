/* The table of fields, walked row by row: every field is read under each of its names, refuses what
 * it cannot be, and says so in the words of its row. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manifest_fields.h"
#include "manifest_read.h"
#include "manifest_text.h"

/* A manifest of one app with this field on line 2. */
static int parse_field(const char *name, const char *value, struct manifest *ret,
                       struct buf *problems)
{
    const struct field *field = field_find(&app_fields, name);
    char text[512];

    (void)snprintf(text, sizeof text, "{%s%s\n\"%s\": %s}",
                   strcmp(field->name, "name") == 0 ? "" : "\"name\": \"n\", ",
                   strcmp(field->name, "script") == 0 ? "" : "\"script\": \"run\",", name, value);
    return manifest_of(text, NULL, ret, problems);
}

/* "env_*" stands for many; this is one of them. */
static const char *name_of(const struct field *field)
{
    return strchr(field->name, '*') ? "env_production" : field->name;
}

static bool is_taken(const char *name, const char *value)
{
    struct manifest manifest;
    struct buf problems;
    int r = parse_field(name, value, &manifest, &problems);

    buf_done(&problems);
    if (r == 0)
        manifest_free(&manifest);
    return r == 0;
}

/* What was said about a value that has to be refused: it starts with the field's path. */
static void refused(const char *name, const char *value, char said[static 512])
{
    struct manifest manifest;
    struct buf problems;
    char path[64];

    if (parse_field(name, value, &manifest, &problems) != -EINVAL)
        fail_msg("%s: %s was taken", name, value);
    (void)snprintf(path, sizeof path, "apps[0].%s", name);
    if (strncmp(problems.p, path, strlen(path)) != 0 || !strstr(problems.p, " (line 2)\n"))
        fail_msg("%s: %s: where is it? %s", name, value, problems.p);
    (void)snprintf(said, 512, "%s", problems.p);
    buf_done(&problems);
}

static void assert_wanted(const struct field *field, const char *value)
{
    char said[512];

    refused(name_of(field), value, said);
    if (!strstr(said, field->wants))
        fail_msg("%s: %s: not in the words of the row: %s", field->name, value, said);
}

static void refuses_wrong_types(void **state)
{
    static const char *const odd[] = {
        "[[]]", "{\"?\": []}", "true", "-1", "\"\"", "\"\\u0001=\""
    };
    char said[512];

    (void)state;
    for (size_t i = 0; i < app_fields.count; i++) {
        const struct field *field = &app_fields.rows[i];
        size_t refusals = 0;

        for (size_t j = 0; j < sizeof odd / sizeof *odd; j++) {
            if (is_taken(name_of(field), odd[j]))
                continue;
            refused(name_of(field), odd[j], said);
            refusals++;
        }
        if (field->read == read_anything)
            assert_int_equal(refusals, 0);
        else if (refusals < 3)
            fail_msg("%s takes nearly everything", field->name);
    }
}

static bool has_bounds(const struct field *field)
{
    return field->read == read_whole || field->read == read_instances ||
           field->read == read_duration;
}

static void holds_its_bounds(void **state)
{
    char value[32];
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < app_fields.count; i++) {
        const struct field *field = &app_fields.rows[i];

        if (!has_bounds(field))
            continue;
        seen++;
        (void)snprintf(value, sizeof value, "%jd", (intmax_t)field->least - 1);
        assert_wanted(field, value);
        (void)snprintf(value, sizeof value, "%jd", (intmax_t)field->most + 1);
        assert_wanted(field, value);
        (void)snprintf(value, sizeof value, "\"%jd\"", (intmax_t)field->most + 1);
        assert_wanted(field, value);
        assert_wanted(field, "1.5");
        assert_wanted(field, "1e300");
        assert_wanted(field, "\"many\"");
        (void)snprintf(value, sizeof value, "%jd", (intmax_t)field->least);
        assert_true(is_taken(name_of(field), value));
        (void)snprintf(value, sizeof value, "%jd", (intmax_t)field->most);
        assert_true(is_taken(name_of(field), value));
    }
    assert_in_range(seen, 10, app_fields.count);
}

/* clang-format off */
static const struct {
    const char *field, *value;
    bool taken;
} values[] = {
    { "max_memory_restart", "1", true },            { "max_memory_restart", "0", false },
    { "max_memory_restart", "\"8388607G\"", true }, { "max_memory_restart", "\"8589934592G\"", false },
    { "max_memory_restart", "\"10kb\"", true },     { "max_memory_restart", "\"10 M\"", false },
    { "max_memory_restart", "\"M\"", false },       { "max_memory_restart", "\"123456789012345678901\"", false },
    { "max_memory_restart", "\"unlimited\"", false },
    { "limits", "{\"nofile\": -1}", false },        { "limits", "{\"files\": 1}", false },
    { "umask", "\"0777\"", true },                  { "umask", "\"1000\"", false },
    { "umask", "\"8\"", false },                    { "umask", "\"00027\"", false },
    { "uid", "0", true },                           { "uid", "4294967295", false },
    { "uid", "\"1000\"", true },                    { "uid", "\"a b\"", false },
    { "listen", "[\"unix:///run/x\"]", true },      { "listen", "[\"unix://x\"]", false },
    { "listen", "[\"tcp://[::]:1\"]", true },        { "listen", "[\"tcp://::1:80\"]", false },
    { "listen", "[\"tcp://localhost:80\"]", false }, { "listen", "[\"tcp://127.0.0.1\"]", false },
    { "listen", "[\"tcp://127.0.0.1:0\"]", false },  { "listen", "[\"tcp://[::1:80\"]", false },
    { "listen", "[\"tcp://[::1]x80\"]", false },
    { "listen", "[\"tcp://1.2.3.4:80x\"]", false },  { "listen", "[\"tcp://:80\"]", false },
    { "listen", "[\"tcp://0.0.0.0:65535\"]", true }, { "listen", "[\"udp://127.0.0.1:1\"]", false },
    { "listen", "[\"unix:///\"]", false },           { "listen", "[]", true },
    { "listen", "[\"unix:///0123456789012345678901234567890123456789012345678901234567890123456789"
                "012345678901234567890123456789012345\"]", true },
    { "listen", "[\"unix:///0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456\"]", false },
    { "listen", "[1]", false },                     { "timezone", "\"/etc/passwd\"", false },
    { "timezone", "\"Etc/GMT+3\"", true },          { "timezone", "\"a.b\"", false },
    { "kill_signal", "\"SIGNOT\"", false },         { "kill_signal", "0", false },
    { "kill_signal", "64", true },                  { "kill_signal", "65", false },
    { "stop_exit_codes", "[]", true },              { "stop_exit_codes", "256", false },
    { "stop_exit_codes", "[1, -1]", false },        { "stop_exit_codes", "[0, 255]", true },
    { "instance_var", "\"1A\"", false },            { "instance_var", "\"A-B\"", false },
    { "name", "\"a.b_c-D9\"", true },               { "name", "\"12\"", false },
    { "name", "\"-a\"", false },                    { "name", "\"a/b\"", false },
    { "name", "\"all\"", false },                   { "name", "\"\u00e9\"", false },
    { "name", "\"0123456789012345678901234567890123456789012345678901234567890abc\"", true },
    { "name", "\"0123456789012345678901234567890123456789012345678901234567890abcd\"", false },
    { "cron_restart", "0", true },                  { "cron_restart", "\"at noon\"", false },
    { "schedule", "\"\\n\"", false },               { "schedule", "\"@every 90s\"", true },
    { "backoff", "{\"factor\": 0.5}", false },      { "backoff", "{\"jitter\": 101}", false },
    { "backoff", "{\"jitter\": 1.5}", false },     { "backoff", "{\"jitter\": -0.1}", false },
    { "backoff", "{\"initial\": -1}", false },      { "backoff", "{\"max\": \"100ms\"}", true },
    { "ready", "\"notfy\"", false },                { "ready", "{}", false },
    { "ready", "{\"fd\": 2}", false },              { "ready", "{\"tcp\": 80, \"fd\": 3}", false },
    { "ready", "{\"unix\": \"run/x\"}", true },     { "ready", "{\"log\": \"up\"}", true },
    { "ready", "{\"http\": \"http://localhost:80/\"}", true },
    { "ready", "{\"http\": \"http://127.0.0.1\"}", true },
    { "ready", "{\"http\": \"https://127.0.0.1/\"}", false },
    { "ready", "{\"http\": \"http://example.org/\"}", false },
    { "ready", "{\"http\": \"http://127.0.0.1/a b\"}", false },
    { "ready", "{\"log\": \"\"}", false },          { "ready", "{\"tcp\": 0}", false },
    { "watch", "7", false },                        { "watch", "[\"a\", 1]", false },
    { "filter_env", "[]", true },                   { "filter_env", "true", true },
    { "log_file", "1", false },                     { "log_max_size", "\"unlimited\"", true },
    { "cron_restart", "false", false },             { "env_production", "[]", false },
    { "depends_on", "[[]]", false },                { "depends_on", "{\"run\": {\"on\": 1}}", false },
    { "env", "{\"\": 1}", false },                  { "env", "{\"A\": \"\\ud83d\\ude00\"}", true },
    { "args", "[{}]", false },                      { "pmx", "\"anything\"", true },
};
/* clang-format on */

static void takes_what_a_kind_allows(void **state)
{
    char said[512];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (values[i].taken && !is_taken(values[i].field, values[i].value))
            fail_msg("%s: %s was refused", values[i].field, values[i].value);
        if (!values[i].taken)
            refused(values[i].field, values[i].value, said);
    }
}

static void takes_its_own_fallback_without_a_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < app_fields.count; i++) {
        const struct field *field = &app_fields.rows[i];
        struct manifest manifest;
        struct buf problems;

        if (!field->fallback)
            continue;
        assert_int_equal(parse_field(name_of(field), field->fallback, &manifest, &problems), 0);
        if (problems.p && !strstr(problems.p, "means nothing without schedule"))
            fail_msg("%s: %s", field->name, problems.p);
        buf_done(&problems);
        manifest_free(&manifest);
    }
}

/* One value that each reader takes and that is no row's fallback. */
static const char *sample_of(const struct field *field)
{
    static const struct {
        field_read *read;
        const char *value;
    } samples[] = {
        { read_bool, "true" },      { read_whole, "1" },    { read_duration, "\"7s\"" },
        { read_size, "\"30MB\"" },  { read_text, "\"a\"" }, { read_texts, "[\"a\"]" },
        { read_log_file, "\"a\"" }, { read_object, "{}" },  { read_anything, "1" },
    };

    if (field->read == read_choice)
        return strstr(field->words, "json")   ? "\"json\""
               : strstr(field->words, "once") ? "\"once\""
                                              : "\"cluster\"";
    if (field->fallback && strcmp(field->fallback, "true") == 0)
        return "false";
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (samples[i].read == field->read)
            return samples[i].value;
    fail_msg("%s: a sample of its kind is needed here", field->name);
    return NULL;
}

static void says_when_a_field_does_nothing(void **state)
{
    char wants[256];

    (void)state;
    for (size_t i = 0; i < app_fields.count; i++) {
        const struct field *field = &app_fields.rows[i];
        struct manifest manifest;
        struct buf problems;

        if (!field->note)
            continue;
        assert_int_equal(parse_field(name_of(field), sample_of(field), &manifest, &problems), 0);
        (void)snprintf(wants, sizeof wants, "apps[0].%s: %s (line 2)\n", name_of(field),
                       field->note);
        assert_non_null(problems.p);
        assert_string_equal(problems.p, wants);
        buf_done(&problems);
        manifest_free(&manifest);
    }
}

static void keeps_notes_back_when_there_are_errors(void **state)
{
    struct manifest manifest;
    struct buf problems;

    (void)state;
    assert_int_equal(manifest_of("{\"script\": \"run\", \"vizion\": true, \"x\": 1, \"jitter\": 1}",
                                 NULL, &manifest, &problems),
                     -EINVAL);
    assert_string_equal(problems.p, "apps[0].x: unknown field (line 1)\n");
    buf_done(&problems);
    assert_int_equal(manifest_of("{\"script\": \"run\", \"jitter\": 1, \"vizion\": true}", NULL,
                                 &manifest, &problems),
                     0);
    assert_string_equal(problems.p,
                        "apps[0].vizion: is accepted but means nothing outside Node (line 1)\n"
                        "apps[0].jitter: means nothing without schedule (line 1)\n");
    buf_done(&problems);
    manifest_free(&manifest);
}

/* PM2's names, spelt as its documentation does, find the row they belong to. */
static void knows_the_aliases_of_pm2(void **state)
{
    static const char *const pairs[][2] = {
        { "exec", "script" },
        { "exec_interpreter", "interpreter" },
        { "node_args", "interpreter_args" },
        { "interpreterArgs", "interpreter_args" },
        { "nodeArgs", "interpreter_args" },
        { "out", "out_file" },
        { "output", "out_file" },
        { "out_log", "out_file" },
        { "error", "error_file" },
        { "err", "error_file" },
        { "err_file", "error_file" },
        { "errFile", "error_file" },
        { "err_log", "error_file" },
        { "log", "log_file" },
        { "combine_logs", "merge_logs" },
        { "cron", "cron_restart" },
        { "pid", "pid_file" },
        { "user", "uid" },
        { "maxMemoryRestart", "max_memory_restart" },
        { "expBackoffRestartDelay", "exp_backoff_restart_delay" },
        { "env_production", "env_*" },
        { "env_file", "env_file" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct field *field = field_find(&app_fields, pairs[i][0]);

        assert_non_null(field);
        assert_string_equal(field->name, pairs[i][1]);
    }
    assert_null(field_find(&app_fields, "Script"));
    assert_null(field_find(&app_fields, "max_memoryRestart"));
    assert_null(field_find(&app_fields, "envelope"));
    assert_null(field_find(&app_fields, ""));
}

static void tells_all_about_every_field(void **state)
{
    struct manifest_field_info info;
    size_t n = 0;

    (void)state;
    for (; manifest_field_info(n, &info); n++) {
        assert_ptr_equal(field_find(&app_fields, info.name), &app_fields.rows[n]);
        assert_true(strlen(info.wants) > 0 && strlen(info.help) > 0);
        assert_non_null(info.aliases);
        assert_non_null(info.fallback);
    }
    assert_int_equal(n, app_fields.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_types),
        cmocka_unit_test(holds_its_bounds),
        cmocka_unit_test(takes_what_a_kind_allows),
        cmocka_unit_test(takes_its_own_fallback_without_a_word),
        cmocka_unit_test(says_when_a_field_does_nothing),
        cmocka_unit_test(keeps_notes_back_when_there_are_errors),
        cmocka_unit_test(knows_the_aliases_of_pm2),
        cmocka_unit_test(tells_all_about_every_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
