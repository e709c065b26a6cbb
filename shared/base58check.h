#ifndef OPS_BASE58CHECK_H
#define OPS_BASE58CHECK_H
/*
 * base58check, in which Tron writes addresses: the bytes and the first four of their double
 * SHA-256, in base 58 without 0, O, I and l; a leading zero byte is a leading 1.
 *
 * Strict: one text for every byte string. Letters count, so bytes are compared, never texts.
 * Source: the Bitcoin wiki, "Base58Check encoding".
 */
#include <stddef.h>

/* Long enough for an address (21 bytes) or a private key (34); the work grows with the square. */
enum { BASE58CHECK_BYTES_MAX = 40 };
enum { BASE58CHECK_TEXT_MAX = 64 };

/* n up to BASE58CHECK_BYTES_MAX; text ends with '\0'. Returns 0, -EMSGSIZE, or -EIO (no SHA-256).
 */
int base58check_encode(const void *bytes, size_t n, char text[static BASE58CHECK_TEXT_MAX]);

/* The checksum is verified and taken off. Returns 0, or -EINVAL with bytes undefined. */
int base58check_decode(const char *text, unsigned char bytes[static BASE58CHECK_BYTES_MAX],
                       size_t *ret_n);

#endif
