/*
 * The supervisor process: takes over what the guard kept, starts what the manifest wants running,
 * and serves the control socket until it is told to leave, to make room, or to become the guard.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "control_socket.h"
#include "guard.h"
#include "guard_link.h"
#include "heap.h"
#include "instant.h"
#include "log.h"
#include "methods.h"
#include "own.h"
#include "recover.h"
#include "slots.h"
#include "socket_group.h"

enum {
    PROBLEMS_MAX = 64 << 10,
    /* Answers that are still on their way when everything has stopped get this long. */
    FLUSH_MS = 1000,
    /* A full disk, no memory: what failed is tried again. */
    RETRY_MS = 1000,
    RECOVER_AGAIN_MS = 2000,
};

struct opsd {
    const struct options *options;
    uv_loop_t loop;
    struct home home;
    struct guard_link link;
    struct fleet fleet;
    struct control control;
    struct control_socket socket;
    uv_prepare_t prepare;
    uv_signal_t signals[4];
    uv_timer_t guard_retry, recover_retry;
    int64_t flush_until_ms;
    bool upgrading;
};

/* --- logs */

void supervise_reopen(struct fleet *fleet)
{
    const struct opsd *opsd = fleet->loop->data;

    log_sinks_reopen(&fleet->pump.sinks);
    if (!opsd->options->foreground)
        (void)home_detach(opsd->home.fd);
}

/* The guard writes to the same file. */
static void rotate_own_log(struct opsd *opsd)
{
    if (opsd->options->foreground || !home_rotate_log(&opsd->home))
        return;
    supervise_reopen(&opsd->fleet);
    if (opsd->link.fd >= 0)
        (void)kill(getppid(), SIGHUP);
}

/* --- leaving */

static bool all_stopped(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        if (machine_runs(&fleet->instances[i]->machine) || fleet->instances[i]->stop_asked)
            return false;
    return true;
}

static bool all_answered(const struct control *control)
{
    for (const struct connection *c = control->connections; c; c = c->next)
        if (connection_backlog(c))
            return false;
    return true;
}

/* Clients have what they are to get, or had their time. */
static bool is_flushed(struct opsd *opsd)
{
    int64_t now = (int64_t)monotonic_now_ms();

    if (!opsd->flush_until_ms)
        opsd->flush_until_ms = now + FLUSH_MS;
    if (all_answered(&opsd->control) || now >= opsd->flush_until_ms)
        return true;
    opsd->fleet.look_again_ms = now + 10;
    return false;
}

/* Workers run on; whoever comes next takes them over. */
static void leave_at_once(struct opsd *opsd, int code)
{
    fleet_commit(&opsd->fleet);
    _exit(code);
}

static void changed(struct fleet *fleet)
{
    struct opsd *opsd = fleet->loop->data;

    if (fleet->recovered)
        socket_group_follow(&opsd->home, &fleet->sources);
    methods_fleet_changed(fleet);
    rotate_own_log(opsd);
    if (opsd->upgrading && is_flushed(opsd))
        leave_at_once(opsd, GUARD_AGAIN);
    if (!fleet->leaving)
        return;
    guard_link_leaving(&opsd->link);
    if (!all_stopped(fleet) || !is_flushed(opsd))
        return;
    fleet_journal_left(fleet);
    uv_stop(&opsd->loop);
}

int supervise_upgrade(struct fleet *fleet, const char *path, struct err *reterr)
{
    struct opsd *opsd = fleet->loop->data;
    int r;

    if (fleet->leaving)
        return err_set(reterr, -ESHUTDOWN, "opsd is stopping");
    r = guard_link_upgrade(&opsd->link, path, reterr);
    if (r < 0)
        return r;
    log_info("making room for another opsd", LOG_TEXT("path", path));
    opsd->upgrading = true;
    fleet_touch(fleet);
    return 0;
}

/* --- the guard's death */

static void become_guard(uv_timer_t *timer)
{
    struct opsd *opsd = timer->data;
    int r;

    fleet_commit(&opsd->fleet);
    r = guard_link_become_guard(&opsd->link, opsd->options);

    log_error("cannot become the guard; trying again", LOG_TEXT("why", strerror(-r)));
    (void)uv_timer_start(timer, become_guard, RETRY_MS, 0);
}

