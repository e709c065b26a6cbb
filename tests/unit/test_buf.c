/* The byte buffer: its limit, its final '\0', and who owns what. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "own.h"

static void grows_up_to_its_limit_and_not_beyond(void **state)
{
    OWN_BUF struct buf b = { 0 };

    (void)state;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_add(&b, "x", 1), 0);
    assert_int_equal(buf_add(&b, "y", 1), -EMSGSIZE);
    assert_int_equal(buf_add(&b, "", 0), 0);
    assert_int_equal(buf_printf(&b, "%d", 1), -EMSGSIZE);
    assert_null(buf_room(&b, 1));
    assert_int_equal(b.len, 1000);
    assert_int_equal(strlen(b.p), 1000);
    assert_null(strchr(b.p, 'y'));
}

static void an_add_that_does_not_fit_changes_nothing(void **state)
{
    OWN_BUF struct buf b = { 0 };

    (void)state;
    buf_init(&b, 8);
    assert_int_equal(buf_add_text(&b, "12345"), 0);
    assert_int_equal(buf_add_text(&b, "6789"), -EMSGSIZE);
    assert_int_equal(buf_printf(&b, "%s", "6789"), -EMSGSIZE);
    assert_int_equal(buf_add(&b, "x", SIZE_MAX), -EMSGSIZE);
    assert_string_equal(b.p, "12345");
    assert_int_equal(buf_add_text(&b, "678"), 0);
    assert_string_equal(b.p, "12345678");
}

static void ends_with_nul_after_anything_was_added(void **state)
{
    OWN_BUF struct buf b = { 0 };

    (void)state;
    buf_init(&b, 100);
    assert_null(b.p);
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    assert_string_equal(b.p, "");
    assert_int_equal(buf_printf(&b, "%s %d", "a", 7), 0);
    assert_string_equal(b.p, "a 7");
    buf_clear(&b);
    assert_string_equal(b.p, "");
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_printf(&b, "%s", ""), 0);
    assert_string_equal(b.p, "");
}

static void bytes_may_be_any(void **state)
{
    static const char bytes[] = { 0, '\n', (char)0xff, 0 };
    OWN_BUF struct buf b = { 0 };

    (void)state;
    buf_init(&b, 4);
    assert_int_equal(buf_add(&b, bytes, 4), 0);
    assert_memory_equal(b.p, bytes, 4);
}

static void drops_from_the_front(void **state)
{
    OWN_BUF struct buf b = { 0 };

    (void)state;
    buf_init(&b, 100);
    buf_shift(&b, 0);
    (void)buf_add_text(&b, "hello world");
    buf_shift(&b, 6);
    assert_string_equal(b.p, "world");
    buf_shift(&b, 5);
    assert_string_equal(b.p, "");
    assert_int_equal(b.len, 0);
}

static void room_is_given_and_filled_in_part(void **state)
{
    OWN_BUF struct buf b = { 0 };
    char *room;

    (void)state;
    buf_init(&b, 600);
    (void)buf_add_text(&b, "ab");
    room = buf_room(&b, 598);
    assert_non_null(room);
    memcpy(room, "cd", 2);
    buf_grew(&b, 2);
    assert_string_equal(b.p, "abcd");
    assert_null(buf_room(&b, 597));
}

static void a_taken_text_is_the_takers(void **state)
{
    OWN_BUF struct buf b = { 0 };
    OWN(free) char *taken = NULL;

    (void)state;
    buf_init(&b, 100);
    assert_null(buf_take(&b));
    (void)buf_add_text(&b, "mine");
    taken = buf_take(&b);
    assert_string_equal(taken, "mine");
    assert_null(b.p);
    assert_int_equal(buf_add_text(&b, "next"), 0);
    assert_string_equal(b.p, "next");
}

static void done_accepts_a_zeroed_one(void **state)
{
    struct buf b = { 0 };

    (void)state;
    buf_done(&b);
    buf_done(&b);
    assert_null(b.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_limit_and_not_beyond),
        cmocka_unit_test(an_add_that_does_not_fit_changes_nothing),
        cmocka_unit_test(ends_with_nul_after_anything_was_added),
        cmocka_unit_test(bytes_may_be_any),
        cmocka_unit_test(drops_from_the_front),
        cmocka_unit_test(room_is_given_and_filled_in_part),
        cmocka_unit_test(a_taken_text_is_the_takers),
        cmocka_unit_test(done_accepts_a_zeroed_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
