/* The arena: aligned, zeroed, bounded memory with one lifetime. */
#include "test.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

static void gives_zeroed_aligned_memory_of_any_size(void **state)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 16, 17, 4000, 5000, 1, 100000, 3 };
    struct arena *arena = arena_new(1 << 20);

    (void)state;
    assert_non_null(arena);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = arena_alloc(arena, sizes[i]);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(p[j], 0);
        if (sizes[i])
            memset(p, 0xff, sizes[i]);
    }
    arena_free(arena);
}

static void copies_texts(void **state)
{
    struct arena *arena = arena_new(1 << 20);

    (void)state;
    assert_string_equal(arena_text(arena, "backoff", 4), "back");
    assert_string_equal(arena_text(arena, NULL, 0), "");
    arena_free(arena);
}

static void hands_out_no_more_than_its_limit(void **state)
{
    struct arena *arena = arena_new(1000);
    size_t total = 0;

    (void)state;
    while (arena_alloc(arena, 10))
        total += 10;
    assert_true(total > 500 && total <= 1000);
    assert_null(arena_alloc(arena, 1000));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc_array(arena, SIZE_MAX / 2, 3));
    assert_null(arena_text(arena, "x", SIZE_MAX));
    arena_free(arena);
}

static void frees_nothing_when_there_is_none(void **state)
{
    (void)state;
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_memory_of_any_size),
        cmocka_unit_test(copies_texts),
        cmocka_unit_test(hands_out_no_more_than_its_limit),
        cmocka_unit_test(frees_nothing_when_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
