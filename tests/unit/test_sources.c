/* Where apps come from: kept and read again, in another's place, and who holds a name. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "sources.h"

enum { PROBLEMS_MAX = 1 << 20 };

static char root[64];
static struct home home;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/test_sources.XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)unsetenv("OPS_PROFILE");
    home = (struct home){ .path = root, .fd = -1 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static cJSON *json_of(const char *text)
{
    cJSON *json;

    assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static void assert_json(const cJSON *json, const char *want)
{
    cJSON *wanted = json_of(want);

    assert_true(cJSON_Compare(json, wanted, 1));
    cJSON_Delete(wanted);
}

/* A source of a text; only is a JSON list or NULL. */
static struct fleet_source *source_of(const char *path, const char *only, const char *text)
{
    struct fleet_source *source = source_new(path, only ? json_of(only) : NULL);
    struct buf problems;

    assert_non_null(source);
    source->text = (struct manifest_text){ .text = strdup(text),
                                           .n = strlen(text),
                                           .folder = strdup("/srv/fleet") };
    buf_init(&problems, PROBLEMS_MAX);
    if (source_parse(source, &problems) < 0)
        fail_msg("%s", problems.p);
    buf_done(&problems);
    return source;
}

#define APP(name, fields) "{\"name\":\"" name "\",\"script\":\"./run\"" fields "}"

static const struct app *find(const struct sources *sources, const char *name)
{
    struct generation *generation = NULL;
    const struct app *app = sources_find(sources, name, &generation);

    assert_true((app != NULL) == (generation != NULL));
    if (app)
        assert_ptr_equal(manifest_find(&generation->manifest, name), app);
    return app;
}

static int count(const struct sources *sources)
{
    int n = 0;

    for (const struct fleet_source *s = sources->first; s; s = s->next)
        n++;
    return n;
}

/* --- kept in the home */

