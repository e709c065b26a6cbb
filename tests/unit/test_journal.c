/* The journal: it comes back as it was written, whatever happened to the file. */
#include "journal_home.h"

#include "file.h"

/* --- as it should be */

static void comes_back_as_it_was(void **state)
{
    struct journal journal;
    struct stat st;
    struct read read;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 1234567890123, add_letters, all), 0);
    assert_names("xyz");
    add(&journal, "a");
    add(&journal, "b");
    assert_names("xyz");
    flush(&journal);
    assert_names("xyzab");
    flush(&journal);
    add(&journal, "c");
    flush(&journal);
    journal_close(&journal);
    read = read_back();
    assert_string_equal(read.names, "xyzabc");
    assert_true(read.same_boot);
    assert_false(read.left);
    assert_int_equal(read.since_ms, 1234567890123);
    assert_int_equal(fstatat(home_fd, "journal", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void an_empty_home_has_no_lines(void **state)
{
    struct read read = read_back();

    (void)state;
    assert_string_equal(read.names, "");
    assert_false(read.same_boot);
    assert_false(read.left);
}

static void any_text_stays_on_its_line(void **state)
{
    static const char text[] = "a\nb\t\"\\\x01\x7f\xc3\xa9";
    struct journal_lines lines;
    struct journal journal;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, (char[]){ "" }), 0);
    add(&journal, text);
    add(&journal, "b");
    flush(&journal);
    journal_close(&journal);
    assert_int_equal(journal_read(home_fd, &lines), 0);
    assert_int_equal(lines.count, 2);
    assert_string_equal(json_get_text(lines.lines[0], "name"), text);
    journal_lines_free(&lines);
}

static void tells_an_ordered_end(void **state)
{
    static const char left[] = "{\"name\":\"a\"}\n{\"left\":true}\n",
                      after[] = "{\"left\":true}\n{\"name\":\"a\"}\n";

    (void)state;
    put_after_header("journal", left, sizeof left - 1);
    assert_true(read_back().left);
    put_after_header("journal", after, sizeof after - 1);
    assert_false(read_back().left);
}

static void tells_another_boot(void **state)
{
    static const char other[] = "{\"journal\":1,\"boot\":\"0-0\"}\n{\"name\":\"a\"}\n",
                      none[] = "{\"journal\":1,\"boot\":\"\"}\n{\"name\":\"a\"}\n";

    (void)state;
    put_file("journal", other, sizeof other - 1);
    assert_false(read_back().same_boot);
    assert_names("a");
    put_file("journal", none, sizeof none - 1);
    assert_false(read_back().same_boot);
    assert_names("a");
}

static void is_written_anew_once_it_has_grown(void **state)
{
    struct journal journal;
    int64_t largest = 0;
    char pad[PAD_BYTES + 1];
    int rewritten = 0;

    (void)state;
    memset(pad, 'p', PAD_BYTES);
    pad[PAD_BYTES] = '\0';
    assert_int_equal(journal_begin(&journal, home_fd, 7, add_letters, all), 0);
    for (int i = 0; i < 200; i++) {
        int64_t before = size_of("journal");

        add(&journal, pad);
        flush(&journal);
        largest = before > largest ? before : largest;
        if (size_of("journal") > before)
            continue;
        rewritten++;
        assert_names("xyz");
        assert_int_equal(size_of("journal.previous"), before);
        assert_int_equal(read_back().since_ms, 7);
    }
    assert_true(rewritten >= 2);
    assert_in_range(largest, JOURNAL_SMALL_BYTES - 2 * PAD_BYTES, JOURNAL_SMALL_BYTES);
    add(&journal, "a");
    flush(&journal);
    journal_close(&journal);
    assert_int_equal(read_back().since_ms, 7);
    assert_int_equal(size_of("journal.new"), -ENOENT);
}

