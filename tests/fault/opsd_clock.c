/*
 * Preloaded into opsd, this lets the wall clock jump: by the seconds that stand in the file that
 * OPSD_CLOCK names, as text. Only the wall clock: what counts the time that passed is left alone.
 *
 * A file that is renamed to that name is the setting of the clock, as the kernel tells of it:
 * timers on the wall clock go by the new time, and reading them fails with ECANCELED once. For that
 * such a timer is an epoll(7) of the real one and of an inotify(7) of the file's folder.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define REAL(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

/* The one timer on the wall clock that opsd has: what it holds, the real one, the folder. */
static int timer = -1, real_timer = -1, folder = -1;

static long ahead(void)
{
    const char *path = getenv("OPSD_CLOCK");
    char text[32] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return 0;
    if (REAL(read)(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = REAL(clock_gettime)(clock, ret);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += ahead();
    return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -1;
    *ret = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

/* --- timers */

static int watch_folder(void)
{
    const char *path = getenv("OPSD_CLOCK");
    const char *slash = path ? strrchr(path, '/') : NULL;
    char name[PATH_MAX];

    folder = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (!slash || folder < 0)
        return -1;
    snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
    return inotify_add_watch(folder, name, IN_MOVED_TO);
}

int timerfd_create(int clock, int flags)
{
    struct epoll_event event = { .events = EPOLLIN };

    if (clock != CLOCK_REALTIME || timer >= 0 || watch_folder() < 0)
        return REAL(timerfd_create)(clock, flags);
    real_timer = REAL(timerfd_create)(clock, flags);
    timer = epoll_create1(EPOLL_CLOEXEC);
    if (real_timer < 0 || timer < 0 || epoll_ctl(timer, EPOLL_CTL_ADD, real_timer, &event) < 0 ||
        epoll_ctl(timer, EPOLL_CTL_ADD, folder, &event) < 0)
        return -1;
    return timer;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    struct itimerspec at = *new;

    if (fd != timer || timer < 0)
        return REAL(timerfd_settime)(fd, flags, new, old);
    if (at.it_value.tv_sec || at.it_value.tv_nsec) {
        at.it_value.tv_sec -= ahead();
        /* Zero would disarm it. */
        if (at.it_value.tv_sec <= 0)
            at.it_value = (struct timespec){ .tv_nsec = 1 };
    }
    return REAL(timerfd_settime)(real_timer, flags, &at, old);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    char events[4096];

    if (fd != timer || timer < 0)
        return REAL(read)(fd, bytes, n);
    if (REAL(read)(folder, events, sizeof events) < 0)
        return REAL(read)(real_timer, bytes, n);
    while (REAL(read)(folder, events, sizeof events) > 0)
        ;
    (void)!REAL(read)(real_timer, bytes, n);
    errno = ECANCELED;
    return -1;
}
