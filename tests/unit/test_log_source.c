/* A log as its reader sees it: skipping what a slow reader has missed. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_source.h"

enum { KEEP = 4 };

struct fixture {
    char path[32];
    int fd;
    struct log_source source;
};

/* "one\ntwo\nthree\n" */
static int setup(void **state)
{
    static const char text[] = "one\ntwo\nthree\n";
    static struct fixture fixture;

    fixture = (struct fixture){ .path = "/tmp/log-source-XXXXXX" };
    fixture.fd = mkstemp(fixture.path);
    *state = &fixture;
    return fixture.fd < 0 || write(fixture.fd, text, sizeof text - 1) < 0 ||
           log_source_open(&fixture.source, fixture.path) < 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    log_source_close(&fixture->source);
    (void)close(fixture->fd);
    return unlink(fixture->path);
}

static void skips_to_the_beginning_of_a_line(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(log_source_skip(&fixture->source, 6), 2);
    assert_int_equal(log_source_behind(&fixture->source), 6);
}

static void skips_no_line_that_is_within_what_is_kept(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(log_source_skip(&fixture->source, 14), 0);
    assert_int_equal(log_source_behind(&fixture->source), 14);
}

static void is_not_behind_in_a_file_that_was_cut(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(ftruncate(fixture->fd, 0), 0);
    assert_int_equal(log_source_skip(&fixture->source, KEEP), 0);
    assert_int_equal(log_source_behind(&fixture->source), 0);
}

static void is_not_behind_in_a_file_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(dup2(fd, fixture->source.first->fd), fixture->source.first->fd);
    (void)close(fd);
    assert_int_equal(log_source_skip(&fixture->source, KEEP), 0);
    assert_int_equal(log_source_behind(&fixture->source), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(skips_to_the_beginning_of_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(skips_no_line_that_is_within_what_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(is_not_behind_in_a_file_that_was_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(is_not_behind_in_a_file_that_cannot_be_read, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
