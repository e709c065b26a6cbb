/* What was taken out of a pipe and not yet written to a log. */
#include "log_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "own.h"

#define FOLDER "spool"
#define MAGIC UINT64_C(0x3130676f6c73706f) /* opslog01 */

enum {
    HEAD = 4096, /* the note has a page of its own, so that a kill cannot tear it */
    /* From where on the file is begun anew: small enough that the memory is warm still. */
    END_MOST = 256 << 10,
    NAME_MAX_HERE = 300,
};

static void path_of(const char *name, char path[static NAME_MAX_HERE])
{
    (void)snprintf(path, NAME_MAX_HERE, FOLDER "/%s", name);
}

static int begin_file(struct log_spool *spool)
{
    if (ftruncate(spool->fd, HEAD) < 0)
        return -errno;
    spool->end = HEAD;
    spool->batch = (struct log_batch){ .magic = MAGIC, .from = HEAD };
    return log_spool_note(spool);
}

int log_spool_note(struct log_spool *spool)
{
    ssize_t n = pwrite(spool->fd, &spool->batch, sizeof spool->batch, 0);

    return n == sizeof spool->batch ? 0 : n < 0 ? -errno : -ENOSPC;
}

static int read_note(struct log_spool *spool)
{
    struct stat st;

    if (fstat(spool->fd, &st) < 0)
        return -errno;
    spool->end = st.st_size;
    if (pread(spool->fd, &spool->batch, sizeof spool->batch, 0) != sizeof spool->batch ||
        spool->batch.magic != MAGIC || spool->batch.from < HEAD || spool->batch.from > st.st_size)
        return begin_file(spool);
    return 0;
}

int log_spool_open(struct log_spool *spool, int home_fd, const char *name, bool create)
{
    char path[NAME_MAX_HERE];
    OWN(close) int fd = -1;
    int r;

    path_of(name, path);
    fd = openat(home_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
    if (fd < 0 && errno == ENOENT && create && mkdirat(home_fd, FOLDER, 0700) == 0)
        fd = openat(home_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0600);
    if (fd < 0)
        return -errno;
    spool->fd = fd;
    r = read_note(spool);
    if (r == 0)
        (void)take_fd(&fd);
    else
        spool->fd = -1;
    return r;
}

void log_spool_close(struct log_spool *spool, int home_fd, const char *name, bool removes)
{
    char path[NAME_MAX_HERE];

    if (spool->fd < 0)
        return;
    (void)close(spool->fd);
    spool->fd = -1;
    path_of(name, path);
    if (removes)
        (void)unlinkat(home_fd, path, 0);
}

int64_t log_spool_take(struct log_spool *spool, int pipe_fd, int64_t n)
{
    int64_t done = 0;
    ssize_t moved;
    loff_t at;
    int error = 0;

    while (done < n) {
        at = spool->end;
        moved = splice(pipe_fd, NULL, spool->fd, &at, (size_t)(n - done), SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0) {
            error = moved < 0 ? errno : EIO;
            break;
        }
        spool->end += moved;
        done += moved;
    }
    return done || !error ? done : -error;
}

int log_spool_read(const struct log_spool *spool, struct buf *to)
{
    size_t n = (size_t)(spool->end - spool->batch.from), done = 0;
    char *room = buf_room(to, n);
    ssize_t got;

    if (!room)
        return -ENOMEM;
    while (done < n) {
        got = pread(spool->fd, room + done, n - done, spool->batch.from + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    buf_grew(to, n);
    return 0;
}

int log_spool_done(struct log_spool *spool, int64_t kept, bool within)
{
    if (!kept && spool->end > END_MOST && !within)
        return begin_file(spool);
    spool->batch = (struct log_batch){ .magic = MAGIC,
                                       .from = spool->end - kept,
                                       .within = within };
    return log_spool_note(spool);
}
