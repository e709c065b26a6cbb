#ifndef OPS_DB_ARRAY_H
#define OPS_DB_ARRAY_H
/*
 * Array literals for parameters (PostgreSQL 15, 8.15.2): {1,2,NULL,"a\"b"}.
 *
 * What does not fit into the buffer, or has no memory, leaves the literal broken: it does not end,
 * and the server refuses it as a whole.
 */
#include <stdint.h>

#include "buf.h"

/* Adds an element as it stands: a word without quotes, or NULL. */
void array_add(struct buf *array, const char *word);
void array_add_int(struct buf *array, int64_t number);

/* Adds any text, or NULL. */
void array_add_text(struct buf *array, const char *text);

/* Ends the literal, which may be empty, and returns it. */
const char *array_end(struct buf *array);

#endif
