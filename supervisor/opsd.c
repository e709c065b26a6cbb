/*
 * opsd: the supervisor's main program.
 *
 * Reads its options, takes the lock on its home, becomes a daemon unless told otherwise, starts
 * what the manifest wants running and serves the control socket until it is told to leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control.h"
#include "fleet.h"
#include "instant.h"
#include "log.h"
#include "methods.h"
#include "notify.h"
#include "own.h"

enum {
    PROBLEMS_MAX = 64 << 10,
    /* Answers that are still on their way when everything has stopped get this long. */
    FLUSH_MS = 1000,
    /* Reading a large manifest takes a fraction of it. */
    OTHER_MS = 2000,
    OTHER_STEP_MS = 10,
};

struct options {
    const char *home, *manifest;
    bool foreground, no_start;
};

static const char USAGE[] =
    "usage: opsd [--home DIR] [--manifest FILE] [--foreground] [--no-start]\n"
    "\n"
    "  --home DIR       where the lock, the socket and the state are\n"
    "                   (default: OPS_HOME, else .ops beside the manifest)\n"
    "  --manifest FILE  the fleet (default: the nearest ecosystem.json)\n"
    "  --foreground     do not become a daemon; log to stderr\n"
    "  --no-start       start nothing; wait for opsctl\n";

struct opsd {
    uv_loop_t loop;
    struct home home;
    struct fleet fleet;
    struct control control;
    uv_prepare_t prepare;
    uv_signal_t signals[3];
    int64_t flush_until_ms;
};

static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option known[] = { { "home", required_argument, NULL, 'd' },
                                           { "manifest", required_argument, NULL, 'm' },
                                           { "foreground", no_argument, NULL, 'f' },
                                           { "no-start", no_argument, NULL, 'n' },
                                           { "version", no_argument, NULL, 'v' },
                                           { "help", no_argument, NULL, 'h' },
                                           { 0 } };
    int c;

    *ret = (struct options){ 0 };
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'd':
            ret->home = optarg;
            break;
        case 'm':
            ret->manifest = optarg;
            break;
        case 'f':
            ret->foreground = true;
            break;
        case 'n':
            ret->no_start = true;
            break;
        case 'v':
            (void)puts("opsd " OPS_VERSION);
            exit(EXIT_DONE);
        case 'h':
            (void)fputs(USAGE, stdout);
            exit(EXIT_DONE);
        default:
            (void)fputs(USAGE, stderr);
            return -EINVAL;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "opsd: unexpected argument \"%s\"\n%s", argv[optind], USAGE);
        return -EINVAL;
    }
    return 0;
}

/* --- becoming a daemon */

/* Forks; the parent waits for one byte that says that the child serves, and leaves with 0, or with
 * 1 when the child ended before. Returns in the child the descriptor for that byte, else -errno. */
static int daemonise(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        (void)close(ready[1]);
        _exit(read(ready[0], &byte, 1) == 1 ? EXIT_DONE : EXIT_FAILED);
    }
    (void)close(ready[0]);
    (void)setsid();
    return ready[1];
}

/* From here on nobody sees stderr: it goes to opsd.log in the home. */
static int redirect(const struct home *home, int ready_fd)
{
    OWN(close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    OWN(close)
    int log = openat(home->fd, "opsd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (null < 0 || log < 0)
        return -errno;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        return -errno;
    (void)!write(ready_fd, "r", 1);
    (void)close(ready_fd);
    return chdir("/") < 0 ? -errno : 0;
}

/* --- the loop */

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

static void changed(struct fleet *fleet)
{
    struct opsd *opsd = fleet->loop->data;
    int64_t now = (int64_t)monotonic_now_ms();

    methods_fleet_changed(fleet);
    if (!fleet->leaving || !all_stopped(fleet))
        return;
    if (!opsd->flush_until_ms)
        opsd->flush_until_ms = now + FLUSH_MS;
    if (all_answered(&opsd->control) || now >= opsd->flush_until_ms)
        uv_stop(&opsd->loop);
    else
        fleet->look_again_ms = now + 10;
}

static void turn(uv_prepare_t *prepare)
{
    fleet_reconcile(prepare->data);
}

static void signalled(uv_signal_t *handle, int signal)
{
    struct fleet *fleet = handle->data;

    log_info("leaving", LOG_INT("signal", signal));
    if (signal == SIGQUIT)
        uv_stop(fleet->loop);
    else
        fleet_leave(fleet);
}

static int watch_signals(struct opsd *opsd)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGQUIT };
    int r = 0;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && r == 0; i++) {
        r = uv_signal_init(&opsd->loop, &opsd->signals[i]);
        opsd->signals[i].data = &opsd->fleet;
        if (r == 0)
            r = uv_signal_start(&opsd->signals[i], signalled, numbers[i]);
    }
    return r;
}

