/* What happens after an exit: one row of exits after the other. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#include "restart.h"

enum { EXITS_MAX = 16 };

static const int stop_codes[] = { 0, 42 };

/* The defaults of the manifest, without jitter. */
static struct restart_policy default_policy(void)
{
    return (struct restart_policy){
        .autorestart = true,
        .min_uptime_ms = 1000,
        .max_restarts = 16,
        .backoff = { .initial_ms = 100, .max_ms = 15000, .factor = 1.5, .reset_after_ms = 30000 },
    };
}

static void with_nothing(struct restart_policy *p)
{
    (void)p;
}

static void with_limit_3(struct restart_policy *p)
{
    p->max_restarts = 3;
}

static void with_limit_0(struct restart_policy *p)
{
    p->max_restarts = 0;
}

static void with_stop_codes(struct restart_policy *p)
{
    p->stop_exit_codes = stop_codes;
    p->stop_exit_codes_count = 2;
}

static void as_one_shot(struct restart_policy *p)
{
    p->one_shot = true;
}

static void without_autorestart(struct restart_policy *p)
{
    p->autorestart = false;
}

static void with_fixed_delay(struct restart_policy *p)
{
    p->restart_delay_ms = 700;
}

static void with_small_cap(struct restart_policy *p)
{
    p->backoff = (struct backoff){ .initial_ms = 100, .max_ms = 250, .factor = 2 };
    p->backoff.reset_after_ms = 5000;
}

static void from_one_millisecond(struct restart_policy *p)
{
    p->backoff.initial_ms = 1;
}

static void at_once(struct restart_policy *p)
{
    p->backoff.initial_ms = 0;
    p->backoff.jitter_percent = 10;
}

static void with_window(struct restart_policy *p)
{
    p->max_restarts = 5;
    p->restart_window_ms = 600000;
}

struct exit {
    int64_t after_ms; /* since the exit before */
    int64_t uptime_ms;
    int code, signal;
    bool unready;
    enum restart_verdict want;
    int64_t want_delay_ms;
};

