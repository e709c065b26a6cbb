/* Node's IPC from both sides: what a worker may say, and that it can never hold us up. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"

struct talk {
    uv_loop_t loop;
    struct channel *channel;
    int ours, worker;
    char heard[200]; /* the words, each with a '.' behind it */
    bool deaf;       /* it leaves them in the channel */
};

static bool hear(void *owner, const char *text)
{
    struct talk *t = owner;
    size_t n = strlen(t->heard);

    if (!t->deaf)
        (void)snprintf(t->heard + n, sizeof t->heard - n, "%s.", text);
    return !t->deaf;
}

static int begin(void **state)
{
    struct talk *t = calloc(1, sizeof *t);

    *state = t;
    assert_int_equal(uv_loop_init(&t->loop), 0);
    assert_int_equal(channel_pair(&t->ours, &t->worker), 0);
    assert_int_equal(channel_open(&t->loop, t->ours, hear, t, &t->channel), 0);
    return 0;
}

static int finish(void **state)
{
    struct talk *t = *state;
    int r;

    channel_close(&t->channel);
    assert_null(t->channel);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&t->loop);
    if (t->worker >= 0)
        (void)close(t->worker);
    free(t);
    return r;
}

static void say(struct talk *t, const char *text)
{
    assert_int_equal(write(t->worker, text, strlen(text)), (ssize_t)strlen(text));
    for (int i = 0; i < 5; i++)
        (void)uv_run(&t->loop, UV_RUN_NOWAIT);
}

static void texts_are_heard(void **state)
{
    struct talk *t = *state;

    say(t, "\"ready\"\n");
    assert_string_equal(t->heard, "ready.");
    say(t, "\"re");
    assert_string_equal(t->heard, "ready.");
    say(t, "ady\"\n\"\"\n\"x\"\n");
    assert_string_equal(t->heard, "ready.ready..x.");
}

/* As after a crash: who listens next finds it where it was. */
static void what_is_left_comes_again(void **state)
{
    struct talk *t = *state;
    int fd;

    t->deaf = true;
    say(t, "{\"a\":1}\n\"ready\"\n\"x\"\n");
    assert_string_equal(t->heard, "");
    fd = dup(t->ours);
    channel_close(&t->channel);
    t->deaf = false;
    assert_int_equal(channel_open(&t->loop, fd, hear, t, &t->channel), 0);
    say(t, "\"y\"\n");
    assert_string_equal(t->heard, "ready.x.y.");
    t->deaf = true;
    say(t, "\"re");
    say(t, "ady\"\n");
    t->deaf = false;
    say(t, "");
    assert_string_equal(t->heard, "ready.x.y.ready.");
}

static void everything_else_is_let_pass(void **state)
{
    struct talk *t = *state;
    char longest[CHANNEL_WORD_MAX * 3];

    say(t, "{\"type\":\"ready\"}\n[\"ready\"]\nready\n1\nnull\n\n\"\n\"a\\nb\"\n");
    assert_string_equal(t->heard, "");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    longest[0] = '"';
    say(t, longest);
    say(t, "\"ready\"\n");
    assert_string_equal(t->heard, "");
    say(t, "\"after\"\n");
    assert_string_equal(t->heard, "after.");
    /* What is cut off would be a text. */
    memset(longest, 'x', sizeof longest);
    longest[0] = longest[CHANNEL_WORD_MAX - 1] = '"';
    longest[CHANNEL_WORD_MAX + 5] = '\0';
    say(t, longest);
    say(t, "\n");
    assert_string_equal(t->heard, "after.");
}

static void a_worker_that_talks_without_a_pause_is_read(void **state)
{
    struct talk *t = *state;
    char noise[4096];

    memset(noise, '{', sizeof noise);
    assert_int_equal(fcntl(t->worker, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 1000; i++) {
        assert_true(write(t->worker, noise, sizeof noise) > 0);
        (void)uv_run(&t->loop, UV_RUN_NOWAIT);
    }
}

static void a_word_is_sent_as_json(void **state)
{
    struct talk *t = *state;
    char got[64] = "";

    assert_int_equal(channel_send(t->channel, "shutdown"), 0);
    assert_int_equal(read(t->worker, got, sizeof got - 1), 11);
    assert_string_equal(got, "\"shutdown\"\n");
}

static void who_does_not_read_is_not_waited_for(void **state)
{
    struct talk *t = *state;
    int r = 0;

    for (int i = 0; i < 1000000 && r == 0; i++)
        r = channel_send(t->channel, "shutdown");
    assert_int_equal(r, -EAGAIN);
}

static void a_closed_end_is_noticed_once(void **state)
{
    struct talk *t = *state;

    (void)close(t->worker);
    t->worker = -1;
    assert_int_equal(channel_send(t->channel, "shutdown"), -EPIPE);
    (void)uv_run(&t->loop, UV_RUN_ONCE);
    /* Nothing is watched any more: the loop has nothing to wait for. */
    assert_int_equal(uv_run(&t->loop, UV_RUN_DEFAULT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(texts_are_heard),
        TEST(what_is_left_comes_again),
        TEST(everything_else_is_let_pass),
        TEST(a_worker_that_talks_without_a_pause_is_read),
        TEST(a_word_is_sent_as_json),
        TEST(who_does_not_read_is_not_waited_for),
        TEST(a_closed_end_is_noticed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
