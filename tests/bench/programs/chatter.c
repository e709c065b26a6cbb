/*
 * A worker that prints, and what would take its lines with the least effort.
 *
 *     chatter print LINES BYTES     lines of 100 bytes in writes of BYTES (100: one a line); then
 * waits chatter copy LINES BYTES COUNT FOLDER the same by so many children, through a pipe each,
 * copied to files in FOLDER by read(2) and write(2) of one thread; then ends
 *
 * Printing begins when a byte can be read from the FIFO named by CHATTER_GO, to which the copier
 * adds each child's number. The copier prints the processor time it took on stdout, in
 * microseconds.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LINE = 100, BLOCK = 64 << 10, PIPE_BYTES = 1 << 20, COPIES_MAX = 256 };

static void wait_for_go(void)
{
    char byte;
    int fd = open(getenv("CHATTER_GO"), O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, &byte, 1) == 1)
        (void)close(fd);
}

static void print(long lines, size_t bytes)
{
    char *block = malloc(bytes);

    for (size_t i = 0; i < bytes; i++)
        block[i] = i % LINE == LINE - 1 ? '\n' : 'x';
    wait_for_go();
    for (size_t left = (size_t)lines * LINE, n; left; left -= n) {
        n = bytes < left ? bytes : left;
        if (write(STDOUT_FILENO, block, n) != (ssize_t)n)
            exit(1);
    }
}

/* What epoll says can be read is written, 64 KiB at a time. */
static void copy(const int *from, int count, const char *folder)
{
    static char block[BLOCK];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), to[COPIES_MAX], open_ones = count, n;
    struct epoll_event ready[COPIES_MAX], event = { .events = EPOLLIN };
    char path[4096];
    ssize_t got;

    for (int i = 0; i < count; i++) {
        (void)snprintf(path, sizeof path, "%s/w%d", folder, i);
        to[i] = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        event.data.u32 = (uint32_t)i;
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, from[i], &event);
    }
    while (open_ones && (n = epoll_wait(epoll_fd, ready, COPIES_MAX, -1)) > 0)
        for (int k = 0; k < n; k++) {
            uint32_t i = ready[k].data.u32;

            got = read(from[i], block, sizeof block);
            if (got > 0 && write(to[i], block, (size_t)got) != got)
                exit(1);
            if (got == 0) {
                (void)close(from[i]);
                open_ones--;
            }
        }
}

static long used_us(int who)
{
    struct rusage use;

    (void)getrusage(who, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000L + use.ru_utime.tv_usec +
           use.ru_stime.tv_usec;
}

/* A printer behind a pipe; returns the end to read from. */
static int begin(int number, long lines, size_t bytes)
{
    char go[4096];
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        exit(2);
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    if (fork() == 0) {
        (void)snprintf(go, sizeof go, "%s%d", getenv("CHATTER_GO"), number);
        (void)setenv("CHATTER_GO", go, 1);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[1]);
        print(lines, bytes);
        exit(0);
    }
    (void)close(ends[1]);
    return ends[0];
}

int main(int argc, char **argv)
{
    int from[COPIES_MAX], count;
    long lines;
    size_t bytes;

    if (argc < 4)
        return 2;
    lines = atol(argv[2]);
    bytes = (size_t)atol(argv[3]) / LINE * LINE;
    if (strcmp(argv[1], "print") == 0) {
        print(lines, bytes);
        for (;;)
            (void)pause();
    }
    if (argc < 6 || (count = atoi(argv[4])) > COPIES_MAX)
        return 2;
    for (int i = 0; i < count; i++)
        from[i] = begin(i, lines, bytes);
    copy(from, count, argv[5]);
    (void)printf("%ld\n", used_us(RUSAGE_SELF));
    return 0;
}
