#ifndef OPS_TEXT_H
#define OPS_TEXT_H
/*
 * Small questions about text: is it UTF-8, is it a number, what was meant, how to show it.
 *
 * Text from outside is escaped for the place where it goes; here is the escaping for log lines
 * and terminals. HTML, JSON and SQL have their own (ops.html, json.h, parameters).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Length of the well-formed UTF-8 sequence at bytes[0..n), 1 to 4, or 0 when there is none. */
size_t text_utf8_length(const char *bytes, size_t n);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
bool text_is_utf8(const char *bytes, size_t n);

/* Takes off what is left of a character at the end of a text that was cut to fit. */
void text_end_whole(char *text);

/* Reads a whole decimal number that fills the text. Returns 0, -EINVAL or -ERANGE (outside
 * least..most); ret is touched on success only. */
int text_to_int(const char *text, int64_t least, int64_t most, int64_t *ret);

/* FNV-1a, 64 bits, begun with what seed makes of its offset basis: equal texts have equal ones. Not
 * against somebody who looks for texts that collide. */
uint64_t text_hash(const char *text, uint64_t seed);

/* Writes the number in decimal at to, without a NUL, and returns where it ends. Makes no call: also
 * for what has few pages of the C library. */
enum { TEXT_INT_MAX = sizeof "-9223372036854775808" - 1 };
char *text_put_int(char to[static TEXT_INT_MAX], int64_t number);

/* Writes n bytes as 2n hexadecimal digits at to, with a NUL, and returns where that stands. */
char *text_put_hex(char *to, const unsigned char *bytes, size_t n);

/* Adds bytes with control characters, DEL, backslash, and what is not UTF-8 as \n, \t, \xHH, so
 * that one event stays one line and no escape sequence reaches a terminal. Quotes the text when
 * it holds a space, an equals sign or a quote, or is empty. */
int text_add_escaped(struct buf *to, const char *bytes, size_t n);

/* The word of words[0..n) nearest to word, for "did you mean"; NULL when none is near (an edit
 * distance above a third of the length). */
const char *text_nearest(const char *word, const char *const *words, size_t n);

/* True when both are the same text, or both NULL. */
bool text_same(const char *a, const char *b);

#endif
