/* What a SQLSTATE means to a worker. */
#include "test.h"

#include <errno.h>

#include "db_error.h"

static void each_class_has_its_meaning(void **state)
{
    /* clang-format off */
    static const struct {
        const char *sqlstate;
        int want;
    } rows[] = {
        { "08006", -EAGAIN }, /* connection failure */
        { "40001", -EAGAIN }, /* serialization */
        { "40P01", -EAGAIN }, /* deadlock */
        { "53300", -EAGAIN }, /* too many connections */
        { "57014", -EAGAIN }, /* statement time limit */
        { "57P01", -EAGAIN }, /* shutdown */
        { "57P03", -EAGAIN }, /* starting up */
        { "55P03", -EAGAIN }, /* lock not available */
        { "25006", -EAGAIN }, /* a standby */
        { "42P01", -EAGAIN }, /* no such table */
        { "42703", -EAGAIN }, /* no such column */
        { "42883", -EAGAIN }, /* no such function */
        { "3F000", -EAGAIN }, /* no such schema */
        { "23505", -EEXIST },
        { "23503", -EINVAL },
        { "22P02", -EINVAL },
        { "42601", -EINVAL }, /* syntax */
        { "25P02", -EINVAL }, /* transaction has failed */
        { "P0001", -EINVAL },
        { "42501", -EPERM },
        { "28P01", -EPERM },
        { "26000", -EBADMSG }, /* a pooler */
        { "42P05", -EBADMSG },
        { "XX000", -EIO },
        { "58030", -EIO },
        { "99999", -EIO },
        { "",      -EIO },
        { NULL,    -EIO },
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (db_error_code(rows[i].sqlstate) != rows[i].want)
            print_error("%s\n", rows[i].sqlstate ? rows[i].sqlstate : "NULL");
        assert_int_equal(db_error_code(rows[i].sqlstate), rows[i].want);
    }
}

static void a_detail_with_a_whole_row_is_known(void **state)
{
    (void)state;
    assert_true(db_error_shows_row("23502"));
    assert_true(db_error_shows_row("23514"));
    assert_false(db_error_shows_row("23505"));
    assert_false(db_error_shows_row(NULL));
}

static void what_ends_a_session_is_known(void **state)
{
    (void)state;
    assert_true(db_error_ends_session("25006"));
    assert_true(db_error_ends_session("26000"));
    assert_true(db_error_ends_session("0A000"));
    assert_false(db_error_ends_session("53100"));
    assert_false(db_error_ends_session(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_has_its_meaning),
        cmocka_unit_test(a_detail_with_a_whole_row_is_known),
        cmocka_unit_test(what_ends_a_session_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
