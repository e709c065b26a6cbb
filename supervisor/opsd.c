/*
 * opsd: main program of its two processes.
 *
 * Started by a person, by opsctl or by systemd it takes the lock on its home, becomes a daemon
 * unless told otherwise, and is the guard from then on; started by the guard it is the supervisor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "become.h"
#include "commands.h"
#include "guard.h"
#include "home.h"
#include "instant.h"
#include "opsd_options.h"
#include "own.h"
#include "store.h"
#include "supervise.h"
#include "text.h"

enum {
    /* To start or to leave takes an opsd a fraction of this. But the lock of one that was killed is
     * held by a child that it was just forking, too: on a busy machine for seconds. */
    OTHER_MS = 5000,
    OTHER_STEP_MS = 10,
};

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

/* Whether an opsd in the home answers a ping. That it takes the connection proves nothing: so does
 * the socket of one that was killed, until the kernel has closed it. */
static bool other_answers(const struct home *home, int patience_ms)
{
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    OWN(close) int fd = home_connect(home);
    struct pollfd answer = { .fd = fd, .events = POLLIN };
    char byte;

    return fd >= 0 && send(fd, ping, sizeof ping - 1, MSG_NOSIGNAL) == sizeof ping - 1 &&
           poll(&answer, 1, patience_ms) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

/* Only one opsd in a home. The other one may just be leaving: then its place is free in a moment.
 * Or it is just starting: then whoever asked for this one will want to talk to that one, so it is
 * waited for. */
static int lock_or_give_way(const struct home *home, struct err *reterr)
{
    uint64_t until = monotonic_now_ms() + OTHER_MS, now;
    bool answered = false;
    int r = home_lock(home);

    while (r < 0 && !answered && (now = monotonic_now_ms()) < until) {
        answered = other_answers(home, (int)(until - now));
        if (!answered)
            (void)poll(NULL, 0, OTHER_STEP_MS);
        r = home_lock(home);
    }
    return r < 0 ? err_set(reterr, -EEXIST, "another opsd runs in %s", home->path) : 0;
}

/* Whether somebody starts opsd again when the process that they started dies. NOTIFY_SOCKET alone
 * also reaches whoever is started from a shell in a service; that one becomes a daemon. */
static bool is_service(const struct options *options)
{
    const char *pid = getenv("SYSTEMD_EXEC_PID");
    int64_t number;

    if (options->foreground && getenv("NOTIFY_SOCKET"))
        return true;
    return pid && text_to_int(pid, 1, INT32_MAX, &number) == 0 && number == getpid();
}

/* The descriptor for GUARD_STARTED, which also tells, for as long as it is in the store, that
 * nobody knows yet that opsd serves (guard.h). In the foreground nobody waits for the byte. */
static int open_started(const struct options *options)
{
    int fd;

    if (!options->foreground)
        return daemonise();
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int prepare(struct options *options, struct home *home, struct store *store,
                   struct err *reterr)
{
    int started, r;

    r = home_find(options->home, options->manifest, home, reterr);
    if (r == 0)
        r = home_open(home, true, reterr);
    if (r < 0)
        return r;
    options->home = home->path;
    options->manifest = home->manifest;
    options->under_systemd = is_service(options);
    started = open_started(options);
    if (started < 0)
        return err_set(reterr, started, "cannot become a daemon: %s", strerror(-started));
    r = store_add(store, GUARD_STARTED, started);
    if (r == 0)
        r = lock_or_give_way(home, reterr);
    if (r == 0)
        r = store_add(store, GUARD_HOME, take_fd(&home->fd));
    return r == -ENOMEM ? err_set(reterr, r, "out of memory") : r;
}

/* The guard died, or was replaced by a newer one. */
static int go_on(const struct options *options, struct store *store, struct err *reterr)
{
    if (store_load(options->guard_store, store) < 0 || store_find(store, GUARD_HOME) < 0)
        return err_set(reterr, -EINVAL, "--guard-store is for opsd itself; leave it out");
    return 0;
}

static int guard(struct options *options)
{
    struct home home = { .fd = -1 };
    struct store store = { 0 };
    struct err why = { "" };
    int r;

    if (options->guard_store >= 0)
        r = go_on(options, &store, &why);
    else
        r = prepare(options, &home, &store, &why);
    if (r < 0)
        (void)fprintf(stderr, "opsd: %s\n", why.text);
    r = r < 0 ? EXIT_FAILED : guard_run(options, &store);
    store_done(&store);
    home_done(&home);
    return r;
}

/* Whatever the caller left open is not for us and not for the workers; but what it left closed of
 * the first three must not become a file of ours. */
static void tidy_descriptors(bool inherited)
{
    int fd;

    if (!inherited)
        (void)close_range(3, ~0U, 0);
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    (void)close(fd);
}

/* Descriptors are what a fleet needs most: six or seven for each worker. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct options options;

    if (options_read(argc, argv, &options) < 0)
        return EXIT_USAGE;
    tidy_descriptors(options.link >= 0 || options.guard_store >= 0);
    become_reset_signals();
    /* A client that went away, a terminal that was closed, a limit on a file's size: no reasons to
     * leave a fleet alone. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    raise_limits();
    return options.link >= 0 ? supervise(&options) : guard(&options);
}
