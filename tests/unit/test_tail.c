/* The last lines of a file, also where its lines and our blocks do not fit. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "own.h"
#include "tail.h"

static int file_of(const char *bytes, size_t n)
{
    int fd = memfd_create("tail", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    return fd;
}

/* clang-format off */
static const struct { const char *text; int64_t begin, n, want; } rows[] = {
    { "", 0, 5, 0 },
    { "a\nb\nc\n", 0, 0, 6 },
    { "a\nb\nc\n", 0, 1, 4 },
    { "a\nb\nc\n", 0, 2, 2 },
    { "a\nb\nc\n", 0, 3, 0 },
    { "a\nb\nc\n", 0, 99, 0 },
    { "a\nb\nc", 0, 1, 4 },
    { "a\nb\nc", 0, 2, 2 },
    { "\n\n\n", 0, 1, 2 },
    { "\n\n\n", 0, 3, 0 },
    { "abc", 0, 1, 0 },
    { "a\nb\nc\n", 2, 99, 2 },
    { "a\nb\nc\n", 3, 1, 4 },
    { "a\nb\nc\n", 6, 1, 6 },
    { "a\nb\n", 0, -1, 4 },
};
/* clang-format on */

static void the_last_lines_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        OWN(close) int fd = file_of(rows[i].text, n);
        int64_t got = tail_find(fd, rows[i].begin, (int64_t)n, rows[i].n);

        if (got != rows[i].want)
            fail_msg("row %zu: %lld, want %lld", i, (long long)got, (long long)rows[i].want);
    }
}

/* Lines of every length around the blocks that are read, compared with counting. */
static void lines_longer_than_a_block_are_whole(void **state)
{
    enum { SIZE = 200000 };
    OWN(free) char *text = malloc(SIZE);
    OWN(close) int fd = -1;
    size_t starts[64], count = 0;

    (void)state;
    memset(text, 'x', SIZE);
    for (size_t at = 0, length = 1; at < SIZE; length = (length * 7 + 16383) % 40000 + 1) {
        starts[count++] = at;
        at += length;
        if (at <= SIZE)
            text[at - 1] = '\n';
    }
    text[SIZE - 1] = '\n';
    fd = file_of(text, SIZE);
    for (size_t n = 1; n <= count; n++)
        assert_int_equal(tail_find(fd, 0, SIZE, (int64_t)n), starts[count - n]);
}

static void what_was_added_later_is_left_out(void **state)
{
    OWN(close) int fd = file_of("a\nb\nc\nd\n", 8);

    (void)state;
    assert_int_equal(tail_find(fd, 0, 4, 1), 2);
}

static void a_file_that_became_shorter_is_survived(void **state)
{
    OWN(close) int fd = file_of("a\nb\n", 4);

    (void)state;
    assert_int_equal(tail_find(fd, 0, 100000, 1), 4);
}

static void an_error_is_told(void **state)
{
    (void)state;
    assert_int_equal(tail_find(-1, 0, 10, 1), -EBADF);
}

/* clang-format off */
static const struct { const char *text, *wanted; int64_t begin, n, want, found; } texts[] = {
    { "xa\nb\nxc\nd\nxe\n", "x", 0, 1, 10, 1 },
    { "xa\nb\nxc\nd\nxe\n", "x", 0, 2, 5, 2 },
    { "xa\nb\nxc\nd\nxe\n", "x", 0, 3, 0, 3 },
    { "xa\nb\nxc\nd\nxe\n", "x", 0, 9, 0, 3 },
    { "xa\nb\nxc\nd\nxe\n", "x", 3, 9, 5, 2 },
    { "xa\nb\nxc\nd\nxe", "x", 0, 1, 10, 1 },
    { "xa\nb\n", "y", 0, 9, 5, 0 },
    { "a\nb\n", "a\nb", 0, 9, 4, 0 },
    { "xa\n", "x", 0, 0, 3, 0 },
};
/* clang-format on */

static void lines_with_a_text_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n = strlen(texts[i].text);
        OWN(close) int fd = file_of(texts[i].text, n);
        int64_t found = texts[i].n;

        assert_int_equal(tail_find_text(fd, texts[i].begin, (int64_t)n, texts[i].wanted, &found),
                         texts[i].want);
        assert_int_equal(found, texts[i].found);
    }
}

/* Among lines of all lengths, across our blocks; every seventh has the text. */
static void a_text_is_found_across_blocks(void **state)
{
    enum { LINES = 700 };
    static char bytes[LINES * 400];
    int64_t starts[LINES], found;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < LINES; i++) {
        starts[i] = (int64_t)n;
        memset(bytes + n, '.', 300);
        if (i % 7 == 0)
            memcpy(bytes + n + i % 290, "needle", 6);
        n += 1 + i % 300 + (i % 7 == 0 ? 300 : 0);
        bytes[n - 1] = '\n';
    }
    OWN(close) int fd = file_of(bytes, n);
    for (int64_t k = 1; k <= LINES / 7; k++) {
        found = k;
        assert_int_equal(tail_find_text(fd, 0, (int64_t)n, "needle", &found),
                         starts[LINES - 7 * k]);
        assert_int_equal(found, k);
    }
}

/* clang-format off */
static const struct { const char *text; int64_t from, to, want, lines; } skips[] = {
    { "a\nb\nc\n", 0, 0, 2, 1 },  /* the line that begins at from is left out, too */
    { "a\nb\nc\n", 0, 2, 2, 1 },
    { "a\nb\nc\n", 0, 3, 4, 2 },
    { "a\nb\nc\n", 2, 5, 6, 2 },
    { "aaaa\nb\n",  0, 2, 5, 1 },
    { "abc",        0, 2, 3, 0 },  /* no line begins any more */
    { "",           0, 0, 0, 0 },
};
/* clang-format on */

static void a_jump_ends_where_a_line_begins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skips / sizeof *skips; i++) {
        size_t n = strlen(skips[i].text);
        OWN(close) int fd = file_of(skips[i].text, n);
        int64_t lines = -1;
        int64_t got = tail_skip(fd, skips[i].from, skips[i].to, (int64_t)n, &lines);

        if (got != skips[i].want || lines != skips[i].lines)
            fail_msg("row %zu: %lld after %lld lines, want %lld after %lld", i, (long long)got,
                     (long long)lines, (long long)skips[i].want, (long long)skips[i].lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_lines_are_found),
        cmocka_unit_test(lines_longer_than_a_block_are_whole),
        cmocka_unit_test(what_was_added_later_is_left_out),
        cmocka_unit_test(a_file_that_became_shorter_is_survived),
        cmocka_unit_test(an_error_is_told),
        cmocka_unit_test(lines_with_a_text_are_found),
        cmocka_unit_test(a_text_is_found_across_blocks),
        cmocka_unit_test(a_jump_ends_where_a_line_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
