/* What was taken out of a pipe and not yet written to a log. */
#include "log_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"

#define FOLDER "spool"
#define MAGIC UINT64_C(0x3230676f6c73706f) /* opslog02 */

enum {
    HEAD = 4096, /* the note has a page of its own, so that a kill cannot tear it */
    BLANKS = 64 << 10,
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
    spool->batch = (struct log_batch){ .magic = MAGIC, .from = HEAD, .at = HEAD };
    return log_spool_note(spool);
}

int log_spool_note(struct log_spool *spool)
{
    ssize_t n = pwrite(spool->fd, &spool->batch, sizeof spool->batch, 0);

    return n == sizeof spool->batch ? 0 : n < 0 ? -errno : -ENOSPC;
}

static int read_at(int fd, char *to, size_t n, int64_t at)
{
    size_t done = 0;
    ssize_t got;

    while (done < n) {
        got = pread(fd, to + done, n - done, at + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    return 0;
}

/* Of the n bytes of the batch that were to be taken, those that were. Returns 0 or a negative
 * errno.
 */
static int find_end(struct log_spool *spool, int64_t n, int64_t size)
{
    const struct log_batch *batch = &spool->batch;
    OWN(free) char *bytes = NULL;
    const char *end;
    int r;

    spool->end = batch->blank < 0 ? size : batch->at;
    if (batch->blank < 0 || !n)
        return 0;
    bytes = malloc((size_t)n);
    if (!bytes)
        return -ENOMEM;
    r = read_at(spool->fd, bytes, (size_t)n, batch->at);
    if (r < 0)
        return r;
    end = memchr(bytes, (int)batch->blank, (size_t)n);
    spool->end += end ? end - bytes : n;
    return 0;
}

static int read_note(struct log_spool *spool)
{
    struct log_batch *batch = &spool->batch;
    struct stat st;
    int64_t n;

    if (fstat(spool->fd, &st) < 0)
        return -errno;
    if (pread(spool->fd, batch, sizeof *batch, 0) != sizeof *batch || batch->magic != MAGIC ||
        batch->from < HEAD || batch->at < batch->from || batch->at > st.st_size)
        return begin_file(spool);
    n = batch->length ? batch->length - (batch->at - batch->from) : 0;
    if (n < 0 || (batch->blank >= 0 && n > st.st_size - batch->at))
        return begin_file(spool);
    return find_end(spool, n, st.st_size);
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

/* A byte that is not one of them; -1: there is none. */
static int missing_byte(const char *bytes, size_t n)
{
    bool there[256] = { false };
    int c = 0;

    if (!memchr(bytes, 0, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        there[(unsigned char)bytes[i]] = true;
    while (c < 256 && there[c])
        c++;
    return c < 256 ? c : -1;
}

/* Makes room for n bytes behind what is there. Returns 0 or a negative errno. */
static int make_room(struct log_spool *spool, int64_t n)
{
    static char blanks[BLANKS]; /* all of the same byte; zeros are memory that nobody has */
    int64_t blank = spool->batch.blank, part;
    ssize_t wrote;

    if (blank < 0)
        return ftruncate(spool->fd, spool->end) < 0 ? -errno : 0;
    if (blanks[0] != (char)blank)
        memset(blanks, (int)blank, sizeof blanks);
    for (int64_t done = 0; done < n; done += wrote) {
        part = n - done < BLANKS ? n - done : BLANKS;
        wrote = pwrite(spool->fd, blanks, (size_t)part, spool->end + done);
        if (wrote <= 0)
            return wrote < 0 ? -errno : -ENOSPC;
    }
    return 0;
}

static int64_t move(struct log_spool *spool, int pipe_fd, int64_t n)
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

int64_t log_spool_take(struct log_spool *spool, int pipe_fd, const char *bytes, int64_t n)
{
    int r;

    spool->batch.at = spool->end;
    spool->batch.blank = missing_byte(bytes, (size_t)n);
    r = make_room(spool, n);
    if (r == 0)
        r = log_spool_note(spool);
    return r < 0 ? r : move(spool, pipe_fd, n);
}

int log_spool_read(const struct log_spool *spool, struct buf *to)
{
    size_t n = (size_t)(spool->end - spool->batch.from);
    char *room = buf_room(to, n);
    int r = room ? read_at(spool->fd, room, n, spool->batch.from) : -ENOMEM;

    if (r == 0)
        buf_grew(to, n);
    return r;
}

int log_spool_done(struct log_spool *spool, int64_t kept, bool within)
{
    if (!kept)
        spool->end = HEAD;
    spool->batch = (struct log_batch){
        .magic = MAGIC, .from = spool->end - kept, .at = spool->end, .within = within
    };
    return log_spool_note(spool);
}
