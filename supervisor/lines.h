#ifndef OPS_LINES_H
#define OPS_LINES_H
/*
 * The lines in bytes that a worker printed, and how one of them is put into JSON.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cuts the next line off bytes[0..n), without its newline; a last one without a newline counts.
 * False when nothing is left. */
bool lines_next(const char **bytes, size_t *n, const char **ret_line, size_t *ret_length);

/* How many lines end in bytes[0..n). */
int64_t lines_count(const char *bytes, size_t n);

/* Puts a line into object: as "line" when it is UTF-8 without NUL, else as "base64" (RFC 4648). */
void lines_put(cJSON *object, const char *line, size_t length);

#endif