/* clang-format off */
static const struct {
    const char *title;
    void (*policy)(struct restart_policy *policy);
    struct exit exits[EXITS_MAX]; /* ends with one that has no after_ms */
} rows[] = {
    { "crashes of a stable service are restarted for ever, from the first delay after a long life",
      with_limit_3, {
        { 60000, 60000, 1, 0, false, RESTART_AGAIN, 100 },
        { 60000, 60000, 1, 0, false, RESTART_AGAIN, 100 },
        { 60000, 60000, 1, 0, false, RESTART_AGAIN, 100 },
        { 60000, 60000, 1, 0, false, RESTART_AGAIN, 100 },
    } },
    { "a crash loop is slowed down and given up", with_limit_3, {
        { 10, 10, 1, 0, false, RESTART_AGAIN, 100 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 150 },
        { 10, 10, 1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "however long the delays between the crashes are (PM2 would go on for ever)", with_limit_3, {
        { 90000, 999, 1, 0, false, RESTART_AGAIN, 100 },
        { 90000, 999, 1, 0, false, RESTART_AGAIN, 150 },
        { 90000, 999, 1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "one life of min_uptime begins the count anew, but not the delay", with_limit_3, {
        { 10,   10,   1, 0, false, RESTART_AGAIN, 100 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 150 },
        { 1000, 1000, 1, 0, false, RESTART_AGAIN, 225 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 337 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 506 },
        { 10,   10,   1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "a start that never became ready is a failed one, however long it took", with_limit_3, {
        { 9000, 9000, 0, 15, true, RESTART_AGAIN, 100 },
        { 9000, 9000, 0, 15, true, RESTART_AGAIN, 150 },
        { 9000, 9000, 0, 15, true, RESTART_GIVE_UP, 0 },
    } },
    { "max_restarts 0 tolerates none", with_limit_0, {
        { 10, 10, 1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "... but a stable life is no crash loop", with_limit_0, {
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 100 },
    } },
    { "a service that exits with 0 is started again, too", with_nothing, {
        { 5000, 5000, 0, 0, false, RESTART_AGAIN, 100 },
    } },
    { "stop_exit_codes end it", with_stop_codes, {
        { 10, 10, 7,  0, false, RESTART_AGAIN, 100 },
        { 10, 10, 42, 0, false, RESTART_DONE, 0 },
        { 10, 10, 0,  0, false, RESTART_DONE, 0 },
    } },
    { "a signal is no exit code: neither 0 nor 42", with_stop_codes, {
        { 10, 10, 0,  9, false, RESTART_AGAIN, 100 },
        { 10, 10, 42, 9, false, RESTART_AGAIN, 150 },
    } },
    { "a one-shot run ends well with 0 only", as_one_shot, {
        { 10, 10, 1, 0,  false, RESTART_AGAIN, 100 },
        { 10, 10, 0, 15, false, RESTART_AGAIN, 150 },
        { 10, 10, 0, 0,  false, RESTART_DONE, 0 },
    } },
    { "75 is tried again and uses up nothing", with_limit_3, {
        { 10, 10, 75, 0, false, RESTART_AGAIN, 100 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 150 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 225 },
        { 10, 10, 75, 0, true,  RESTART_AGAIN, 337 },
        { 10, 10, 1,  0, false, RESTART_AGAIN, 506 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 759 },
        { 10, 10, 1,  0, false, RESTART_AGAIN, 1139 },
        { 10, 10, 1,  0, false, RESTART_GIVE_UP, 0 },
    } },
    { "78 is never tried again", with_nothing, { { 90000, 90000, 78, 0, false, RESTART_NEVER, 0 } } },
    { "... without autorestart neither", without_autorestart, {
        { 10, 10, 78, 0, false, RESTART_NEVER, 0 },
    } },
    { "a killed process did not say 78", with_nothing, {
        { 90000, 90000, 78, 9, false, RESTART_AGAIN, 100 },
    } },
    { "without autorestart every end is the end", without_autorestart, {
        { 10, 10, 1,  0, false, RESTART_DONE, 0 },
        { 10, 10, 0,  9, false, RESTART_DONE, 0 },
        { 10, 10, 75, 0, false, RESTART_DONE, 0 },
    } },
    { "restart_delay is the same each time", with_fixed_delay, {
        { 10, 10, 1, 0, false, RESTART_AGAIN, 700 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 700 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 700 },
    } },
    { "the delay grows up to its cap, and starts anew after reset_after", with_small_cap, {
        { 10,   10,   1, 0, false, RESTART_AGAIN, 100 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 200 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 250 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 250 },
        { 4999, 4999, 1, 0, false, RESTART_AGAIN, 250 },
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 100 },
        { 10,   10,   1, 0, false, RESTART_AGAIN, 200 },
    } },
    { "even a delay of 1 ms grows", from_one_millisecond, {
        { 10, 10, 1, 0, false, RESTART_AGAIN, 1 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 1 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 2 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 3 },
        { 10, 10, 1, 0, false, RESTART_AGAIN, 5 },
    } },
    { "a delay of 0 stays one", at_once, {
        { 10,    10,    1, 0, false, RESTART_AGAIN, 0 },
        { 10,    10,    1, 0, false, RESTART_AGAIN, 0 },
        { 90000, 90000, 1, 0, false, RESTART_AGAIN, 0 },
        { 10,    10,    1, 0, false, RESTART_AGAIN, 0 },
    } },
    { "restart_window counts long lives as well", with_window, {
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 100 },
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 150 },
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 225 },
        { 5000, 5000, 1, 0, false, RESTART_AGAIN, 337 },
        { 5000, 5000, 1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "... forgets what is older than the window", with_window, {
        { 150000, 150000, 1, 0, false, RESTART_AGAIN, 100 },
        { 150000, 150000, 1, 0, false, RESTART_AGAIN, 100 },
        { 150000, 150000, 1, 0, false, RESTART_AGAIN, 100 },
        { 150000, 150000, 1, 0, false, RESTART_AGAIN, 100 },
        { 150000, 150000, 1, 0, false, RESTART_AGAIN, 100 },
        { 149999, 149999, 1, 0, false, RESTART_GIVE_UP, 0 },
    } },
    { "... and does not count 75", with_window, {
        { 10, 10, 75, 0, false, RESTART_AGAIN, 100 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 150 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 225 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 337 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 506 },
        { 10, 10, 75, 0, false, RESTART_AGAIN, 759 },
        { 10, 10, 1,  0, false, RESTART_AGAIN, 1139 },
    } },
};
/* clang-format on */

static void each_row_is_decided_as_it_says(void **unused)
{
    (void)unused;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct restart_policy policy = default_policy();
        struct restart_history history = { 0 };
        int64_t now = 1000000;

        rows[r].policy(&policy);
        for (const struct exit *e = rows[r].exits; e->after_ms; e++) {
            struct restart_decision got;

            now += e->after_ms;
            got = restart_decide(&policy, &history,
                                 &(struct life){ .status = { e->code, e->signal },
                                                 .uptime_ms = e->uptime_ms,
                                                 .ready = !e->unready,
                                                 .ended_ms = now },
                                 0.5);
            if (got.verdict != e->want || got.delay_ms != e->want_delay_ms)
                fail_msg("%s, exit %d: verdict %d after %lld ms, want %d after %lld ms",
                         rows[r].title, (int)(e - rows[r].exits) + 1, got.verdict,
                         (long long)got.delay_ms, e->want, (long long)e->want_delay_ms);
        }
    }
}

static void jitter_stays_within_its_percentage(void **unused)
{
    struct restart_policy policy = default_policy();
    const struct {
        double chance;
        int64_t want;
    } cases[] = { { 0, 90 }, { 0.5, 100 }, { 0.75, 105 }, { 0.999999, 109 } };

    (void)unused;
    policy.backoff.jitter_percent = 10;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct restart_history history = { 0 };

        assert_int_equal(restart_delay(&policy, &history, 0, cases[i].chance), cases[i].want);
        /* The next delay grows from the one without jitter. */
        assert_int_equal(restart_delay(&policy, &history, 0, 0.5), 150);
    }
}

static void a_window_remembers_as_many_exits_as_it_may_count(void **unused)
{
    struct restart_policy policy = default_policy();
    struct restart_history history = { 0 };
    struct restart_decision got = { 0 };

    (void)unused;
    policy.max_restarts = RESTART_WINDOW_MAX;
    policy.restart_window_ms = 1000000000;
    for (int i = 1; i <= RESTART_WINDOW_MAX; i++) {
        got = restart_decide(&policy, &history,
                             &(struct life){ .status = { .signal = 11 },
                                             .uptime_ms = 5000,
                                             .ready = true,
                                             .ended_ms = i * 5000 },
                             0.5);
        assert_int_equal(got.verdict, i < RESTART_WINDOW_MAX ? RESTART_AGAIN : RESTART_GIVE_UP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_decided_as_it_says),
        cmocka_unit_test(jitter_stays_within_its_percentage),
        cmocka_unit_test(a_window_remembers_as_many_exits_as_it_may_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
