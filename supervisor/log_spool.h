#ifndef OPS_LOG_SPOOL_H
#define OPS_LOG_SPOOL_H
/*
 * What a stream whose lines are not written as they are has taken out of its pipe and not yet
 * written to its logs: so that a kill of opsd loses and doubles nothing.
 *
 * A batch goes like this: note where the text will stand and which time the lines get; splice(2)
 * the lines to the spool, where they are safe; write the text; note that it is done. Whoever finds
 * a batch that is not done writes the same text to the same place once more. What was written of it
 * before is the same, so nothing of a log is ever taken back.
 *
 * One splice may have been cut short by the kill, within a line. What is there of that line stays
 * in the spool, and the next batch begins with it.
 *
 * How much of a batch arrived has to be seen afterwards. Its room is filled with a byte that does
 * not occur in it before it is taken: what is not that byte has arrived. So one batch is written
 * over the other, in pages that are there and warm; to let the file grow and to cut it off again
 * takes three times as long. For bytes of all 256 values that is done: then its length tells.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "buf.h"

/* Where the text of a batch goes. */
struct log_place {
    uint64_t device, inode; /* 0, 0: nowhere */
    int64_t at;
};

enum { LOG_PLACES = 2 };

struct log_batch {
    uint64_t magic;
    int64_t from;    /* of its first byte in the spool; what an earlier batch left over */
    int64_t at;      /* from there on is what was taken from the pipe */
    int64_t blank;   /* what has not arrived is that byte; -1: the file ends there */
    int64_t length;  /* what it is to have; what is missing was not taken */
    int64_t instant; /* that its lines get */
    int64_t within;  /* it begins within a line */
    int64_t closes;  /* a line that it leaves open is ended: its writer is gone */
    struct log_place places[LOG_PLACES];
};

struct log_spool {
    int fd;
    int64_t end; /* of what is there */
    struct log_batch batch;
};

/* Opens the spool of that name, below the folder of spools in the home. Without create only one
 * that is there: -ENOENT. Returns 0 or a negative errno. */
int log_spool_open(struct log_spool *spool, int home_fd, const char *name, bool create);

/* Closes it; remove takes its file away as well. */
void log_spool_close(struct log_spool *spool, int home_fd, const char *name, bool removes);

/* Notes spool->batch. Returns 0 or a negative errno. */
int log_spool_note(struct log_spool *spool);

/* Notes spool->batch and takes its last n bytes from the pipe, where those bytes are. Returns how
 * many it took, or a negative errno. */
int64_t log_spool_take(struct log_spool *spool, int pipe_fd, const char *bytes, int64_t n);

/* Adds the bytes of the batch to to. Returns 0 or a negative errno. */
int log_spool_read(const struct log_spool *spool, struct buf *to);

/* The batch is written, but for its last kept bytes, with which the next one begins; within says
 * whether those are in the middle of a line. Returns 0 or a negative errno. */
int log_spool_done(struct log_spool *spool, int64_t kept, bool within);

#endif