/* A fleet that is large by itself is not written anew each time. */
static void is_not_written_anew_for_its_own_size(void **state)
{
    struct journal journal;
    char *large = malloc(JOURNAL_SMALL_BYTES);
    struct stat before, after;

    (void)state;
    assert_non_null(large);
    memset(large, 'l', JOURNAL_SMALL_BYTES - 1);
    large[JOURNAL_SMALL_BYTES - 1] = '\0';
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, large), 0);
    assert_true(size_of("journal") > JOURNAL_SMALL_BYTES);
    assert_int_equal(fstatat(home_fd, "journal", &before, 0), 0);
    for (int i = 0; i < 10; i++) {
        add(&journal, "a");
        journal_flush(&journal, add_letters, large);
    }
    assert_int_equal(fstatat(home_fd, "journal", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    journal_close(&journal);
    free(large);
}

enum { LARGE_LINES = 20, LARGE_LINE_BYTES = 1 << 20 };

static void add_large(struct journal *journal, void *context)
{
    for (int i = 0; i < LARGE_LINES; i++)
        add(journal, context);
}

/* A fleet so large that it may not grow to several times its size stays short enough to be read. */
static void never_grows_beyond_what_is_read(void **state)
{
    char *line = calloc(1, LARGE_LINE_BYTES + 1);
    struct journal journal;

    (void)state;
    assert_non_null(line);
    memset(line, 'l', LARGE_LINE_BYTES);
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_large, line), 0);
    for (int i = 0; i < 3 * LARGE_LINES; i++) {
        add(&journal, line);
        journal_flush(&journal, add_large, line);
        assert_in_range(size_of("journal"), LARGE_LINES * LARGE_LINE_BYTES, JOURNAL_BYTES_MAX);
    }
    journal_close(&journal);
    free(line);
}

static void what_there_was_no_room_for_is_not_missing(void **state)
{
    struct journal journal;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, all), 0);
    add(&journal, "a");
    journal_add(&journal, NULL);
    flush(&journal);
    assert_names("xyz");
    add(&journal, "b");
    flush(&journal);
    journal_close(&journal);
    assert_names("xyzb");
}

/* --- damage */

static void leaves_out_what_cannot_be_read(void **state)
{
    /* clang-format off */
    static const struct {
        const char *title, *bytes;
        size_t n;
        const char *want;
    } rows[] = {
        { "nothing", BYTES(""), "" },
        { "the last line was cut", BYTES("{\"name\":\"a\"}\n{\"name\":\"b"), "a" },
        { "only its end was cut", BYTES("{\"name\":\"a\"}\n{\"name\":\"b\"}"), "ab" },
        { "cut, and another was written behind it",
          BYTES("{\"name\":\"a\"}\n{\"na{\"name\":\"b\"}\n{\"name\":\"c\"}\n"), "ac" },
        { "empty lines", BYTES("\n\n{\"name\":\"a\"}\n\n"), "a" },
        { "NUL bytes at the end", BYTES("{\"name\":\"a\"}\n\0\0\0\0"), "a" },
        { "a line of NUL bytes", BYTES("{\"name\":\"a\"}\n\0\0\0\n{\"name\":\"b\"}\n"), "ab" },
        { "NUL bytes in front of a line", BYTES("\0\0{\"name\":\"a\"}\n{\"name\":\"b\"}\n"), "b" },
        { "a NUL byte in a line", BYTES("{\"name\":\"\0\"}\n{\"name\":\"b\"}\n"), "b" },
        { "no UTF-8", BYTES("{\"name\":\"\xff\"}\n{\"name\":\"b\"}\n"), "b" },
        { "a key twice", BYTES("{\"name\":\"a\",\"name\":\"a\"}\n{\"name\":\"b\"}\n"), "b" },
        { "more behind it", BYTES("{\"name\":\"a\"} x\n{\"name\":\"b\"}\n"), "b" },
        { "no objects", BYTES("17\n[]\n\"x\"\nnull\n{\"name\":\"b\"}\n"), "????b" },
        { "a name that is none", BYTES("{\"name\":17}\n{\"name\":\"b\"}\n"), "?b" },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct read read;

        put_after_header("journal", rows[i].bytes, rows[i].n);
        read = read_back();
        if (strcmp(read.names, rows[i].want) != 0)
            fail_msg("%s: want \"%s\", got \"%s\"", rows[i].title, rows[i].want, read.names);
        assert_true(read.same_boot);
    }
}

