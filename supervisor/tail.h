#ifndef OPS_TAIL_H
#define OPS_TAIL_H
/*
 * The last lines of a log file, whatever their length.
 */
#include <stdint.h>

/* Where the last n lines of the first end bytes begin, but not before begin; a last line without
 * its newline counts. Reads backwards in blocks. Returns an offset or a negative errno. */
int64_t tail_find(int fd, int64_t begin, int64_t end, int64_t n);

#endif
