#ifndef OPS_LOG_TIMES_H
#define OPS_LOG_TIMES_H
/*
 * When which part of a log was written, for `opsctl logs --since`: a file in the home for each log.
 *
 * A place in a log is counted in bytes that were ever written to it, so that it stays true when the
 * file is rotated: base is what was written before the present file began. One record, a time and a
 * place, is added when something is written and the last one is older than `every`; when there are
 * too many, every other one goes and `every` is twice as long.
 *
 * What is lost here costs only that --since shows more than it should.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The first record of the file is this. */
struct log_times_head {
    uint64_t magic;
    int64_t base;
    uint64_t device, inode; /* of the file that base is about */
    int64_t every_ms;
};

struct log_times {
    int home_fd;
    const char *path; /* of the log */
    struct log_times_head head;
    int64_t noted_at; /* of the last record, wall clock; 0: not read yet */
    /* The first record waits for a second one: a worker that prints once needs no file for that,
     * the log's own time says it all. */
    bool waits;
    int64_t first_time, first_place;
};

/* Something is about to be written at that place of the present file. */
void log_times_note(struct log_times *times, dev_t device, ino_t inode, int64_t offset,
                    int64_t now);

/* The present file, of that many bytes, makes room for another; about kept bytes before that are
 * still there. */
void log_times_rotated(struct log_times *times, int64_t bytes, int64_t kept);

/* Where in the log lines begin that were written at or after an instant, as an offset in the
 * present file; below 0 in older ones. INT64_MIN: not known, or all of them. */
int64_t log_times_find(int home_fd, const char *path, int64_t since);

#endif
