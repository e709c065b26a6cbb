/* When which part of a log was written. */
#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_times.h"

static char folder[] = "/tmp/log-times-XXXXXX";
static int home;

static struct log_times times_of(const char *path)
{
    return (struct log_times){ .home_fd = home, .path = path };
}

static void one_record_needs_no_file(void **state)
{
    struct log_times times = times_of("/one");

    (void)state;
    log_times_note(&times, 1, 2, 0, 1000);
    log_times_note(&times, 1, 2, 50, 1050);
    assert_int_equal(log_times_find(home, "/one", 500), INT64_MIN);
    assert_int_equal(faccessat(home, "times", F_OK, 0), -1);
}

static void a_time_is_found_by_the_record_behind_it(void **state)
{
    struct log_times times = times_of("/a");

    (void)state;
    log_times_note(&times, 1, 2, 0, 1000);
    log_times_note(&times, 1, 2, 100, 1099); /* too soon */
    log_times_note(&times, 1, 2, 200, 2000);
    log_times_note(&times, 1, 2, 300, 3000);
    assert_int_equal(log_times_find(home, "/a", 900), INT64_MIN);
    /* what came within a tenth of a second after a record has none */
    assert_int_equal(log_times_find(home, "/a", 1050), 0);
    assert_int_equal(log_times_find(home, "/a", 1500), 200);
    assert_int_equal(log_times_find(home, "/a", 2000), 200);
    assert_int_equal(log_times_find(home, "/a", 2500), 300);
    assert_int_equal(log_times_find(home, "/a", 9000), INT64_MAX);
    assert_int_equal(log_times_find(home, "/unknown", 9000), INT64_MIN);
}

/* Places before the present file are below 0; what is gone for good is forgotten. */
static void a_rotation_moves_them_back(void **state)
{
    struct log_times times = times_of("/b");

    (void)state;
    log_times_note(&times, 1, 2, 0, 1000);
    log_times_note(&times, 1, 2, 600, 2000);
    log_times_rotated(&times, 1000, 5000);
    log_times_note(&times, 1, 3, 0, 3000);
    log_times_note(&times, 1, 3, 70, 4000);
    assert_int_equal(log_times_find(home, "/b", 1500), -400);
    assert_int_equal(log_times_find(home, "/b", 2500), 0);
    assert_int_equal(log_times_find(home, "/b", 3500), 70);
    log_times_rotated(&times, 100, 200);
    log_times_note(&times, 1, 4, 0, 5000);
    assert_int_equal(log_times_find(home, "/b", 4500), 0);
    assert_int_equal(log_times_find(home, "/b", 3500), -30);
    assert_int_equal(log_times_find(home, "/b", 1500), INT64_MIN);
}

static void another_opsd_goes_on(void **state)
{
    struct log_times times = times_of("/c"), next = times_of("/c"), other = times_of("/c");

    (void)state;
    log_times_note(&times, 1, 2, 0, 1000);
    log_times_note(&times, 1, 2, 100, 2000);
    log_times_note(&next, 1, 2, 200, 3000);
    assert_int_equal(log_times_find(home, "/c", 2500), 200);
    /* somebody put another file there meanwhile */
    log_times_note(&other, 1, 9, 0, 4000);
    assert_int_equal(log_times_find(home, "/c", 3500), 0);
    assert_int_equal(log_times_find(home, "/c", 2500), 0);
}

static void many_become_fewer(void **state)
{
    struct log_times times = times_of("/d");
    int64_t found;

    (void)state;
    for (int64_t i = 0; i < 20000; i++)
        log_times_note(&times, 1, 2, i * 10, 1000000 + i * 1000);
    for (int64_t i = 100; i < 20000; i += 777) {
        found = log_times_find(home, "/d", 1000000 + i * 1000);
        assert_in_range(found, i > 8 ? (i - 8) * 10 : 0, (i + 8) * 10);
    }
    assert_in_range(times.head.every_ms, 200, 800);
}

static int begin(void **state)
{
    (void)state;
    home = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return home < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    (void)close(home);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_record_needs_no_file),
        cmocka_unit_test(a_time_is_found_by_the_record_behind_it),
        cmocka_unit_test(a_rotation_moves_them_back),
        cmocka_unit_test(another_opsd_goes_on),
        cmocka_unit_test(many_become_fewer),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
