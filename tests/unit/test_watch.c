/* Descriptors watched on a real loop: who is called, and what may be closed while others are. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "watch.h"

enum { MANY = 200, TURNS = 10 };

struct pipe {
    int ends[2];
    struct watch *watch;
    int calls;
    void (*then)(struct pipe *pipe); /* of what it does when it is called */
    struct pipe *other;
};

static uv_loop_t loop;

static int begin(void **state)
{
    (void)state;
    (void)alarm(60);
    return uv_loop_init(&loop);
}

/* Nothing is left that the loop knows of. */
static int finish(void **state)
{
    (void)state;
    while (uv_run(&loop, UV_RUN_NOWAIT))
        ;
    return uv_loop_close(&loop);
}

static void turns(void)
{
    for (int i = 0; i < TURNS; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
}

static void called(void *owner)
{
    struct pipe *pipe = owner;

    pipe->calls++;
    if (pipe->then)
        pipe->then(pipe);
}

static void pipe_open(struct pipe *pipe, void (*then)(struct pipe *pipe), struct pipe *other)
{
    *pipe = (struct pipe){ .then = then, .other = other };
    assert_int_equal(pipe2(pipe->ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(watch_open(&loop, pipe->ends[0], called, pipe, &pipe->watch), 0);
}

static void pipe_close(struct pipe *pipe)
{
    watch_close(&pipe->watch);
    assert_null(pipe->watch);
    (void)close(pipe->ends[0]);
    (void)close(pipe->ends[1]);
}

static void pipe_fill(const struct pipe *pipe)
{
    assert_int_equal(write(pipe->ends[1], "x", 1), 1);
}

static void take(struct pipe *pipe)
{
    char byte;

    assert_int_equal(read(pipe->ends[0], &byte, 1), 1);
}

static void only_what_is_readable_is_told_of(void **state)
{
    struct pipe a, b;

    (void)state;
    pipe_open(&a, take, NULL);
    pipe_open(&b, take, NULL);
    turns();
    assert_int_equal(a.calls + b.calls, 0);
    pipe_fill(&b);
    turns();
    assert_int_equal(a.calls, 0);
    assert_int_equal(b.calls, 1);
    pipe_close(&a);
    pipe_close(&b);
}

/* As long as it is readable, and at its end, too. */
static void it_is_told_again(void **state)
{
    struct pipe a;

    (void)state;
    pipe_open(&a, NULL, NULL);
    pipe_fill(&a);
    turns();
    assert_true(a.calls > 1);
    take(&a);
    a.calls = 0;
    turns();
    assert_int_equal(a.calls, 0);
    (void)close(a.ends[1]);
    turns();
    assert_true(a.calls > 0);
    a.ends[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pipe_close(&a);
}

static void close_self(struct pipe *pipe)
{
    watch_close(&pipe->watch);
}

static void close_other(struct pipe *pipe)
{
    take(pipe);
    watch_close(&pipe->watch);
    watch_close(&pipe->other->watch);
}

/* Two have events at once, and the first to hear of it closes both. */
static void one_that_was_closed_hears_nothing(void **state)
{
    struct pipe a, b;

    (void)state;
    pipe_open(&a, close_other, &b);
    pipe_open(&b, close_other, &a);
    pipe_fill(&a);
    pipe_fill(&b);
    turns();
    assert_int_equal(a.calls + b.calls, 1);
    pipe_close(&a);
    pipe_close(&b);
    pipe_open(&a, close_self, NULL);
    pipe_fill(&a);
    turns();
    assert_int_equal(a.calls, 1);
    pipe_close(&a);
}

static void open_next(struct pipe *pipe)
{
    struct pipe *next = pipe->other;

    take(pipe);
    watch_close(&pipe->watch);
    pipe_open(next, take, NULL);
    pipe_fill(next);
}

/* The last one that is watched is followed by another before its call is over. */
static void one_may_follow_the_last(void **state)
{
    struct pipe a, b;

    (void)state;
    pipe_open(&a, open_next, &b);
    pipe_fill(&a);
    turns();
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 1);
    pipe_close(&a);
    pipe_close(&b);
}

static void many_are_all_heard(void **state)
{
    struct pipe *pipes = calloc(MANY, sizeof *pipes);

    (void)state;
    assert_non_null(pipes);
    for (int i = 0; i < MANY; i++)
        pipe_open(&pipes[i], take, NULL);
    for (int i = 0; i < MANY; i++)
        pipe_fill(&pipes[i]);
    turns();
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pipes[i].calls, 1);
    for (int i = 0; i < MANY; i++)
        pipe_close(&pipes[i]);
    free(pipes);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct watch *watch = NULL;

    (void)state;
    assert_int_equal(watch_open(&loop, file, called, NULL, &watch), -EPERM);
    assert_int_equal(watch_open(&loop, -1, called, NULL, &watch), -EBADF);
    assert_null(watch);
    watch_close(&watch);
    (void)close(file);
}

/* One loop does not hear what another waits for. */
static void each_loop_has_its_own(void **state)
{
    uv_loop_t second;
    struct pipe a, b = { .then = take };

    (void)state;
    assert_int_equal(uv_loop_init(&second), 0);
    pipe_open(&a, take, NULL);
    assert_int_equal(pipe2(b.ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(watch_open(&second, b.ends[0], called, &b, &b.watch), 0);
    pipe_fill(&a);
    pipe_fill(&b);
    turns();
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0);
    for (int i = 0; i < TURNS; i++)
        (void)uv_run(&second, UV_RUN_NOWAIT);
    assert_int_equal(b.calls, 1);
    pipe_close(&a);
    pipe_close(&b);
    while (uv_run(&second, UV_RUN_NOWAIT))
        ;
    assert_int_equal(uv_loop_close(&second), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_readable_is_told_of),
        TEST(it_is_told_again),
        TEST(one_that_was_closed_hears_nothing),
        TEST(one_may_follow_the_last),
        TEST(many_are_all_heard),
        TEST(what_cannot_be_watched_is_refused),
        TEST(each_loop_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
