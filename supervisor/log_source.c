/* A log as its reader sees it. */
#include "log_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"
#include "log_rotate.h"
#include "log_times.h"
#include "own.h"
#include "tail.h"

enum { BLOCK = 64 << 10 };

/* --- its parts */

/* Opens one that nobody has yet. Returns 0, -EEXIST when it is a part already, or a negative errno.
 */
static int open_part(const struct log_source *source, const char *name, struct log_part **ret)
{
    OWN(close) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct log_part *part;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    for (part = source->first; part; part = part->next)
        if (part->file.st_ino == st.st_ino && part->file.st_dev == st.st_dev)
            return -EEXIST;
    part = calloc(1, sizeof *part);
    if (!part)
        return -ENOMEM;
    part->file = st;
    part->end = st.st_size;
    part->fd = take_fd(&fd);
    *ret = part;
    return 0;
}

static void append(struct log_source *source, struct log_part *part)
{
    part->before = source->last;
    if (source->last)
        source->last->next = part;
    else
        source->first = part;
    source->last = part;
    source->parts++;
}

static void prepend(struct log_source *source, struct log_part *part)
{
    part->next = source->first;
    source->first->before = part;
    source->first = part;
    source->parts++;
}

static void drop_first(struct log_source *source)
{
    struct log_part *part = source->first;

    source->first = part->next;
    if (source->first)
        source->first->before = NULL;
    else
        source->last = NULL;
    source->parts--;
    (void)close(part->fd);
    free(part);
}

int log_source_open(struct log_source *source, const char *path)
{
    struct log_part *part;
    int r;

    *source = (struct log_source){ .path = strdup(path) };
    if (!source->path)
        return -ENOMEM;
    r = open_part(source, path, &part);
    if (r == 0)
        append(source, part);
    return r == -ENOENT ? 0 : r;
}

void log_source_close(struct log_source *source)
{
    while (source->first)
        drop_first(source);
    free(source->path);
    source->path = NULL;
}

void log_source_open_rotated(struct log_source *source, size_t most)
{
    struct log_part *part;
    int form;

    for (int n = 1;
         source->parts <= most && (form = log_rotate_find(source->path, n)) > LOG_FORM_NONE; n++) {
        OWN(free) char *name = log_rotate_name(source->path, n, form == LOG_FORM_COMPRESSED);

        if (!name || open_part(source, name, &part) < 0)
            return;
        part->compressed = form == LOG_FORM_COMPRESSED;
        if (source->first)
            prepend(source, part);
        else
            append(source, part);
    }
}

/* Cut to nothing, it is read from its beginning. */
static void look_at_end(struct log_part *part)
{
    struct stat st;

    if (part->compressed || fstat(part->fd, &st) < 0)
        return;
    part->end = st.st_size;
    if (part->at > part->end)
        part->at = 0;
}

/* Under which number the last part is by now; 0 when it is under none. */
static int number_of_last(const struct log_source *source)
{
    struct stat st;

    for (int n = 1; log_rotate_find(source->path, n) == LOG_FORM_PLAIN; n++) {
        OWN(free) char *name = log_rotate_name(source->path, n, false);

        if (name && stat(name, &st) == 0 && st.st_ino == source->last->file.st_ino &&
            st.st_dev == source->last->file.st_dev)
            return n;
    }
    return 0;
}

void log_source_follow(struct log_source *source)
{
    struct log_part *part;
    struct stat st;
    int n = 0;

    if (source->last) {
        look_at_end(source->last);
        if (stat(source->path, &st) < 0 ||
            (st.st_ino == source->last->file.st_ino && st.st_dev == source->last->file.st_dev))
            return;
        n = number_of_last(source);
    }
    /* It may have been rotated more than once. */
    for (n = n > 0 ? n - 1 : 0; n >= 0; n--) {
        OWN(free) char *name = log_rotate_name(source->path, n, false);

        if (name && open_part(source, name, &part) == 0)
            append(source, part);
    }
}

/* --- looking for a place, in a thread */

static int unpack_all(gzFile from, int to)
{
    OWN(free) char *block = malloc(BLOCK);
    int n, r = 0;

    if (!block)
        return -ENOMEM;
    while (r == 0 && (n = gzread(from, block, BLOCK)) > 0)
        r = file_write_all(to, block, (size_t)n);
    return r;
}

