/* Changed files, by a real inotify on a folder of the test's own. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instant.h"
#include "own.h"
#include "watcher.h"

enum { DELAY_MS = 60, DEADLINE_MS = 10000, QUIET_MS = 250 };

struct world {
    char top[64];
    uv_loop_t loop;
    uv_timer_t clock;
    struct watcher *watcher;
    int told[2]; /* of the apps "0" and "1" */
    char path[256];
};

static void changed(void *owner, const char *name, const char *path, int64_t seen_ms)
{
    struct world *world = owner;

    assert_true(seen_ms <= (int64_t)monotonic_now_ms());
    world->told[name[0] - '0']++;
    (void)snprintf(world->path, sizeof world->path, "%s", path + strlen(world->top) + 1);
}

static void ticked(uv_timer_t *timer)
{
    (void)timer;
}

static int begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    (void)snprintf(world->top, sizeof world->top, "/tmp/ops-watcher-XXXXXX");
    assert_non_null(mkdtemp(world->top));
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(uv_timer_init(&world->loop, &world->clock), 0);
    assert_int_equal(uv_timer_start(&world->clock, ticked, 5, 5), 0);
    assert_int_equal(watcher_open(&world->loop, changed, world, &world->watcher), 0);
    *state = world;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    struct world *world = *state;

    watcher_close(&world->watcher);
    assert_null(world->watcher);
    uv_close((uv_handle_t *)&world->clock, NULL);
    (void)uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    (void)nftw(world->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

/* A path in the world; a few of them hold at a time. */
static const char *at(const struct world *world, const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s%s%s", world->top, *name ? "/" : "", name);
    return path;
}

static void put(const struct world *world, const char *name)
{
    FILE *file = fopen(at(world, name), "w");

    assert_non_null(file);
    (void)fputs("x", file);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const struct world *world, const char *name)
{
    assert_int_equal(mkdir(at(world, name), 0700), 0);
}

static void watch_two(struct world *world, const char *first, const char *second,
                      const char *leaves_out)
{
    const char *const paths[2][2] = { { first ? at(world, first) : NULL },
                                      { second ? at(world, second) : NULL } };
    const char *const out[2][2] = { { leaves_out }, { NULL } };
    const struct app apps[2] = {
        { .name = "0",
          .watch_paths = paths[0],
          .watch_ignore = out[0],
          .watch_delay_ms = DELAY_MS },
        { .name = "1", .watch_paths = paths[1], .watch_ignore = out[1], .watch_delay_ms = DELAY_MS }
    };
    struct own_files own = { 0 };

    assert_int_equal(watcher_set(world->watcher, (const struct app *const[]){ &apps[0], &apps[1] },
                                 second ? 2 : 1, &own),
                     0);
}

/* Waits until each was told of that often altogether, and then a moment for what is too much. */
static void expect(struct world *world, int first, int second)
{
    int64_t until = (int64_t)monotonic_now_ms() + DEADLINE_MS;

    while ((world->told[0] < first || world->told[1] < second) &&
           (int64_t)monotonic_now_ms() < until)
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    until = (int64_t)monotonic_now_ms() + QUIET_MS;
    while ((int64_t)monotonic_now_ms() < until)
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    if (world->told[0] != first || world->told[1] != second)
        fail_msg("told %d %d, not %d %d; %s", world->told[0], world->told[1], first, second,
                 world->path);
}

static void tells_each_app_of_its_own(void **state)
{
    struct world *world = *state;

    make_folder(world, "a");
    make_folder(world, "b");
    watch_two(world, "a", "b", NULL);
    put(world, "a/x");
    expect(world, 1, 0);
    assert_string_equal(world->path, "a/x");
    put(world, "b/x");
    expect(world, 1, 1);
    put(world, "x");
    expect(world, 1, 1);
    assert_int_equal(unlink(at(world, "a/x")), 0);
    expect(world, 2, 1);
}

static void apps_that_share_a_folder_leave_out_their_own(void **state)
{
    struct world *world = *state;

    make_folder(world, "data");
    watch_two(world, "", "", "data");
    put(world, "data/x");
    expect(world, 0, 1);
    put(world, "x");
    expect(world, 1, 2);
    make_folder(world, "data/below");
    expect(world, 1, 3);
    put(world, "data/below/x");
    expect(world, 1, 4);
}

static void follows_folders_that_come_move_and_go(void **state)
{
    struct world *world = *state;

    make_folder(world, "a");
    watch_two(world, "a", NULL, NULL);
    make_folder(world, "a/b");
    make_folder(world, "a/b/c");
    expect(world, 1, 0);
    put(world, "a/b/c/x");
    expect(world, 2, 0);
    assert_int_equal(rename(at(world, "a/b"), at(world, "a/d")), 0);
    expect(world, 3, 0);
    put(world, "a/d/c/x");
    expect(world, 4, 0);
    assert_string_equal(world->path, "a/d/c/x");
    assert_int_equal(rename(at(world, "a/d"), at(world, "away")), 0);
    expect(world, 5, 0);
    put(world, "away/c/x");
    expect(world, 5, 0);
    assert_int_equal(rename(at(world, "a"), at(world, "old")), 0);
    expect(world, 6, 0);
    make_folder(world, "a");
    expect(world, 7, 0);
    put(world, "a/x");
    expect(world, 8, 0);
    put(world, "old/x");
    expect(world, 8, 0);
}

static void a_file_counts_once_it_is_closed(void **state)
{
    struct world *world = *state;
    int fd;

    watch_two(world, "", NULL, NULL);
    fd = open(at(world, "x"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "1", 1), 1);
    expect(world, 0, 0);
    assert_int_equal(write(fd, "2", 1), 1);
    (void)close(fd);
    expect(world, 1, 0);
    assert_int_equal(link(at(world, "x"), at(world, "y")), 0);
    expect(world, 2, 0);
    assert_int_equal(symlink("x", at(world, "z")), 0);
    expect(world, 3, 0);
    assert_int_equal(mkfifo(at(world, "fifo"), 0600), 0);
    expect(world, 3, 0);
    assert_int_equal(unlink(at(world, "fifo")), 0);
    assert_int_equal(mkfifo(at(world, "fifo"), 0600), 0);
    expect(world, 3, 0);
}

static void one_that_goes_on_is_told_of_after_a_while(void **state)
{
    struct world *world = *state;
    int64_t until = (int64_t)monotonic_now_ms() + (int64_t)DELAY_MS * WATCHER_DELAYS_MAX * 3 / 2;

    watch_two(world, "", NULL, NULL);
    while ((int64_t)monotonic_now_ms() < until) {
        put(world, "x");
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    assert_int_equal(world->told[0], 1);
    expect(world, 2, 0);
}

static void setting_the_same_again_loses_nothing(void **state)
{
    struct world *world = *state;

    watch_two(world, "", NULL, NULL);
    put(world, "x");
    while (world->told[0] == 0) {
        watch_two(world, "", NULL, world->path[0] ? NULL : "y");
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    expect(world, 1, 0);
    put(world, "y");
    expect(world, 1, 0);
}

static void too_much_at_once_is_a_change_for_all(void **state)
{
    struct world *world = *state;
    OWN(free) char *text = NULL;
    char name[32];
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    int most = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &most), 1);
    (void)fclose(file);
    if (most > 100000)
        skip();
    make_folder(world, "a");
    make_folder(world, "b");
    watch_two(world, "a", "b", NULL);
    for (int i = 0; i <= most + 10; i++) {
        (void)snprintf(name, sizeof name, "a/.%d", i % 2);
        put(world, name);
    }
    expect(world, 1, 1);
    put(world, "b/x");
    expect(world, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_each_app_of_its_own, begin, end),
        cmocka_unit_test_setup_teardown(apps_that_share_a_folder_leave_out_their_own, begin, end),
        cmocka_unit_test_setup_teardown(follows_folders_that_come_move_and_go, begin, end),
        cmocka_unit_test_setup_teardown(a_file_counts_once_it_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(one_that_goes_on_is_told_of_after_a_while, begin, end),
        cmocka_unit_test_setup_teardown(setting_the_same_again_loses_nothing, begin, end),
        cmocka_unit_test_setup_teardown(too_much_at_once_is_a_change_for_all, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
