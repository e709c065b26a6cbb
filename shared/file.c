/* Whole files: read with a limit, replaced so that a crash leaves the old or the new one. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "own.h"

enum { READ_STEP = 16384 };

int file_read(const char *path, size_t max, char **ret, size_t *ret_n)
{
    OWN(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    OWN_BUF struct buf text = { 0 };
    struct stat st;
    ssize_t got;
    char *room;

    buf_init(&text, max + READ_STEP);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    do {
        room = buf_room(&text, READ_STEP);
        if (!room)
            return text.len > max ? -EFBIG : -ENOMEM;
        got = read(fd, room, READ_STEP);
        if (got < 0 && errno != EINTR)
            return -errno;
        buf_grew(&text, got > 0 ? (size_t)got : 0);
        if (text.len > max)
            return -EFBIG;
    } while (got);
    if (ret_n)
        *ret_n = text.len;
    *ret = buf_take(&text);
    return 0;
}

int file_write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    ssize_t done;

    while (n) {
        done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_and_sync(const char *path, const void *bytes, size_t n, unsigned mode)
{
    OWN(close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    int r;

    if (fd < 0)
        return -errno;
    r = file_write_all(fd, bytes, n);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

int file_replace(const char *path, const void *bytes, size_t n, unsigned mode)
{
    OWN(free) char *temporary = NULL;
    int r;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    r = write_and_sync(temporary, bytes, n, mode);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    return r;
}

int file_make_dirs(const char *path, unsigned mode)
{
    OWN(free) char *part = strdup(path);

    if (!part)
        return -ENOMEM;
    for (char *p = part; *p; p++) {
        if (*p != '/' || p == part)
            continue;
        *p = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(part, mode) < 0 && errno != EEXIST ? -errno : 0;
}
