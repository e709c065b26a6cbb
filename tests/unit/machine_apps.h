#ifndef OPS_MACHINE_APPS_H
#define OPS_MACHINE_APPS_H
/* The apps that the tests of the machine begin with, and how their processes end. */
#include "test.h"

#include "machine.h"

static const struct exit_status ok = { .code = 0 }, failed = { .code = 1 },
                                later = { .code = EXIT_TRY_LATER },
                                misconfigured = { .code = EXIT_MISCONFIGURED },
                                killed = { .signal = 9 };

static inline struct app service(void)
{
    return (struct app){
        .name = "w",
        .restart = { .autorestart = true,
                     .min_uptime_ms = 1000,
                     .max_restarts = 3,
                     .backoff = { 100, 15000, 1.5, 30000, 0 } },
        .kill_timeout_ms = 1600,
        .listen_timeout_ms = 3000,
    };
}

static inline struct app scheduled(void)
{
    struct app app = service();

    app.scheduled = true;
    app.restart.one_shot = true;
    return app;
}

/* It runs, and says that it is ready. */
static inline void comes_up(struct machine *m, const struct app *app, int64_t now)
{
    (void)machine_spawned(m, app, now);
    machine_ready(m, app, now);
}

/* Started and ready at a time. */
static inline struct machine online(const struct app *app, int64_t now)
{
    struct machine m;

    machine_init(&m);
    assert_int_equal(machine_start(&m), DO_NOTHING);
    if (app->scheduled) {
        enum action action;

        assert_int_equal(machine_unblock(&m, app, now), DO_NOTHING);
        assert_true(machine_tick(&m, app, now, &action));
        assert_int_equal(action, DO_SPAWN);
    } else {
        assert_int_equal(machine_unblock(&m, app, now), DO_SPAWN);
    }
    assert_int_equal(m.state, STATE_LAUNCHING);
    comes_up(&m, app, now);
    assert_int_equal(m.state, STATE_ONLINE);
    return m;
}

static inline void exits(struct machine *m, const struct app *app, struct exit_status status,
                         int64_t now)
{
    machine_exited(m, app, status, now, 0.5);
}

#endif
