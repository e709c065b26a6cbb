/* The manifest as a whole: its forms, what is refused and in which words, who is in the fleet. The
 * fields are tested in test_manifest_app.c and test_manifest_fields.c. */
#include "test.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "manifest_text.h"

struct refusal {
    const char *title, *text, *wants; /* the whole of problems */
};

#define TEN_LINES "\n\n\n\n\n\n\n\n\n\n"
#define APP(name) "{\"name\": \"" name "\", \"script\": \"run\"}"

/* clang-format off */
static const struct refusal refusals[] = {
    { "the line of a value far down",
      "{\"apps\": [" APP("a") "," APP("b") "," APP("c") ",{\"script\": \"run\"," TEN_LINES TEN_LINES
      TEN_LINES TEN_LINES "\"max_restarts\": \"ten\"}]}",
      "apps[3].max_restarts: want a whole number from 0, got \"ten\" (line 41)\n" },
    { "an unknown field", "{\"script\": \"run\",\n\"max_restart\": 3}",
      "apps[0].max_restart: unknown field, did you mean \"max_restarts\"? (line 2)\n" },
    { "the line of a value behind comments", "/* a\n\n */ // b\n{\"script\": \"run\", \"xyzzy\": 3}",
      "apps[0].xyzzy: unknown field (line 4)\n" },
    { "an unknown field like no other", "{\"script\": \"run\", \"xyzzy plugh\": 3}",
      "apps[0].\"xyzzy plugh\": unknown field (line 1)\n" },
    { "several errors at once",
      "[{\"script\": 1},\n{\"name\": \"all\"},\n7]",
      "apps[0].script: want a text that is not empty, got 1 (line 1)\n"
      "apps[1].name: want a name of letters, digits, dots, dashes and underscores (at most 64, the "
      "first no dot or dash, not all digits, not \"all\"), got \"all\" (line 2)\n"
      "apps[1].script: is missing: the program to run (line 2)\n"
      "apps[2]: want an object, got 7 (line 3)\n" },
    { "a name given twice", "{\"script\": \"run\",\n\"cwd\": \"a\",\n\"cwd\": \"b\"}",
      "apps[0].cwd: is given twice, first on line 2 (line 3)\n" },
    { "twice within a value", "[{\"script\": \"run\", \"env\": {\"A\": 1,\n\"A\": 2}}]",
      "apps[0].env.A: is given twice, first on line 1 (line 2)\n" },
    { "the list of apps twice", "{\"apps\": [],\n\"apps\": []}",
      "apps: is given twice, first on line 1 (line 2)\n" },
    { "two names of one field", "{\"script\": \"run\",\n\"exec\": \"run\"}",
      "apps[0].exec: is another name of script, given on line 1 (line 2)\n" },
    { "two apps of one name", "[" APP("a") "," APP("b") ",\n" APP("a") "]",
      "apps[2].name: \"a\" is the name of apps[0] (line 1), too (line 2)\n" },
    { "two apps of one name by their scripts", "[{\"script\": \"x/web.js\"}, {\"script\": \"web.py\"}]",
      "apps[1].name: \"web\" is the name of apps[0] (line 1), too (line 1)\n" },
    { "one name in profiles that meet",
      "[{\"name\": \"a\", \"script\": \"run\", \"profiles\": [\"p\", \"q\"]},"
      "{\"name\": \"a\", \"script\": \"run\", \"profiles\": [\"q\"]}]",
      "apps[1].name: \"a\" is the name of apps[0] (line 1), too (line 1)\n" },
    { "a file name that is no name", "{\"script\": \"./my app.sh\"}",
      "apps[0].name: the script's file name will not do: want a name of letters, digits, dots, dashes "
      "and underscores (at most 64, the first no dot or dash, not all digits, not \"all\") (line 1)\n" },
    { "an unknown dependency",
      "[{\"name\": \"web\", \"script\": \"run\",\n\"depends_on\": [\"databse\"]}," APP("database") "]",
      "apps[0].depends_on.databse: no such app, did you mean \"database\"? (line 2)\n" },
    { "an unknown dependency like no other", "{\"script\": \"run\", \"depends_on\": [\"\\n\"]}",
      "apps[0].depends_on.\\n: no such app (line 1)\n" },
    { "an unknown condition", "[" APP("a") ",{\"script\": \"b\", \"depends_on\": {\"a\": \"redy\"}}]",
      "apps[1].depends_on.a: want one of ready completed started, or {\"condition\": one of them}, "
      "got \"redy\" (line 1)\n" },
    { "a circle",
      "[{\"script\": \"a\", \"depends_on\": [\"b\"]},\n{\"script\": \"b\", \"depends_on\": [\"c\"]},\n"
      "{\"script\": \"c\", \"depends_on\": {\"a\": {\"condition\": \"started\"}}}]",
      "depends_on: a cycle: a -> b -> c -> a (line 1)\n" },
    { "a circle of one", "{\"script\": \"a\", \"depends_on\": [\"a\"]}",
      "depends_on: a cycle: a -> a (line 1)\n" },
    { "a circle off the way",
      "[{\"script\": \"a\", \"depends_on\": [\"b\"]},\n{\"script\": \"b\", \"depends_on\": [\"b\"]}]",
      "depends_on: a cycle: b -> b (line 2)\n" },
    { "a schedule and a restart by cron",
      "{\"script\": \"run\", \"schedule\": \"@daily\", \"cron_restart\": \"@daily\"}",
      "apps[0].schedule: cannot be given together with cron_restart (line 1)\n" },
    { "two kinds of delay", "{\"script\": \"run\", \"backoff\": {}, \"restart_delay\": 5}",
      "apps[0].backoff: cannot be given together with restart_delay (line 1)\n" },
    { "a back-off that shrinks", "{\"script\": \"run\", \"backoff\": {\"initial\": \"1m\"}}",
      "apps[0].backoff: the first delay is longer than the longest (line 1)\n" },
    { "an unknown part of a value", "{\"script\": \"run\", \"backoff\": {\"factr\": 2}}",
      "apps[0].backoff.factr: unknown field, did you mean \"factor\"? (line 1)\n" },
    { "a window that cannot be counted",
      "{\"script\": \"run\", \"restart_window\": \"1h\", \"max_restarts\": 129}",
      "apps[0].restart_window: counts at most 128 exits: lower max_restarts (line 1)\n" },
    { "two ways to be ready", "{\"script\": \"run\", \"ready\": \"notify\", \"wait_ready\": true}",
      "apps[0].ready: cannot be given together with wait_ready (line 1)\n" },
    { "no command to ask", "{\"script\": \"run\", \"ready\": {\"exec\": []}}",
      "apps[0].ready: the command is empty (line 1)\n" },
    { "a descriptor that listen takes",
      "{\"script\": \"run\", \"ready\": {\"fd\": 4},\n"
      "\"listen\": [\"tcp://127.0.0.1:1\", \"tcp://127.0.0.1:2\"]}",
      "apps[0].ready: descriptor 4 is one of the sockets of listen: take one from 5 (line 1)\n" },
    { "an address twice",
      "{\"script\": \"run\", \"listen\": [\"tcp://[::1]:80\",\n\"tcp://[0::1]:80\"]}",
      "apps[0].listen[1]: this address is in the list already (line 2)\n" },
    { "an address that has to be looked up",
      "{\"script\": \"run\", \"listen\": [\"tcp://localhost:80\"]}",
      "apps[0].listen[0]: want an address such as tcp://127.0.0.1:8080, tcp://[::1]:8080 or "
      "unix:///path (at most 107 bytes), got \"tcp://localhost:80\" (line 1)\n" },
    { "a URL that is not plain http",
      "{\"script\": \"run\", \"ready\": {\"http\": \"https://127.0.0.1/\"}}",
      "apps[0].ready.http: want a URL that begins with http:// (line 1)\n" },
    { "a limit that is none", "{\"script\": \"run\", \"limits\": {\"nofiles\": 10}}",
      "apps[0].limits.nofiles: unknown field, did you mean \"nofile\"? (line 1)\n" },
    { "a script with arguments", "{\"name\": \"a\", \"script\": \"npm start\"}",
      "apps[0].script: is a command line: put the program here and the rest into args (line 1)\n" },
    { "an open quote", "{\"script\": \"run\", \"args\": \"-m 'it is\"}",
      "apps[0].args: a quote is not closed (line 1)\n" },
    { "a variable that cannot be", "{\"script\": \"run\", \"env\": {\"A=B\": 1}}",
      "apps[0].env.\"A=B\": a variable's name cannot be empty or hold an equals sign (line 1)\n" },
    { "a number that JSON does not keep", "{\"script\": \"run\", \"env\": {\"A\": 9007199254740994}}",
      "apps[0].env.A: a number this large is not exact in JSON: put it in quotes (line 1)\n" },
    { "an element of a list", "{\"script\": \"run\", \"profiles\": [\"a\",\n2]}",
      "apps[0].profiles[1]: want a text, got 2 (line 2)\n" },
    { "escape sequences are shown, not sent",
      "{\"script\": \"run\", \"overlap\": \"\\u001b[31mred\"}",
      "apps[0].overlap: want one of skip queue, got \"\\x1b[31mred\" (line 1)\n" },
    { "a long value is cut",
      "{\"script\": \"run\", \"kill_signal\": \"" "0123456789012345678901234567890123456789"
      "012345678901234567890123456789\"}",
      "apps[0].kill_signal: want a signal's name or number, got \"01234567890123456789012345678901234"
      "56789012345678901234567890123\"... (line 1)\n" },
    { "a long value is cut between characters",
      "{\"script\": \"run\", \"overlap\": \"a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
      "012345678901234567890123456789012345678901\xc3\xa9 and more\"}",
      "apps[0].overlap: want one of skip queue, got \"a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
      "012345678901234567890123456789012345678901\"... (line 1)\n" },
    { "a field beside the list", "{\"apps\": [],\n\"env\": {}}",
      "env: unknown beside \"apps\": it belongs into an app (line 2)\n" },
    { "a misspelt list", "{\"aps\": []}",
      "line 1: neither \"apps\" nor, for a single app, \"script\" is in it\n" },
    { "no list", "{\"apps\": null}", "apps: want a list of apps, or one, got null (line 1)\n" },
    { "neither list nor object", "5", "apps: want a list of apps, or one, got 5 (line 1)\n" },

    /* JSON */
    { "nothing", "", "line 1, column 1: want a value, got the end of the file\n" },
    { "no end", "{\n", "line 2, column 1: want a name in double quotes, got the end of the file\n" },
    { "a comma too many", "[1,\n ]", "line 1, column 3: a comma too many\n" },
    { "a comma after the last member", "{\"a\": {\"b\": 1 , // the last\n}}", "line 1, column 15: a comma too many\n" },
    { "only a comma", "[,]", "line 1, column 2: want a value, got ,\n" },
    { "two commas", "[1,,2]", "line 1, column 4: want a value, got ,\n" },
    { "PM2's JavaScript", "// all of them\nmodule.exports = {apps: []}", "JavaScript is not read; write it as JSON\n" },
    { "newer JavaScript", "export default {apps: []}", "JavaScript is not read; write it as JSON\n" },
    { "a comma too few", "{\"a\": 1\n\"b\": 2}", "line 2, column 1: want , or } after a member, got \"\n" },
    { "no comma in a list", "[1 2]", "line 1, column 4: want , or ] after an element, got 2\n" },
    { "no colon", "{\"a\" 1}", "line 1, column 6: want : after the name, got 1\n" },
    { "a name without quotes", "{a: 1}", "line 1, column 2: want a name in double quotes, got a\n" },
    { "an unknown word", "[nul]", "line 1, column 2: want a value, got n\n" },
    { "more behind", "[] []", "line 1, column 4: want nothing more after the value, got [\n" },
    { "a leading zero", "[01]", "line 1, column 3: want a number without leading zeros, got 1\n" },
    { "no digit behind the point", "[1.]", "line 1, column 4: want a digit, got ]\n" },
    { "no digit in the exponent", "[1e+]", "line 1, column 5: want a digit, got ]\n" },
    { "only a sign", "[-]", "line 1, column 3: want a digit, got ]\n" },
    { "a number beyond cJSON's buffer",
      "[0.12345678901234567890123456789012345678901234567890123456789012345678901234567890]",
      "line 1, column 84: want a shorter number, got ]\n" },
    { "an open text", "[\"a\n\"]",
      "line 1, column 4: want the rest of a text and its closing quote, got the end of the line\n" },
    { "a control character", "[\"\001\"]",
      "line 1, column 3: want the rest of a text and its closing quote, got byte 0x01\n" },
    { "an unknown escape", "[\"\\x\"]",
      "line 1, column 4: want one of \" \\ / b f n r t u after \\, got x\n" },
    { "a NUL in a text", "[\"\\u0000\"]", "line 1, column 9: want a text without \\u0000, got \"\n" },
    { "not hexadecimal", "[\"\\u12g4\"]",
      "line 1, column 7: want four hexadecimal digits after \\u, got g\n" },
    { "half a pair", "[\"\\ud800\"]",
      "line 1, column 9: want a surrogate pair (\\ud83d\\ude00), got \"\n" },
    { "half a pair and another", "[\"\\ud800\\u0041\"]",
      "line 1, column 15: want the second half of a surrogate pair, got \"\n" },
    { "columns are characters", "[\"\xc3\xa9\xc3\xa9\" 1]",
      "line 1, column 7: want , or ] after an element, got 1\n" },
    { "a comment without end", "[\n/* ]", "line 2: the comment that starts here has no end\n" },
    { "half a comment", "[] /", "line 1, column 4: want nothing more after the value, got /\n" },
    { "not UTF-8", "[\n\"\xc3\x28\"]", "line 2: not UTF-8\n" },
    { "too deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "line 1, column 33: nested deeper than 32\n" },
};
/* clang-format on */

static void refuses_in_words_and_leaves_ret_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *c = &refusals[i];
        struct manifest manifest;
        struct manifest untouched;
        struct buf problems;

        memset(&manifest, 0x5a, sizeof manifest);
        untouched = manifest;
        if (manifest_of(c->text, NULL, &manifest, &problems) != -EINVAL)
            fail_msg("%s: accepted", c->title);
        if (!problems.p || strcmp(problems.p, c->wants) != 0)
            fail_msg("%s:\n%s, wanted\n%s", c->title, problems.p, c->wants);
        assert_memory_equal(&manifest, &untouched, sizeof manifest);
        buf_done(&problems);
    }
}

