/* Array literals, and that one which lacks something is none. */
#include "test.h"

#include <string.h>

#include "db_array.h"

static void elements_are_written_as_postgresql_reads_them(void **state)
{
    struct buf array;

    (void)state;
    buf_init(&array, 100);
    array_add_int(&array, -1);
    array_add(&array, NULL);
    array_add_text(&array, "a\"b\\c");
    array_add_text(&array, NULL);
    array_add_text(&array, "");
    assert_string_equal(array_end(&array), "{-1,NULL,\"a\\\"b\\\\c\",NULL,\"\"}");
    buf_done(&array);
    buf_init(&array, 100);
    assert_string_equal(array_end(&array), "{}");
    buf_done(&array);
}

/* With each limit that is too small, whatever does not fit: the server would take a list that has
 * lost an element, and what the element stood for would be forgotten. */
static void what_lacks_something_does_not_end(void **state)
{
    static const char whole[] = "{12,\"a\\\"b\",3}";
    struct buf array;

    (void)state;
    for (size_t max = 0; max < sizeof whole; max++) {
        const char *text;

        buf_init(&array, max);
        array_add_int(&array, 12);
        array_add_text(&array, "a\"b");
        array_add_int(&array, 3);
        text = array_end(&array);
        if (max == sizeof whole - 1)
            assert_string_equal(text, whole);
        else
            assert_null(strchr(text, '}'));
        assert_int_equal(*text, '{');
        buf_done(&array);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_written_as_postgresql_reads_them),
        cmocka_unit_test(what_lacks_something_does_not_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
