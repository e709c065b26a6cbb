#ifndef OPS_STDIN_LINE_H
#define OPS_STDIN_LINE_H
/*
 * A line for the standard input of a worker whose manifest says "stdin": true (become.h).
 *
 * Nobody but the worker holds its end, so nothing has to be kept for it: the pipe is found in the
 * process itself, proc(5), whichever opsd started that.
 */
#include <linux/limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* pipe(7): no more than this is written in one piece, so that two lines never mix. With the
 * newline.
 */
enum { STDIN_LINE_MAX = PIPE_BUF };

/* Writes n bytes to the process that began then. Returns 0, -ESRCH (it is gone), -ENOTSUP (its
 * standard input is no pipe), -EAGAIN (it does not read, and the pipe is full) or a negative errno.
 */
int stdin_write(pid_t pid, int64_t start_ticks, const char *bytes, size_t n);

#endif
