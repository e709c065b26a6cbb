/*
 * Being told to stop: a flag for loops, a descriptor for whoever waits in poll(2).
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "instant.h"
#include "worker_parts.h"

static volatile sig_atomic_t stopping;
static int stop_fd = -1;

static void stop(int signal)
{
    const uint64_t one = 1;
    int saved = errno;
    ssize_t n;

    (void)signal;
    stopping = 1;
    /* Fails only when the counter is full, and then the descriptor is readable anyway. */
    n = write(stop_fd, &one, sizeof one);
    (void)n;
    errno = saved;
}

int signal_init(void)
{
    struct sigaction stop_action = { .sa_handler = stop, .sa_flags = SA_RESTART };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t none;

    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return -errno;
    (void)sigemptyset(&none);
    if (sigaction(SIGINT, &stop_action, NULL) < 0 || sigaction(SIGTERM, &stop_action, NULL) < 0 ||
        sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return -errno;
    return 0;
}

bool worker_stopping(void)
{
    return stopping;
}

int worker_stop_fd(void)
{
    return stop_fd;
}

bool worker_pause(int64_t ms)
{
    struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
    int64_t now = (int64_t)monotonic_now_ms(), until = now + ms;

    for (; now < until; now = (int64_t)monotonic_now_ms())
        if (poll(&stop, 1, until - now < INT_MAX ? (int)(until - now) : INT_MAX) > 0)
            return false;
    return true;
}

bool run_stopping(const struct run *run)
{
    (void)run;
    return worker_stopping();
}