static void come_back_as_they_were(void **state)
{
    struct sources sources = { 0 }, back = { 0 };
    struct fleet_source *s;
    struct stat st;
    char path[96];

    (void)state;
    s = source_of("/srv/fleet/ecosystem.json", NULL, "[" APP("a", "") "] // \"\\ \xc3\xa9\t\n");
    s->text.profile = strdup("embedded");
    sources_put(&sources, s);
    s = source_of("/srv/other.json", "[\"b\",\"c\"]", "[" APP("b", "") "," APP("x", "") "]");
    s->text.env_name = strdup("production");
    sources_put(&sources, s);
    sources_put(&sources, source_of(NULL, NULL, APP("script", "")));
    sources.deleted = json_of("{\"a\":true}");
    sources.scales = json_of("{\"b\":3}");
    sources.environments = json_of("{\"b\":[\"X=1\",\"Y=a b\"]}");
    assert_int_equal(sources_write(&sources, &home), 0);
    (void)snprintf(path, sizeof path, "%s/manifest", root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    assert_int_equal(sources_load(&back, &home), 0);
    assert_int_equal(count(&back), 3);
    for (const struct fleet_source *a = sources.first, *b = back.first; a;
         a = a->next, b = b->next) {
        assert_null(b->generation);
        assert_true((a->path && b->path) || a->path == b->path);
        if (a->path)
            assert_string_equal(a->path, b->path);
        assert_true(a->only ? cJSON_Compare(a->only, b->only, 1) : !b->only);
        assert_string_equal(a->text.text, b->text.text);
        assert_int_equal(a->text.n, b->text.n);
        assert_string_equal(a->text.folder, b->text.folder);
        assert_true((a->text.profile != NULL) == (b->text.profile != NULL));
        assert_true((a->text.env_name != NULL) == (b->text.env_name != NULL));
    }
    assert_string_equal(back.first->text.profile, "embedded");
    assert_string_equal(back.first->next->text.env_name, "production");
    assert_json(back.deleted, "{\"a\":true}");
    assert_json(back.scales, "{\"b\":3}");
    assert_json(back.environments, "{\"b\":[\"X=1\",\"Y=a b\"]}");

    /* And once more, by what was read. */
    assert_int_equal(sources_write(&back, &home), 0);
    sources_done(&back);
    assert_int_equal(sources_load(&back, &home), 0);
    assert_int_equal(count(&back), 3);
    sources_done(&back);
    sources_done(&sources);
}

static void nothing_comes_back_as_nothing(void **state)
{
    struct sources sources = { 0 }, back = { .first = NULL };

    (void)state;
    assert_int_equal(sources_load(&back, &home), -ENOENT);
    assert_int_equal(sources_write(&sources, &home), 0);
    assert_int_equal(sources_load(&back, &home), 0);
    assert_null(back.first);
    assert_null(back.deleted);
    assert_null(back.scales);
    assert_null(back.environments);
    assert_null(find(&back, "a"));
}

static int allocations_left;

static void *allocate(size_t n)
{
    return allocations_left-- == 0 ? NULL : malloc(n);
}

/* Each allocation in turn finds no memory; those after it do. */
static void without_memory_it_is_kept_and_read_whole_or_not_at_all(void **state)
{
    cJSON_Hooks starved = { .malloc_fn = allocate, .free_fn = free };
    struct sources sources = { 0 }, back = { 0 };
    int failures = 0, r;

    (void)state;
    sources_put(&sources, source_of("/srv/a.json", NULL, "[" APP("a", "") "]"));
    sources.scales = json_of("{\"a\":1}");
    assert_int_equal(sources_write(&sources, &home), 0);
    sources_put(&sources, source_of("/srv/b.json", "[\"b\"]", "[" APP("b", "") "]"));
    cJSON_Delete(sources.scales);
    sources.scales = json_of("{\"a\":2}");
    do {
        allocations_left = failures++;
        cJSON_InitHooks(&starved);
        r = sources_write(&sources, &home);
        cJSON_InitHooks(NULL);
        assert_int_equal(r, r < 0 ? -ENOMEM : 0);
        assert_int_equal(sources_load(&back, &home), 0);
        assert_int_equal(count(&back), r < 0 ? 1 : 2);
        assert_json(back.scales, r < 0 ? "{\"a\":1}" : "{\"a\":2}");
        sources_done(&back);
    } while (r < 0);
    assert_true(failures > 20);
    for (failures = 0, r = -1; r < 0; failures++) {
        allocations_left = failures;
        cJSON_InitHooks(&starved);
        r = sources_load(&back, &home);
        cJSON_InitHooks(NULL);
        assert_int_equal(count(&back), r < 0 ? 0 : 2);
    }
    assert_true(failures > 20);
    sources_done(&back);
    sources_done(&sources);
}

/* Nothing is parsed again that says the same, and what is to be noted of it is noted again. */
static void only_what_was_changed_is_news(void **state)
{
    static const char noted[] = "[" APP("a", ",\"vizion\":true") "]",
                      plain[] = "[" APP("a", "") "]";
    struct fleet_source *source;
    struct buf problems;
    char path[96];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/ecosystem.json", root);
    source = source_new(path, NULL);
    buf_init(&problems, PROBLEMS_MAX);
    assert_int_equal(file_replace(path, noted, strlen(noted), 0600), 0);
    assert_int_equal(source_has_news(source, &problems), 1);
    assert_int_equal(source_read(source, &problems), 0);
    assert_non_null(strstr(problems.p, "apps[0].vizion: is accepted"));
    for (int i = 0; i < 2; i++) {
        buf_clear(&problems);
        assert_int_equal(source_has_news(source, &problems), 0);
        assert_non_null(strstr(problems.p, "apps[0].vizion: is accepted"));
    }
    buf_clear(&problems);
    assert_int_equal(file_replace(path, plain, strlen(plain), 0600), 0);
    assert_int_equal(source_has_news(source, &problems), 1);
    assert_int_equal(source_read(source, &problems), 0);
    assert_int_equal(source_has_news(source, &problems), 0);
    assert_int_equal(problems.len, 0);
    assert_int_equal(setenv("OPS_PROFILE", "embedded", 1), 0);
    assert_int_equal(source_has_news(source, &problems), 1);
    assert_int_equal(unsetenv("OPS_PROFILE"), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(source_has_news(source, &problems), -ENOENT);
    source_free(source);
    buf_done(&problems);
}

static void put_file(const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/manifest", root);
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
}

static void a_broken_file_is_refused(void **state)
{
    static const char *const broken[] = {
        "", "garbage", "{\"sources\":[", "{}x", "{\"sources\":[],\"sources\":[]}", "\xff",
    };
    struct fleet_source *kept = source_of("/x", NULL, APP("a", ""));
    struct sources sources = { .first = kept };

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        put_file(broken[i]);
        if (sources_load(&sources, &home) >= 0)
            fail_msg("taken: %s", broken[i]);
        assert_ptr_equal(sources.first, kept);
    }
    sources_done(&sources);
}

static void what_is_wrong_in_it_is_left_out(void **state)
{
    struct sources sources = { 0 };

    (void)state;
    put_file("{\"sources\":[7,null,{},{\"text\":\"x\"},{\"folder\":\"/\"},"
             "{\"path\":7,\"text\":\"[]\",\"folder\":\"/\",\"profile\":7,\"env_name\":[]},"
             "{\"path\":\"/x\",\"text\":\"x\",\"folder\":\"/\"}],"
             "\"deleted\":[],\"scales\":7,\"environments\":\"x\",\"more\":1}");
    assert_int_equal(sources_load(&sources, &home), 0);
    assert_int_equal(count(&sources), 2);
    assert_null(sources.first->path);
    assert_null(sources.first->text.profile);
    assert_string_equal(sources.first->next->path, "/x");
    assert_null(sources.deleted);
    assert_null(sources.scales);
    assert_null(sources.environments);
    sources_done(&sources);
    put_file("{}");
    assert_int_equal(sources_load(&sources, &home), 0);
    assert_null(sources.first);
    put_file("[]");
    assert_int_equal(sources_load(&sources, &home), 0);
    assert_null(sources.first);
}

/* --- one in another's place */

static void one_with_the_same_path_takes_the_place(void **state)
{
    struct sources sources = { 0 };

    (void)state;
    sources_put(&sources, source_of("/1", NULL, APP("a", ",\"args\":\"old\"")));
    sources_put(&sources, source_of("/2", NULL, APP("b", "")));
    sources_put(&sources, source_of("/3", NULL, APP("c", "")));
    sources_put(&sources, source_of("/1", NULL, APP("a", ",\"args\":\"new\"")));
    sources_put(&sources, source_of("/3", NULL, APP("d", "")));
    assert_int_equal(count(&sources), 3);
    assert_string_equal(sources.first->path, "/1");
    assert_string_equal(sources.first->next->path, "/2");
    assert_string_equal(sources.first->next->next->path, "/3");
    assert_string_equal(find(&sources, "a")->args[0], "new");
    assert_null(find(&sources, "c"));
    assert_non_null(find(&sources, "d"));
    sources_done(&sources);
}

static void a_generation_lives_as_long_as_somebody_needs_it(void **state)
{
    struct fleet_source *source = source_of("/1", NULL, APP("a", ""));
    struct generation *generation = generation_ref(source->generation);
    struct sources sources = { .first = source };

    (void)state;
    sources_put(&sources, source_of("/1", NULL, APP("a", "")));
    assert_ptr_equal(sources.past, source);
    sources_done(&sources);
    assert_int_equal(generation->references, 1);
    assert_string_equal(generation->manifest.apps[0].name, "a");
    generation_unref(generation);
    generation_unref(NULL);
}

static void the_last_one_holds_a_name(void **state)
{
    struct sources sources = { 0 };
    const struct app *first, *second;

    (void)state;
    sources_put(&sources, source_of("/1", NULL, "[" APP("a", "") "," APP("b", "") "]"));
    first = find(&sources, "a");
    assert_true(sources_hold(&sources, sources.first, first));
    sources_put(&sources, source_of("/2", NULL, APP("a", "")));
    second = find(&sources, "a");
    assert_ptr_not_equal(first, second);
    assert_false(sources_hold(&sources, sources.first, first));
    assert_true(sources_hold(&sources, sources.first->next, second));
    assert_true(sources_hold(&sources, sources.first, find(&sources, "b")));
    /* Read again, the first one still comes first. */
    sources_put(&sources, source_of("/1", NULL, APP("a", "")));
    assert_ptr_equal(find(&sources, "a"), second);
    sources.deleted = json_of("{\"a\":true}");
    assert_false(sources_hold(&sources, sources.first->next, second));
    assert_ptr_equal(find(&sources, "a"), second);
    sources_done(&sources);
}

static void only_what_was_asked_for_is_there(void **state)
{
    struct sources sources = { 0 };

    (void)state;
    sources_put(&sources, source_of("/1", NULL, "[" APP("a", "") "," APP("b", "") "]"));
    sources_put(&sources, source_of("/2", "[\"b\",\"nobody\"]",
                                    "[" APP("a", "") "," APP("b", "") "," APP("c", "") "]"));
    assert_ptr_equal(find(&sources, "a"), &sources.first->generation->manifest.apps[0]);
    assert_ptr_equal(find(&sources, "b"), &sources.first->next->generation->manifest.apps[1]);
    assert_null(find(&sources, "c"));
    assert_null(find(&sources, "nobody"));
    assert_false(sources_hold(&sources, sources.first->next,
                              &sources.first->next->generation->manifest.apps[2]));
    sources_done(&sources);
}

/* --- scripts */

static void scripts_are_told_apart_by_name(void **state)
{
    struct sources sources = { 0 };

    (void)state;
    sources_put(&sources, source_of("/1", NULL, APP("a", "")));
    sources_put(&sources, source_of(NULL, NULL, APP("one", ",\"args\":\"old\"")));
    sources_put(&sources, source_of(NULL, NULL, APP("two", "")));
    assert_int_equal(count(&sources), 3);
    sources_put(&sources, source_of(NULL, NULL, APP("one", ",\"args\":\"new\"")));
    assert_int_equal(count(&sources), 3);
    assert_string_equal(find(&sources, "one")->args[0], "new");
    assert_non_null(find(&sources, "two"));
    /* A file is not a script, whatever it is called. */
    sources_put(&sources, source_of(NULL, NULL, APP("a", "")));
    assert_int_equal(count(&sources), 4);
    sources_put(&sources, source_of("/4", NULL, APP("one", "")));
    assert_int_equal(count(&sources), 5);
    sources_done(&sources);
}

/* --- how many */

static void instances_are_counted(void **state)
{
    int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct sources sources = { 0 };

    (void)state;
    sources_put(
        &sources,
        source_of("/1", NULL,
                  "[" APP("one", "") "," APP("three", ",\"instances\":3") "," APP(
                      "every", ",\"instances\":\"max\"") "," APP("less", ",\"instances\":-1") "]"));
    assert_int_equal(sources_instances(&sources, find(&sources, "one")), 1);
    assert_int_equal(sources_instances(&sources, find(&sources, "three")), 3);
    assert_int_equal(sources_instances(&sources, find(&sources, "every")), processors);
    assert_int_equal(sources_instances(&sources, find(&sources, "less")),
                     processors > 1 ? processors - 1 : 1);
    sources.scales = json_of("{\"three\":5,\"one\":2,\"less\":\"x\"}");
    assert_int_equal(sources_instances(&sources, find(&sources, "three")), 5);
    assert_int_equal(sources_instances(&sources, find(&sources, "one")), 2);
    assert_int_equal(sources_instances(&sources, find(&sources, "less")),
                     processors > 1 ? processors - 1 : 1);
    /* What a damaged file says must not fill the machine. */
    cJSON_Delete(sources.scales);
    sources.scales = json_of("{\"three\":1000000000,\"one\":-5,\"every\":0}");
    assert_in_range(sources_instances(&sources, find(&sources, "three")), 1,
                    MANIFEST_INSTANCES_MAX);
    assert_in_range(sources_instances(&sources, find(&sources, "one")), 1, MANIFEST_INSTANCES_MAX);
    assert_in_range(sources_instances(&sources, find(&sources, "every")), 1,
                    MANIFEST_INSTANCES_MAX);
    sources_done(&sources);
}

/* --- read from the disk */

static void a_file_is_read_whole_or_not_at_all(void **state)
{
    struct fleet_source *source;
    struct generation *before;
    struct buf problems;
    char path[96];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/a.json", root);
    assert_int_equal(file_replace(path, APP("a", ",\"env_x\":{\"V\":\"1\"}"),
                                  strlen(APP("a", ",\"env_x\":{\"V\":\"1\"}")), 0600),
                     0);
    source = source_new(path, NULL);
    assert_non_null(source);
    source->text.env_name = strdup("x");
    buf_init(&problems, PROBLEMS_MAX);
    assert_int_equal(source_read(source, &problems), 0);
    assert_string_equal(source->text.env_name, "x");
    assert_string_equal(source->generation->manifest.apps[0].name, "a");
    before = source->generation;

    assert_int_equal(file_replace(path, "[{]", 3, 0600), 0);
    assert_true(source_read(source, &problems) < 0);
    assert_true(problems.len > 0);
    assert_ptr_equal(source->generation, before);
    assert_non_null(strstr(source->text.text, "env_x"));
    assert_int_equal(unlink(path), 0);
    buf_clear(&problems);
    assert_int_equal(source_read(source, &problems), -ENOENT);
    assert_ptr_equal(source->generation, before);
    assert_string_equal(source->text.env_name, "x");
    buf_done(&problems);
    source_free(source);
    source_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(come_back_as_they_were),
        TEST(nothing_comes_back_as_nothing),
        TEST(without_memory_it_is_kept_and_read_whole_or_not_at_all),
        TEST(only_what_was_changed_is_news),
        TEST(a_broken_file_is_refused),
        TEST(what_is_wrong_in_it_is_left_out),
        TEST(one_with_the_same_path_takes_the_place),
        TEST(a_generation_lives_as_long_as_somebody_needs_it),
        TEST(the_last_one_holds_a_name),
        TEST(only_what_was_asked_for_is_there),
        TEST(scripts_are_told_apart_by_name),
        TEST(instances_are_counted),
        TEST(a_file_is_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
