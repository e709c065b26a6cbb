#ifndef OPS_TAIL_H
#define OPS_TAIL_H
/*
 * Places in a log file: where its last lines begin, where a line begins after a jump.
 *
 * Both read the file up to its whole length, so opsd calls them off its loop.
 */
#include <stdint.h>

/* Where the last n lines of the first end bytes begin, but not before begin; a last line without
 * its newline counts. Reads backwards in blocks. Returns an offset or a negative errno. */
int64_t tail_find(int fd, int64_t begin, int64_t end, int64_t n);

/* Where the last *n lines that hold a text begin, in that span; on return *n is how many lines
 * there were to find, up to *n. Returns an offset, end when there are none, or a negative errno. */
int64_t tail_find_text(int fd, int64_t begin, int64_t end, const char *text, int64_t *n);

/* The first place at or after to where a line begins, having counted the lines from from until
 * there; end is the file's. Returns an offset or a negative errno. */
int64_t tail_skip(int fd, int64_t from, int64_t to, int64_t end, int64_t *ret_lines);

#endif
