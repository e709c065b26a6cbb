#ifndef OPS_LOG_ROTATE_H
#define OPS_LOG_ROTATE_H
/*
 * Rotated logs: NAME-out.log is the one that is written to, NAME-out.log.1 the one before it, and
 * so on to .N (log_keep); a compressed one is called NAME-out.log.N.gz.
 *
 * Every step is one rename(2), the oldest first, into a number that is free. Whoever dies in
 * between leaves a free number, which the next rotation uses up: no file is ever replaced, and
 * their order stays.
 */
#include <stdbool.h>
#include <stddef.h>

/* The name of a rotated log; number 0 is the log itself. The caller frees it; NULL when memory ran
 * out. */
char *log_rotate_name(const char *path, int number, bool compressed);

enum log_form { LOG_FORM_NONE, LOG_FORM_PLAIN, LOG_FORM_COMPRESSED };

/* In which form the log of that number is there. When both are, the plain one counts:
 * log_compress.c was about to remove it. Returns an enum log_form or -ENOMEM. */
int log_rotate_find(const char *path, int number);

/* Makes room for a new log at path, whose file is renamed, and removes what is older than keep.
 * Returns 0 or a negative errno, with all that there was still there. */
int log_rotate(const char *path, int keep);

/* Removes every rotated log of it. */
void log_rotate_remove_all(const char *path);

#endif
