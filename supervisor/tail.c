/* Places in a log file. */
#include "tail.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 16384 };

int64_t tail_find(int fd, int64_t begin, int64_t end, int64_t n)
{
    char block[BLOCK];
    int64_t at = end;
    ssize_t got;

    if (n <= 0)
        return end;
    while (at > begin) {
        size_t want = at - begin < BLOCK ? (size_t)(at - begin) : BLOCK;

        at -= (int64_t)want;
        got = pread(fd, block, want, at);
        if (got < 0)
            return -errno;
        for (ssize_t i = got - 1; i >= 0; i--) {
            /* The newline that ends the last line begins no other. */
            if (block[i] == '\n' && at + i + 1 < end && --n == 0)
                return at + i + 1;
        }
    }
    return begin;
}

int64_t tail_skip(int fd, int64_t from, int64_t to, int64_t end, int64_t *ret_lines)
{
    int64_t at = from, lines = 0;
    char block[BLOCK];
    ssize_t got;

    while (at < end) {
        got = pread(fd, block, end - at < BLOCK ? (size_t)(end - at) : BLOCK, at);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++) {
            if (block[i] != '\n')
                continue;
            lines++;
            if (at + i + 1 >= to) {
                *ret_lines = lines;
                return at + i + 1;
            }
        }
        at += got;
    }
    *ret_lines = lines;
    return at;
}