/* Whatever becomes of one byte: the line says what it said, or nothing; the others are there. */
static void a_damaged_line_says_nothing_else(void **state)
{
    struct journal journal;
    struct read read;
    OWN(free) char *text = NULL;
    char path[80];
    size_t n, from;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/journal", root);
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, all), 0);
    journal_close(&journal);
    assert_int_equal(file_read(path, JOURNAL_BYTES_MAX, &text, &n), 0);
    from = (size_t)(strstr(text, "{\"name\":\"y") - text);
    for (size_t at = from; text[at] != '\n'; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] ^= (char)(1 << bit);
            put_file("journal", text, n);
            text[at] ^= (char)(1 << bit);
            read = read_back();
            assert_true(read.same_boot);
            if (strcmp(read.names, "xyz") != 0 && strcmp(read.names, "xz") != 0)
                fail_msg("byte %zu, bit %d: \"%s\"", at - from, bit, read.names);
        }
    }
}

static void one_that_is_damaged_is_done_without(void **state)
{
    /* clang-format off */
    static const struct {
        const char *title, *bytes;
        size_t n;
    } rows[] = {
        { "emptied", BYTES("") },
        { "one line of garbage", BYTES("garbage") },
        { "several", BYTES("garbage\nand more\n") },
        { "a picture", BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n\n") },
        { "zeros", BYTES("\0\0\0\0\0\0\0\0") },
        { "a newline", BYTES("\n") },
        { "the first line was cut", BYTES("{\"journal\":1,\"bo") },
        { "it lacks the first line", BYTES("{\"name\":\"b\"}\n{\"name\":\"c\"}\n") },
        { "a later version", BYTES("{\"journal\":2,\"boot\":\"x\"}\n{\"name\":\"c\"}\n") },
        { "no boot", BYTES("{\"journal\":1}\n{\"name\":\"c\"}\n") },
        { "a boot that is no text", BYTES("{\"journal\":1,\"boot\":1}\n{\"name\":\"c\"}\n") },
        { "the first line is garbage", BYTES("{]\n{\"name\":\"c\"}\n") },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct read read;

        put_after_header("journal.previous", BYTES("{\"name\":\"a\"}\n"));
        put_file("journal", rows[i].bytes, rows[i].n);
        read = read_back();
        if (strcmp(read.names, "a") != 0)
            fail_msg("%s: got \"%s\" and not the one before", rows[i].title, read.names);
        put_file("journal.previous", rows[i].bytes, rows[i].n);
        assert_names("");
    }
}

static void one_that_is_missing_is_done_without(void **state)
{
    (void)state;
    put_after_header("journal.previous", BYTES("{\"name\":\"a\"}\n"));
    assert_names("a");
    assert_int_equal(mkdirat(home_fd, "journal", 0700), 0);
    assert_names("a");
    assert_int_equal(unlinkat(home_fd, "journal", AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("/etc/passwd", home_fd, "journal"), 0);
    assert_names("a");
}

/* What a crash left of the new file is nobody's business. */
static void a_new_one_that_was_not_finished_is_written_over(void **state)
{
    struct journal journal;

    (void)state;
    put_after_header("journal", BYTES("{\"name\":\"a\"}\n"));
    put_after_header("journal.new", BYTES("{\"name\":\"b\"}\n"));
    assert_names("a");
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, all), 0);
    journal_close(&journal);
    assert_names("xyz");
    assert_int_equal(size_of("journal.new"), -ENOENT);
    assert_int_equal(unlinkat(home_fd, "journal", 0), 0);
    assert_names("a");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(comes_back_as_it_was),
        TEST(an_empty_home_has_no_lines),
        TEST(any_text_stays_on_its_line),
        TEST(tells_an_ordered_end),
        TEST(tells_another_boot),
        TEST(is_written_anew_once_it_has_grown),
        TEST(is_not_written_anew_for_its_own_size),
        TEST(never_grows_beyond_what_is_read),
        TEST(what_there_was_no_room_for_is_not_missing),
        TEST(leaves_out_what_cannot_be_read),
        TEST(a_damaged_line_says_nothing_else),
        TEST(one_that_is_damaged_is_done_without),
        TEST(one_that_is_missing_is_done_without),
        TEST(a_new_one_that_was_not_finished_is_written_over),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
