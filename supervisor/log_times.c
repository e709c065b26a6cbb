/* When which part of a log was written. */
#include "log_times.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own.h"
#include "text.h"

#define FOLDER "times"
#define MAGIC UINT64_C(0x3130656d6974706f) /* optime01 */

enum {
    EVERY_MS = 100, /* nobody types a finer time */
    RECORDS_MAX = 8192,
    READ_MAX = 2 * RECORDS_MAX,
    NAME_BYTES = 32,
};

struct record {
    int64_t time, place;
};

/* A path may be longer than a name. */
static void name_of(const char *path, char name[static NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, FOLDER "/%016llx", (unsigned long long)text_hash(path, 0));
}

static int open_times(int home_fd, const char *path, int flags)
{
    char name[NAME_BYTES];
    int fd;

    name_of(path, name);
    fd = openat(home_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT) && mkdirat(home_fd, FOLDER, 0700) == 0)
        fd = openat(home_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd;
}

static int read_head(int fd, struct log_times_head *ret)
{
    struct log_times_head head;

    if (pread(fd, &head, sizeof head, 0) != sizeof head || head.magic != MAGIC ||
        head.every_ms < EVERY_MS)
        return -ENODATA;
    *ret = head;
    return 0;
}

/* All records; the caller frees *ret. Returns how many. */
static size_t read_records(int fd, struct record **ret)
{
    struct stat st;
    size_t n, bytes;

    *ret = NULL;
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct log_times_head))
        return 0;
    n = ((size_t)st.st_size - sizeof(struct log_times_head)) / sizeof(struct record);
    if (n > READ_MAX)
        n = READ_MAX;
    bytes = n * sizeof **ret;
    *ret = n ? malloc(bytes) : NULL;
    if (*ret && pread(fd, *ret, bytes, sizeof(struct log_times_head)) == (ssize_t)bytes)
        return n;
    free(*ret);
    *ret = NULL;
    return 0;
}

/* Writes those records in place of what there is. A kill in between loses some of them. */
static void write_all(int fd, const struct log_times_head *head, const struct record *records,
                      size_t n)
{
    size_t bytes = n * sizeof *records;

    if (ftruncate(fd, sizeof *head) < 0 || pwrite(fd, head, sizeof *head, 0) < 0)
        return;
    if (n)
        (void)!pwrite(fd, records, bytes, sizeof *head);
}

/* Every other one. */
static void thin(int fd, struct log_times_head *head)
{
    OWN(free) struct record *records = NULL;
    size_t n = read_records(fd, &records), kept = 0;

    for (size_t i = 0; i < n; i += 2)
        records[kept++] = records[i];
    head->every_ms *= 2;
    write_all(fd, head, records, kept);
}

/* What an opsd before us noted of the same file goes on. Of another file nobody knows how much was
 * written to the one before: nothing that was written is earlier than its last record. */
static void resume(struct log_times *times, int fd, dev_t device, ino_t inode)
{
    OWN(free) struct record *records = NULL;
    struct log_times_head head;
    size_t n;

    times->head = (struct log_times_head){
        .magic = MAGIC, .device = device, .inode = inode, .every_ms = EVERY_MS
    };
    if (read_head(fd, &head) < 0) {
        write_all(fd, &times->head, NULL, 0);
        return;
    }
    times->head.every_ms = head.every_ms;
    times->head.base = head.base;
    if (head.device == device && head.inode == inode)
        return;
    n = read_records(fd, &records);
    if (n && records[n - 1].place > head.base)
        times->head.base = records[n - 1].place;
    (void)!pwrite(fd, &times->head, sizeof times->head, 0);
}

/* There is no file yet. */
static void begin(struct log_times *times, dev_t device, ino_t inode, struct record first)
{
    times->head = (struct log_times_head){
        .magic = MAGIC, .device = device, .inode = inode, .every_ms = EVERY_MS
    };
    times->first_time = first.time;
    times->first_place = first.place;
    times->noted_at = first.time;
    times->waits = true;
}

/* Adds a record behind the last whole one. */
static void append(struct log_times *times, int fd, struct record record)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return;
    if (st.st_size > (off_t)(RECORDS_MAX * sizeof record)) {
        thin(fd, &times->head);
        if (fstat(fd, &st) < 0)
            return;
    }
    st.st_size -= (st.st_size - (off_t)sizeof times->head) % (off_t)sizeof record;
    (void)!pwrite(fd, &record, sizeof record, st.st_size);
}

void log_times_note(struct log_times *times, dev_t device, ino_t inode, int64_t offset, int64_t now)
{
    bool known = times->noted_at && times->head.device == device && times->head.inode == inode;
    OWN(close) int fd = -1;
    bool makes;

    if (known && now - times->noted_at < times->head.every_ms && now >= times->noted_at)
        return;
    makes = known && times->waits;
    fd = open_times(times->home_fd, times->path, O_RDWR | (makes ? O_CREAT : 0));
    if (fd < 0 && !makes)
        begin(times, device, inode, (struct record){ now, offset });
    if (fd < 0)
        return;
    if (!known)
        resume(times, fd, device, inode);
    else if (makes)
        write_all(fd, &times->head, &(struct record){ times->first_time, times->first_place }, 1);
    times->waits = false;
    times->noted_at = now;
    append(times, fd, (struct record){ now, times->head.base + offset });
}

void log_times_rotated(struct log_times *times, int64_t bytes, int64_t kept)
{
    OWN(close) int fd = open_times(times->home_fd, times->path, O_RDWR);
    OWN(free) struct record *records = NULL;
    size_t n, first = 0;

    if (fd < 0 || (!times->noted_at && read_head(fd, &times->head) < 0))
        return;
    times->head.base += bytes;
    times->head.device = times->head.inode = 0;
    n = read_records(fd, &records);
    while (first < n && records[first].place < times->head.base - kept)
        first++;
    if (first)
        times->head.every_ms = EVERY_MS;
    write_all(fd, &times->head, records + first, n - first);
    times->noted_at = 0;
}

int64_t log_times_find(int home_fd, const char *path, int64_t since)
{
    OWN(close) int fd = open_times(home_fd, path, O_RDONLY);
    OWN(free) struct record *records = NULL;
    struct log_times_head head;
    size_t n, i = 0;

    if (fd < 0 || read_head(fd, &head) < 0)
        return INT64_MIN;
    n = read_records(fd, &records);
    while (i < n && records[i].time < since)
        i++;
    /* Nothing is known of what was there before the first record. */
    if (i == 0)
        return INT64_MIN;
    /* Lines that came soon after a record have none of their own. */
    if (since - records[i - 1].time <= head.every_ms)
        i--;
    return i < n ? records[i].place - head.base : INT64_MAX;
}
