#ifndef OPS_MANIFEST_SCAN_H
#define OPS_MANIFEST_SCAN_H
/*
 * The grammar of JSON (RFC 8259), held strictly, and the line of every value.
 *
 * cJSON 1.7 knows neither lines nor what it expected, and accepts control characters in texts,
 * \u0000 (which cuts the text there) and numbers such as 01. What passes here it reads without
 * surprises, so that a failure of cJSON afterwards can only be a lack of memory.
 */
#include <stddef.h>

#include "buf.h"
#include "err.h"

/* Checks n bytes of UTF-8 at text and adds to lines, for every value in the order of the text, an
 * int: the line where the value, or its name in an object, starts.
 *
 * Returns 0, -EINVAL with `line L, column C: want ..., got ...`, or what buf_add returned. */
int manifest_scan(const char *text, size_t n, struct buf *lines, struct err *reterr);

#endif