/* A supervisor that is on its way out needs no guard any more. */
static void guard_died(struct guard_link *link)
{
    struct opsd *opsd = link->data;

    if (opsd->fleet.leaving)
        return;
    log_error(opsd->options->under_systemd ? "the guard died; systemd starts another"
                                           : "the guard died; taking its place");
    if (opsd->options->under_systemd)
        leave_at_once(opsd, EXIT_FAILED);
    become_guard(&opsd->guard_retry);
}

/* --- the loop */

static void turn(uv_prepare_t *prepare)
{
    struct fleet *fleet = prepare->data;

    fleet_reconcile(fleet);
    guard_link_flush(fleet->link);
}

static void signalled(uv_signal_t *handle, int signal)
{
    struct opsd *opsd = handle->data;

    if (signal == SIGHUP) {
        supervise_reopen(&opsd->fleet);
        return;
    }
    log_info("leaving", LOG_INT("signal", signal));
    if (signal != SIGQUIT) {
        fleet_leave(&opsd->fleet);
        return;
    }
    home_stop_listening(&opsd->home);
    leave_at_once(opsd, EXIT_DONE);
}

/* They were blocked since the guard forked, so that none is lost. */
static int watch_signals(struct opsd *opsd)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
    sigset_t none;
    int r = 0;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && r == 0; i++) {
        r = uv_signal_init(&opsd->loop, &opsd->signals[i]);
        opsd->signals[i].data = opsd;
        if (r == 0)
            r = uv_signal_start(&opsd->signals[i], signalled, numbers[i]);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    return r;
}

static int watch_all(struct opsd *opsd)
{
    int r;

    (void)uv_timer_init(&opsd->loop, &opsd->guard_retry);
    (void)uv_timer_init(&opsd->loop, &opsd->recover_retry);
    opsd->guard_retry.data = opsd->recover_retry.data = opsd;
    opsd->link.data = opsd;
    r = watch_signals(opsd);
    if (r == 0)
        r = guard_link_watch(&opsd->link, &opsd->loop, guard_died);
    if (r == 0)
        r = uv_prepare_init(&opsd->loop, &opsd->prepare);
    opsd->prepare.data = &opsd->fleet;
    return r == 0 ? uv_prepare_start(&opsd->prepare, turn) : r;
}

static int open_everything(struct opsd *opsd, struct err *reterr)
{
    int r;

    r = uv_loop_init(&opsd->loop);
    if (r < 0)
        return err_set(reterr, r, "cannot make the loop: %s", uv_strerror(r));
    opsd->loop.data = opsd;
    r = fleet_init(&opsd->fleet, &opsd->loop, &opsd->home, reterr);
    if (r < 0)
        return r;
    opsd->fleet.link = opsd->fleet.listeners.link = &opsd->link;
    opsd->fleet.changed = changed;
    opsd->fleet.rolled_back = opsd->options->rolled_back;
    opsd->fleet.logged = methods_logged;
    r = watch_all(opsd);
    return r < 0 ? err_set(reterr, r, "cannot set up the loop: %s", uv_strerror(r)) : 0;
}

/* Once the fleet is known: who connects to a first supervisor gets answers, not its end. */
static int serve(struct opsd *opsd, struct err *reterr)
{
    if (opsd->fleet.recovered)
        socket_group_follow(&opsd->home, &opsd->fleet.sources);
    return control_socket_open(&opsd->socket, &opsd->control, &opsd->fleet, reterr);
}

static int try_recover(struct opsd *opsd)
{
    OWN_BUF struct buf problems = { 0 };
    int r;

    buf_init(&problems, PROBLEMS_MAX);
    r = recover(&opsd->fleet, !opsd->options->no_start, &problems);
    if (problems.len)
        (void)fputs(problems.p, stderr);
    return r;
}

/* What nobody took over by then is nobody's. */
static void drop_rest(struct opsd *opsd)
{
    if (opsd->fleet.recovered)
        guard_link_drop_rest(&opsd->link);
}

static void recover_retried(uv_timer_t *timer)
{
    struct opsd *opsd = timer->data;

    if (!opsd->fleet.recovered && !opsd->fleet.leaving && try_recover(opsd) < 0)
        (void)uv_timer_start(timer, recover_retried, RECOVER_AGAIN_MS, 0);
    drop_rest(opsd);
}

/* What keeps the first supervisor from finding out what there is keeps it from serving. A later one
 * has a fleet to look after: it serves, starts nothing, and tries again. */