static void refuses_what_is_too_large(void **state)
{
    size_t n = MANIFEST_BYTES_MAX + 1;
    char *text = malloc(n);
    struct manifest_source source = { .text = text, .n = n, .folder = "/" };
    struct manifest manifest;
    struct buf problems;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', n);
    memcpy(text, "[]", 2);
    buf_init(&problems, PROBLEMS_BYTES_MAX);
    assert_int_equal(manifest_parse(&source, &manifest, &problems), -E2BIG);
    assert_string_equal(problems.p, "the manifest has 4194305 bytes, at most 4194304 are read\n");
    source.n--;
    assert_int_equal(manifest_parse(&source, &manifest, &problems), 0);
    manifest_free(&manifest);
    buf_clear(&problems);
    source.text = "[]\n\0";
    source.n = 4;
    assert_int_equal(manifest_parse(&source, &manifest, &problems), -EINVAL);
    assert_string_equal(problems.p, "line 2: a NUL byte\n");
    buf_done(&problems);
    free(text);
}

/* A file that is wrong everywhere: a bounded number of errors, and the rest counted. */
static void bounds_what_it_says(void **state)
{
    struct buf text, problems;
    struct manifest manifest;

    (void)state;
    buf_init(&text, MANIFEST_BYTES_MAX);
    assert_int_equal(buf_add_text(&text, "{\"script\": \"run\""), 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_printf(&text, ", \"unknown%d\": 0", i), 0);
    assert_int_equal(buf_add_text(&text, "}"), 0);
    assert_int_equal(manifest_of(text.p, NULL, &manifest, &problems), -EINVAL);
    assert_non_null(strstr(problems.p, "\napps[0].unknown999: unknown field (line 1)\n"));
    assert_null(strstr(problems.p, "unknown1000"));
    assert_non_null(strstr(problems.p, "\nand 2000 more\n"));
    buf_done(&problems);
    buf_done(&text);
}

