#ifndef OPS_HISTORY_H
#define OPS_HISTORY_H
/*
 * What became of each process of a worker: one JSON object a line, appended to a file of the
 * worker's own in the home, so that one that crashes in a loop pushes out nobody else's past.
 *
 * A line is one write(2) and is never changed. An opsd that was killed between a line and the
 * journal's word on the same exit writes it again: whoever reads knows two lines of one process by
 * its instance, pid and start. A line that a crash of the machine cut short is passed over.
 *
 * Bounded: HISTORY_BYTES of the newest are always there, at most twice that is kept.
 */
#include <cjson/cJSON.h>
#include <stdint.h>

enum {
    HISTORY_BYTES = 256 << 10, /* some 800 runs with a few lines each */
    HISTORY_NUMBERS_ALL = -1,
};

/* Appends record (may be NULL: no memory, -ENOMEM). name is a worker's, and so can name a file.
 * Returns 0 or a negative errno. */
int history_add(int home_fd, const char *name, const cJSON *record);

/* Adds the newest n records to array, newest first, each with its "name"; of one instance, or of
 * all. Reads up to twice HISTORY_BYTES, so opsd calls it off its loop. Returns 0 or -ENOMEM; what
 * cannot be read is not there. */
int history_read(int home_fd, const char *name, int number, int64_t n, cJSON *array);

#endif
