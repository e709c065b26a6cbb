/* What whole trees of processes use: real processes, as a keeper has them. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tree_usage.h"

enum { MB = 1 << 20, BALLAST = 24 * MB };

/* Takes memory that nobody shares, says so, and waits to be killed. */
static _Noreturn void hold(int ready_fd, size_t bytes)
{
    volatile char *memory = malloc(bytes + 1);

    if (!memory)
        _exit(1);
    for (size_t i = 0; i < bytes; i += 1024)
        memory[i] = 1;
    (void)!write(ready_fd, "x", 1);
    for (;;)
        (void)pause();
}

/* A root that does nothing, with two descendants that hold memory: a child, and one whose parent
 * has died, which the root has adopted. */
static pid_t plant(size_t bytes)
{
    int ready[2];
    char got;
    pid_t root;

    assert_int_equal(pipe(ready), 0);
    root = fork();
    assert_true(root >= 0);
    if (root == 0) {
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (fork() == 0)
            hold(ready[1], bytes);
        if (fork() == 0) {
            if (fork() == 0)
                hold(ready[1], bytes);
            _exit(0);
        }
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read(ready[0], &got, 1), 1);
    (void)close(ready[0]);
    return root;
}

/* Its children become ours when it dies. */
static void fell(pid_t root)
{
    char path[64];
    pid_t pids[8];
    FILE *children;
    int n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)root, (int)root);
    children = fopen(path, "r");
    assert_non_null(children);
    while (n < 8 && fscanf(children, "%d", &pids[n]) == 1)
        n++;
    (void)fclose(children);
    (void)kill(root, SIGKILL);
    assert_int_equal(waitpid(root, NULL, 0), root);
    while (n-- > 0) {
        (void)kill(pids[n], SIGKILL);
        assert_int_equal(waitpid(pids[n], NULL, 0), pids[n]);
    }
}

static void counts_whole_trees_apart(void **state)
{
    struct tree_usage trees[3];

    (void)state;
    trees[0].root = plant(BALLAST);
    trees[1].root = plant(MB);
    trees[2].root = INT32_MAX;
    /* The one in between dies by itself, and its zombie counts as a process until it is reaped. */
    assert_int_equal(tree_usage(trees, 3), 0);
    assert_in_range(trees[0].processes, 2, 3);
    assert_in_range(trees[0].memory_bytes, 2 * BALLAST, 2 * BALLAST + 16 * MB);
    assert_in_range(trees[1].memory_bytes, 2 * MB, 2 * MB + 16 * MB);
    assert_int_equal(trees[2].processes, 0);
    assert_int_equal(trees[2].memory_bytes, 0);
    fell(trees[0].root);
    fell(trees[1].root);
    assert_int_equal(tree_usage(trees, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(trees[i].processes + trees[i].memory_bytes + trees[i].cpu_ms, 0);
}

static void the_nearest_root_counts(void **state)
{
    struct tree_usage trees[2] = { { .root = getpid() } };
    int64_t alone;

    (void)state;
    trees[1].root = plant(BALLAST);
    assert_int_equal(tree_usage(trees, 1), 0);
    alone = trees[0].memory_bytes;
    assert_true(alone >= 2 * BALLAST);
    assert_int_equal(tree_usage(trees, 2), 0);
    assert_true(trees[0].memory_bytes < BALLAST);
    assert_true(trees[1].memory_bytes >= 2 * BALLAST);
    fell(trees[1].root);
}

static void nothing_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(tree_usage(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_whole_trees_apart),
        cmocka_unit_test(the_nearest_root_counts),
        cmocka_unit_test(nothing_is_asked_for),
    };

    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