static void reads_every_form(void **state)
{
    static const char *const forms[] = {
        "{\"apps\": [{\"script\": \"run\"}]}",
        "{\"apps\": {\"script\": \"run\"}, \"deploy\": {}}",
        "[{\"script\": \"run\"}]",
        "{\"script\": \"run\"}",
        "\xef\xbb\xbf{ // a \"comment\"\r\n\"script\": /* \" */ \"run\" } // the end",
        "{\"script\": \"run\", \"name\": null, \"max_restarts\": null}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct manifest manifest = parsed(forms[i], NULL);

        assert_int_equal(manifest.count, 1);
        assert_string_equal(manifest.apps[0].name, "run");
        assert_int_equal(manifest.apps[0].line, 1);
        manifest_free(&manifest);
    }
}

static void leaves_other_profiles_out(void **state)
{
    static const char text[] =
        "[{\"name\": \"db\", \"script\": \"run\", \"profiles\": [\"embedded\", \"test\"]},"
        "{\"name\": \"db\", \"script\": \"other\", \"profiles\": \"remote\"},"
        "{\"name\": \"sandbox\", \"script\": \"run\", \"profiles\": [\"test\"]},"
        "{\"name\": \"web\", \"script\": \"run\","
        " \"depends_on\": {\"sandbox\": \"started\", \"db\": \"completed\"}}]";
    static const struct {
        const char *profile;
        size_t apps, dependencies;
        const char *db;
    } cases[] = {
        { NULL, 1, 0, NULL },        { "other", 1, 0, NULL }, { "embedded", 2, 1, "run" },
        { "remote", 2, 1, "other" }, { "test", 3, 2, "run" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manifest manifest = parsed(text, cases[i].profile);
        const struct app *web = manifest_find(&manifest, "web");
        const struct app *db = manifest_find(&manifest, "db");

        assert_int_equal(manifest.count, cases[i].apps);
        assert_int_equal(web->depends_count, cases[i].dependencies);
        assert_string_equal(db ? db->script : "none", cases[i].db ?: "none");
        manifest_free(&manifest);
    }
}

static void reads_dependencies_in_every_spelling(void **state)
{
    struct manifest manifest = parsed(
        "{\"apps\": [" APP("a") "," APP("b") "," APP("c") "," APP(
            "d") ",{\"script\": \"x\", \"depends_on\": {\"a\": \"ready\",\n"
                 "\"b\": {\"condition\": \"started\"}, \"c\": \"completed\", "
                 "\"d\": {}}}, {\"script\": \"y\", \"depends_on\": [\"x\"]}]}",
        NULL);
    const struct app *x = manifest_find(&manifest, "x"), *y = manifest_find(&manifest, "y");

    (void)state;
    assert_int_equal(x->depends_count, 4);
    assert_string_equal(x->depends_on[1].name, "b");
    assert_int_equal(x->depends_on[0].condition, DEPENDENCY_READY);
    assert_int_equal(x->depends_on[1].condition, DEPENDENCY_STARTED);
    assert_int_equal(x->depends_on[1].line, 2);
    assert_int_equal(x->depends_on[2].condition, DEPENDENCY_COMPLETED);
    assert_int_equal(x->depends_on[3].condition, DEPENDENCY_READY);
    assert_int_equal(y->depends_count, 1);
    assert_int_equal(y->depends_on[0].condition, DEPENDENCY_READY);
    assert_null(manifest_find(&manifest, "z"));
    manifest_free(&manifest);
}

/* A chain and a circle as long as a manifest may be. */
static void walks_the_longest_chain(void **state)
{
    struct manifest manifest;
    struct buf text, problems;

    (void)state;
    buf_init(&text, MANIFEST_BYTES_MAX);
    for (int i = 0; i < MANIFEST_APPS_MAX; i++)
        assert_int_equal(
            buf_printf(&text, "%c{\"name\":\"n%d\",\"script\":\"x\",\"depends_on\":[\"n%d\"]}",
                       i ? ',' : '[', i, (i + 1) % MANIFEST_APPS_MAX),
            0);
    assert_int_equal(buf_add_text(&text, "]"), 0);
    assert_int_equal(manifest_of(text.p, NULL, &manifest, &problems), -EINVAL);
    assert_int_equal(strncmp(problems.p, "depends_on: a cycle: n0 -> ... -> n", 35), 0);
    buf_done(&problems);
    text.p[text.len - 1] = ',';
    assert_int_equal(buf_add_text(&text, APP("extra") "]"), 0);
    assert_int_equal(manifest_of(text.p, NULL, &manifest, &problems), -EINVAL);
    assert_string_equal(problems.p, "apps: 4097 apps, at most 4096 are read (line 1)\n");
    buf_done(&problems);
    buf_done(&text);
}

static size_t allocations_left;

static void *allocate_some(size_t n)
{
    if (!allocations_left)
        return NULL;
    allocations_left--;
    return malloc(n);
}

/* cJSON runs out of memory at its first, second, third ... allocation, until one parse gets
 * through. */
static void survives_a_lack_of_memory(void **state)
{
    static const char text[] =
        "{\"apps\": [{\"script\": \"run\", \"env\": {\"A\": 1}, \"watch\": true}]}";
    cJSON_Hooks hooks = { .malloc_fn = allocate_some, .free_fn = free };
    struct manifest manifest;
    struct buf problems;
    size_t n = 0;
    int r;

    (void)state;
    cJSON_InitHooks(&hooks);
    do {
        allocations_left = n++;
        r = manifest_of(text, NULL, &manifest, &problems);
        if (r == -ENOMEM)
            assert_string_equal(problems.p, "out of memory\n");
        buf_done(&problems);
    } while (r == -ENOMEM);
    cJSON_InitHooks(NULL);
    assert_int_equal(r, 0);
    assert_in_range(n, 10, 1000);
    manifest_free(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_in_words_and_leaves_ret_alone),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(bounds_what_it_says),
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(leaves_other_profiles_out),
        cmocka_unit_test(reads_dependencies_in_every_spelling),
        cmocka_unit_test(walks_the_longest_chain),
        cmocka_unit_test(survives_a_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