/* Descriptors are what a fleet needs most: six for each worker. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_everything(struct opsd *opsd, struct err *reterr)
{
    int fd, r;

    r = uv_loop_init(&opsd->loop);
    if (r < 0)
        return err_set(reterr, r, "cannot make the loop: %s", uv_strerror(r));
    opsd->loop.data = opsd;
    r = fleet_init(&opsd->fleet, &opsd->loop, &opsd->home, reterr);
    if (r < 0)
        return r;
    opsd->fleet.changed = changed;
    opsd->fleet.logged = methods_logged;
    fd = home_listen(&opsd->home);
    if (fd < 0)
        return err_set(reterr, fd, "cannot listen in %s: %s", opsd->home.path, strerror(-fd));
    r = control_open(&opsd->control, &opsd->fleet, fd);
    if (r == 0)
        r = watch_signals(opsd);
    if (r == 0)
        r = uv_prepare_init(&opsd->loop, &opsd->prepare);
    opsd->prepare.data = &opsd->fleet;
    if (r == 0)
        r = uv_prepare_start(&opsd->prepare, turn);
    return r < 0 ? err_set(reterr, r, "cannot set up the loop: %s", uv_strerror(r)) : 0;
}

static int load(struct opsd *opsd, bool start)
{
    OWN_BUF struct buf problems = { 0 };
    int r;

    buf_init(&problems, PROBLEMS_MAX);
    r = fleet_load(&opsd->fleet, &problems);
    if (problems.len)
        (void)fputs(problems.p, stderr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < opsd->fleet.count && start; i++)
        if (opsd->fleet.instances[i]->app->autostart)
            (void)machine_start(&opsd->fleet.instances[i]->machine);
    return 0;
}

static void close_everything(struct opsd *opsd)
{
    control_close(&opsd->control);
    while (opsd->fleet.count)
        fleet_remove(&opsd->fleet, opsd->fleet.instances[0]);
    fleet_close(&opsd->fleet);
    for (size_t i = 0; i < sizeof opsd->signals / sizeof *opsd->signals; i++)
        uv_close((uv_handle_t *)&opsd->signals[i], NULL);
    uv_close((uv_handle_t *)&opsd->prepare, NULL);
    (void)uv_run(&opsd->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&opsd->loop);
    (void)unlinkat(opsd->home.fd, "opsd.sock", 0);
    home_done(&opsd->home);
}

/* Only one opsd in a home. The other one may just be starting: whoever asked for this one will want
 * to talk to that one, so it is waited for. */
static int give_way(const struct home *home, struct err *reterr)
{
    int fd = home_connect(home);

    for (int ms = 0; fd < 0 && ms < OTHER_MS; ms += OTHER_STEP_MS) {
        (void)poll(NULL, 0, OTHER_STEP_MS);
        fd = home_connect(home);
    }
    if (fd >= 0)
        (void)close(fd);
    return err_set(reterr, -EEXIST, "another opsd runs in %s", home->path);
}

static int run(struct opsd *opsd, const struct options *options, struct err *reterr)
{
    int ready_fd = -1, r;

    r = home_find(options->home, options->manifest, &opsd->home, reterr);
    if (r == 0)
        r = home_open(&opsd->home, true, reterr);
    if (r < 0)
        return r;
    if (!options->foreground) {
        ready_fd = daemonise();
        if (ready_fd < 0)
            return err_set(reterr, ready_fd, "cannot become a daemon: %s", strerror(-ready_fd));
    }
    if (home_lock(&opsd->home) < 0)
        return give_way(&opsd->home, reterr);
    r = open_everything(opsd, reterr);
    if (r < 0)
        return r;
    if (load(opsd, !options->no_start) < 0)
        return err_set(reterr, -EINVAL, "nothing was started: mend %s and try again",
                       opsd->home.manifest ? opsd->home.manifest : "the manifest");
    if (ready_fd >= 0 && (r = redirect(&opsd->home, ready_fd)) < 0)
        return err_set(reterr, r, "cannot write opsd.log in %s: %s", opsd->home.path, strerror(-r));
    log_with_time();
    log_info("opsd runs", LOG_INT("pid", getpid()), LOG_TEXT("home", opsd->home.path));
    (void)notify_send("READY=1");
    (void)uv_run(&opsd->loop, UV_RUN_DEFAULT);
    (void)notify_send("STOPPING=1");
    close_everything(opsd);
    return 0;
}

int main(int argc, char **argv)
{
    static struct opsd opsd;
    struct options options;
    struct err why = { "" };
    int fd;

    if (read_options(argc, argv, &options) < 0)
        return EXIT_USAGE;
    /* Whatever the caller left open is not for us and not for the workers; but what it left closed
     * of the first three must not become a file of ours. */
    (void)close_range(3, ~0U, 0);
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    (void)close(fd);
    /* A client that went away, a terminal that was closed, a limit on a file's size: no reasons to
     * leave a fleet alone. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    raise_limits();
    if (run(&opsd, &options, &why) < 0) {
        (void)fprintf(stderr, "opsd: %s\n", why.text);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}
