#ifndef OPS_FILE_H
#define OPS_FILE_H
/*
 * Whole files: read with a limit, replaced so that a crash leaves the old or the new one.
 */
#include <stddef.h>

#include "err.h"

/* Reads a regular file of at most max bytes; the text ends with '\0' that n leaves out. The
 * caller frees *ret. Returns 0, -EFBIG, or the errno of open and read. ret_n may be NULL. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n);

/* Writes path by way of a temporary file beside it, fsync and rename(2). mode as in open(2).
 * Returns 0 or a negative errno; the old file is untouched on failure. */
int file_replace(const char *path, const void *bytes, size_t n, unsigned mode);

/* Creates a directory and its parents like mkdir -p. Returns 0 or a negative errno. */
int file_make_dirs(const char *path, unsigned mode);

/* Writes all n bytes, going on after EINTR and short writes. Returns 0 or a negative errno. */
int file_write_all(int fd, const void *bytes, size_t n);

#endif
