/*
 * A worker that does next to nothing: says when its main() ran, and waits or fails.
 *
 *     stamp REPORT        waits for a signal
 *     stamp REPORT fail   exits with 1 at once
 *
 * What it says is one record of fixed length, appended to REPORT in one write(2): its pid and the
 * monotonic clock in nanoseconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    char record[33];
    int fd, n;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc < 2)
        return 2;
    n = snprintf(record, sizeof record, "%10d %20lld\n", (int)getpid(),
                 now.tv_sec * 1000000000LL + now.tv_nsec);
    fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, record, (size_t)n) != n)
        return 2;
    (void)close(fd);
    if (argc > 2)
        return EXIT_FAILURE;
    for (;;)
        (void)pause();
}
