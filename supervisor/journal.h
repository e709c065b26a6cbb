#ifndef OPS_JOURNAL_H
#define OPS_JOURNAL_H
/*
 * What opsd must not forget when it is killed: one JSON object a line, appended to a file in the
 * home; the last word on a thing counts. What a line does not name stays as it was.
 *
 * A line is written before what it announces is done: the keeper of a worker is told to go only
 * when the journal knows it. Lines gather for one turn of the loop and go in one write(2); the file
 * is written anew (beside it, then rename(2)) once it has grown to several times what it says. The
 * one before is kept: a file that is damaged or empty is not taken for an empty fleet.
 *
 * A line ends with a checksum of itself (CRC-32): one that was damaged is left out, and does not
 * say something else. The first, and those of an earlier opsd, have none.
 *
 * It need not be synced for a crash of opsd; what it says of processes means nothing after a crash
 * of the machine, and the first line names the boot that it is about.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum {
    /* More is not read. */
    JOURNAL_BYTES_MAX = 64 << 20,
    /* Written anew from this size on, when it is GROWTH times as long as it was then; and before it
     * is too long to be read. */
    JOURNAL_SMALL_BYTES = 256 << 10,
    JOURNAL_GROWTH = 4,
};

struct journal {
    int home_fd, fd;
    int64_t size, fresh_size;
    int64_t since_ms; /* for the first line */
    struct buf lines; /* not written yet */
    bool incomplete;  /* there was no room for one of them */
    bool failing;     /* it could not be written, and that was logged */
};

/* What was read: lines in their order. */
struct journal_lines {
    cJSON **lines;
    size_t count;
    int64_t since_ms; /* when opsd first began, by the clock that never jumps */
    bool same_boot;   /* processes that it speaks of may be there */
    bool left;        /* opsd stopped everything and left in order */
};

/* Reads the journal, or the one before it. What cannot be read is left out and logged; a home
 * without either has no lines. Returns 0 or -ENOMEM. */
int journal_read(int home_fd, struct journal_lines *ret);
void journal_lines_free(struct journal_lines *lines);

/* Begins a new file, of an opsd that runs since then, with what add_all adds by journal_add.
 * Returns 0 or a negative errno. */
int journal_begin(struct journal *journal, int home_fd, int64_t since_ms,
                  void (*add_all)(struct journal *journal, void *context), void *context);

/* Takes line, an object with members (may be NULL: out of memory). One for which there is no room
 * has all of it written anew by the next flush. */
void journal_add(struct journal *journal, cJSON *line);

/* Writes what was added; writes the file anew with add_all when it has grown. A disk that is full
 * is logged, once, and tried again with the next line. */
void journal_flush(struct journal *journal, void (*add_all)(struct journal *journal, void *context),
                   void *context);

void journal_close(struct journal *journal);

/* This boot of the machine: random(4)'s boot_id. Returns "" when it is not known. */
const char *journal_boot_id(void);

#endif