/* Into a file that has no name. */
static int unpack(struct log_part *part, int home_fd)
{
    OWN(close) int to = openat(home_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    gzFile from;
    int copy, r;

    if (!part->compressed)
        return 0;
    /* Not every file system has files without a name. */
    if (to < 0)
        to = memfd_create("log", MFD_CLOEXEC);
    if (to < 0)
        return -errno;
    copy = fcntl(part->fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return -errno;
    from = gzdopen(copy, "rb");
    if (!from) {
        (void)close(copy);
        return -ENOMEM;
    }
    r = unpack_all(from, to);
    (void)gzclose(from);
    if (r < 0)
        return r;
    part->end = lseek(to, 0, SEEK_END);
    part->compressed = false;
    (void)close(part->fd);
    part->fd = take_fd(&to);
    return 0;
}

/* A last line without its newline counts. */
static int64_t count_lines_of(const struct log_part *part, int64_t from)
{
    int64_t lines = 0;
    char last = '\n';

    if (from >= part->end)
        return 0;
    if (tail_skip(part->fd, from, part->end, part->end, &lines) < 0 ||
        pread(part->fd, &last, 1, part->end - 1) < 0)
        return -EIO;
    return lines + (last != '\n');
}

/* Finds up to *missing lines in a part, and takes off what it found. */
static int find_in_part(struct log_part *part, int64_t from, const char *text, int64_t *missing)
{
    int64_t found = *missing, at;

    if (text[0]) {
        at = tail_find_text(part->fd, from, part->end, text, &found);
    } else {
        at = tail_find(part->fd, from, part->end, *missing);
        if (at == from)
            found = count_lines_of(part, from);
    }
    if (at < 0 || found < 0)
        return -EIO;
    part->at = at;
    *missing -= found < *missing ? found : *missing;
    return 0;
}

/* Where lines of the part begin that are young enough. place is that of its first byte, by the
 * measure of log_times_find. */
static int64_t young(const struct log_part *part, const struct log_search *search, int64_t place)
{
    int64_t written = (int64_t)part->file.st_mtim.tv_sec * 1000 +
                      part->file.st_mtim.tv_nsec / 1000000;

    if (!search->since)
        return 0;
    if (search->since_at == INT64_MIN)
        return written < search->since ? part->end : 0;
    if (search->since_at <= place)
        return 0;
    return search->since_at - place < part->end ? search->since_at - place : part->end;
}

int log_source_find(struct log_source *source, const struct log_search *search)
{
    struct log_search s = *search;
    int64_t missing = search->lines, place = 0, from;
    struct log_part *part;
    int r;

    if (s.since)
        s.since_at = log_times_find(s.home_fd, source->path, s.since);
    for (part = source->last; part; part = part->before)
        part->at = part->end;
    for (part = source->last; part && missing > 0; part = part->before) {
        r = unpack(part, s.home_fd);
        if (r < 0)
            return r;
        if (part != source->last)
            place -= part->end;
        from = young(part, &s, place);
        r = find_in_part(part, from, s.text, &missing);
        if (r < 0 || from > 0)
            return r;
    }
    return 0;
}

int64_t log_source_skip(struct log_source *source, int64_t keep)
{
    int64_t skipped = 0, lines, at, to;

    for (struct log_part *part = source->first; part; part = part->next) {
        look_at_end(part);
        to = part->next ? part->end : part->end - keep;
        if (to <= part->at)
            continue;
        lines = 0;
        at = tail_skip(part->fd, part->at, to, part->end, &lines);
        /* What cannot be read is left out too: who is still behind would skip again, for ever. */
        part->at = at < to ? part->end : at;
        skipped += lines;
    }
    return skipped;
}

/* --- reading */

int64_t log_source_behind(const struct log_source *source)
{
    int64_t behind = 0;

    for (const struct log_part *part = source->first; part; part = part->next)
        behind += part->end - part->at;
    return behind;
}

void log_source_trim(struct log_source *source)
{
    while (source->first && source->first->next && source->first->at >= source->first->end)
        drop_first(source);
}

static int read_block(const struct log_part *part, size_t want, struct buf *bytes)
{
    int64_t left = part->end - part->at;
    char *room;
    ssize_t got;

    buf_clear(bytes);
    if ((int64_t)want > left)
        want = (size_t)left;
    room = buf_room(bytes, want);
    got = room ? pread(part->fd, room, want, part->at) : -1;
    if (got < 0)
        return room ? -errno : -ENOMEM;
    buf_grew(bytes, (size_t)got);
    return got ? 0 : -ENODATA;
}

int log_source_read(struct log_source *source, bool ended, struct buf *bytes)
{
    const struct log_part *part;
    const char *end = NULL;
    size_t want;
    int r;

    log_source_trim(source);
    part = source->first;
    if (!part || part->at >= part->end)
        return -ENODATA;
    /* A line longer than the block: look at more of it. */
    for (want = BLOCK; !end && want <= LOG_SOURCE_LINE_MAX; want *= 4) {
        r = read_block(part, want, bytes);
        if (r < 0)
            return r;
        end = memrchr(bytes->p, '\n', bytes->len);
        if (bytes->len < want)
            break;
    }
    if (end)
        bytes->len = (size_t)(end - bytes->p) + 1;
    else if (!ended && !part->next && bytes->len < LOG_SOURCE_LINE_MAX)
        return -ENODATA;
    return 0;
}

void log_source_pass(struct log_source *source, size_t n)
{
    source->first->at += (int64_t)n;
}
