#ifndef OPS_BASE64URL_H
#define OPS_BASE64URL_H
/*
 * base64url with padding (RFC 4648, section 5), strict: one text for every byte string.
 *
 * White space, missing or extra padding, a foreign character and stray bits after the last byte are
 * all refused, so that a token cannot be changed without being noticed.
 */
#include <stddef.h>

/* Bytes of text for n bytes, with the final '\0'. */
#define BASE64URL_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Writes BASE64URL_SIZE(n) bytes to text. */
void base64url_encode(const unsigned char *bytes, size_t n, char *text);

/* Writes at most length / 4 * 3 bytes to bytes (contents undefined on failure). Returns 0 or
 * -EINVAL. */
int base64url_decode(const char *text, size_t length, unsigned char *bytes, size_t *ret_n);

#endif
