/* A new binary on trial: when it has passed, and when the one before is taken again. */
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "upgrade_trial.h"

static int opened(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct trial begun(int *ret_old, int *ret_new)
{
    struct trial trial = { .binary = opened(), .previous = -1 };

    *ret_old = trial.binary;
    trial_started(&trial);
    assert_false(trial.under_way);
    *ret_new = opened();
    trial_begin(&trial, *ret_new);
    return trial;
}

static void done(struct trial *trial)
{
    (void)close(trial->binary);
    if (trial->previous >= 0)
        (void)close(trial->previous);
}

static void a_death_is_no_trial_where_there_is_none(void **state)
{
    struct trial trial = { .binary = opened(), .previous = -1 };

    (void)state;
    for (int i = 0; i < 2 * TRIAL_DEATHS; i++) {
        trial_started(&trial);
        assert_int_equal(trial_due_ms(&trial, 5, 0), 0);
        assert_false(trial_died(&trial));
    }
    done(&trial);
}

/* The end of the one that made room for it is not held against it. */
static void too_many_deaths_bring_back_the_one_before(void **state)
{
    int old, new;
    struct trial trial = begun(&old, &new);

    (void)state;
    assert_false(trial_died(&trial));
    for (int i = 1; i <= TRIAL_DEATHS; i++) {
        trial_started(&trial);
        assert_int_equal(trial.binary, new);
        assert_int_equal(trial_died(&trial), i == TRIAL_DEATHS);
    }
    assert_int_equal(trial.binary, old);
    assert_true(is_open(old) && !is_open(new));
    trial_started(&trial);
    assert_false(trial.under_way);
    done(&trial);
}

static void one_that_does_not_get_ready_dies_once(void **state)
{
    int old, new;
    struct trial trial = begun(&old, &new);

    (void)state;
    trial_started(&trial);
    assert_int_equal(trial_due_ms(&trial, 100, 0), 100 + TRIAL_READY_MS);
    trial_give_up(&trial);
    assert_true(trial_died(&trial));
    assert_int_equal(trial.binary, old);
    done(&trial);
}

static void one_that_serves_long_enough_has_passed(void **state)
{
    int old, new;
    struct trial trial = begun(&old, &new);

    (void)state;
    trial_started(&trial);
    assert_int_equal(trial_due_ms(&trial, 100, 200), 200 + TRIAL_MS);
    trial_pass(&trial);
    assert_true(is_open(new) && !is_open(old));
    assert_int_equal(trial_due_ms(&trial, 100, 200), 0);
    assert_false(trial_died(&trial));
    done(&trial);
}

/* The one to go back to is the one that has proven itself. */
static void a_second_upgrade_takes_the_place_of_the_first(void **state)
{
    int old, new, third;
    struct trial trial = begun(&old, &new);

    (void)state;
    trial_started(&trial);
    assert_false(trial_died(&trial));
    third = opened();
    trial_begin(&trial, third);
    assert_int_equal(trial.previous, old);
    assert_int_equal(trial.binary, third);
    assert_int_equal(trial.deaths, 0);
    assert_false(is_open(new));
    done(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_death_is_no_trial_where_there_is_none),
        cmocka_unit_test(too_many_deaths_bring_back_the_one_before),
        cmocka_unit_test(one_that_does_not_get_ready_dies_once),
        cmocka_unit_test(one_that_serves_long_enough_has_passed),
        cmocka_unit_test(a_second_upgrade_takes_the_place_of_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