static int load(struct opsd *opsd, struct err *reterr)
{
    int r = try_recover(opsd);

    if (r < 0 && guard_link_is_first(&opsd->link))
        return err_set(reterr, r, "nothing was started: mend %s and try again",
                       opsd->home.manifest ? opsd->home.manifest : "the manifest");
    if (r < 0) {
        log_error("cannot tell what runs; trying again");
        (void)uv_timer_start(&opsd->recover_retry, recover_retried, RECOVER_AGAIN_MS, 0);
    }
    return 0;
}

/* From here on nobody of those who started us looks at stderr. */
static int say_ready(struct opsd *opsd, struct err *reterr)
{
    int r = opsd->options->foreground ? 0 : home_detach(opsd->home.fd);

    if (r < 0)
        return err_set(reterr, r, "cannot write opsd.log in %s: %s", opsd->home.path, strerror(-r));
    log_with_time();
    if (opsd->options->rolled_back)
        log_error("the opsd of the upgrade did not come up; this is the one before");
    log_info("opsd runs", LOG_INT("pid", getpid()), LOG_INT("guard", getppid()),
             LOG_TEXT("home", opsd->home.path));
    guard_link_ready(&opsd->link);
    return 0;
}

static void close_everything(struct opsd *opsd)
{
    control_socket_close(&opsd->socket);
    while (opsd->fleet.count)
        fleet_remove(&opsd->fleet, opsd->fleet.instances[0]);
    fleet_close(&opsd->fleet);
    for (size_t i = 0; i < sizeof opsd->signals / sizeof *opsd->signals; i++)
        uv_close((uv_handle_t *)&opsd->signals[i], NULL);
    uv_close((uv_handle_t *)&opsd->prepare, NULL);
    uv_close((uv_handle_t *)&opsd->guard_retry, NULL);
    uv_close((uv_handle_t *)&opsd->recover_retry, NULL);
    guard_link_close(&opsd->link);
    (void)uv_run(&opsd->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&opsd->loop);
    guard_link_forget(&opsd->link);
    home_done(&opsd->home);
}

static int take_home(struct opsd *opsd, struct err *reterr)
{
    const struct options *options = opsd->options;

    opsd->home.fd = guard_link_take(&opsd->link, GUARD_HOME);
    opsd->home.path = options->home ? strdup(options->home) : NULL;
    opsd->home.manifest = options->manifest ? strdup(options->manifest) : NULL;
    if (!opsd->home.path || opsd->home.fd < 0 || !opsd->home.manifest != !options->manifest)
        return err_set(reterr, -EINVAL, "--link is for opsd itself; leave it out");
    return 0;
}

static int run(struct opsd *opsd, struct err *reterr)
{
    int r = guard_link_open(&opsd->link, opsd->options->link, opsd->options->store);

    if (r == 0)
        r = slots_open();
    if (r < 0)
        return err_set(reterr, r, "cannot take over from the guard: %s", strerror(-r));
    if (!guard_link_is_first(&opsd->link))
        log_with_time();
    r = take_home(opsd, reterr);
    if (r == 0)
        r = open_everything(opsd, reterr);
    if (r == 0) {
        cgroups_delegate(&opsd->fleet.cgroups, getppid(), "memory");
        r = load(opsd, reterr);
    }
    if (r == 0)
        r = serve(opsd, reterr);
    if (r < 0)
        return r;
    drop_rest(opsd);
    r = say_ready(opsd, reterr);
    if (r < 0)
        return r;
    (void)uv_run(&opsd->loop, UV_RUN_DEFAULT);
    close_everything(opsd);
    return 0;
}

/* Each keeper leads a session, and so is a scheduling group of its own (sched(7), "The autogroup
 * feature"): beside fifty that are busy we would be one of fifty. Only root may do better. */
static void come_first(void)
{
    OWN(close) int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "-19", 3);
}

int supervise(const struct options *options)
{
    struct err why = { "out of memory" };
    OWN(free) struct opsd *opsd = NULL; /* not static: those pages are copied after each fork */

    heap_init();
    come_first();
    (void)prctl(PR_SET_NAME, "opsd");
    opsd = calloc(1, sizeof *opsd);
    if (opsd)
        opsd->options = options;
    if (!opsd || run(opsd, &why) < 0) {
        (void)fprintf(stderr, "opsd: %s\n", why.text);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}
