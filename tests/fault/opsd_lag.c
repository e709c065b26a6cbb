/*
 * Preloaded into opsd, this has its keepers lag, as on a busy machine: until the worker runs, each
 * of their looks at the clock takes OPSD_LAG_MS.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pid_t opsd; /* guard or supervisor; a keeper is another process of the same program */
static useconds_t lag;

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("OPSD_LAG_MS");

    opsd = getpid();
    lag = text ? (useconds_t)atoi(text) * 1000 : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (lag && getpid() != opsd)
        usleep(lag);
    return (int)syscall(SYS_clock_gettime, clock, ret);
}
