/*
 * Keys and tokens as text. OpenSSL's own base64 knows neither this alphabet nor strictness: it
 * skips white space and ignores stray bits.
 */
#include "base64url.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const unsigned char *bytes, size_t n, char *text)
{
    size_t i, left;
    uint32_t bits;

    for (i = 0; i < n; i += 3) {
        left = n - i;
        bits = (uint32_t)bytes[i] << 16;
        if (left > 1)
            bits |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2)
            bits |= bytes[i + 2];
        *text++ = alphabet[bits >> 18];
        *text++ = alphabet[bits >> 12 & 63];
        *text++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[bits & 63] : '=';
    }
    *text = '\0';
}

/* Reads 2 to 4 digits into their 1 to 3 bytes. */
static int decode_group(const char *text, size_t digits, unsigned char *bytes)
{
    const char *at;
    uint32_t bits = 0;
    size_t i;

    for (i = 0; i < digits; i++) {
        at = memchr(alphabet, text[i], sizeof alphabet - 1);
        if (!at)
            return -EINVAL;
        bits |= (uint32_t)(at - alphabet) << (18 - 6 * i);
    }
    /* The bits past the last whole byte must be zero. */
    if (bits & (0xffffffu >> (8 * (digits - 1)) & 0xffffffu))
        return -EINVAL;
    for (i = 0; i + 1 < digits; i++)
        bytes[i] = (unsigned char)(bits >> (16 - 8 * i));
    return 0;
}

int base64url_decode(const char *text, size_t length, unsigned char *bytes, size_t *ret_n)
{
    size_t padding = 0, n = 0, i, digits;
    int r;

    if (length % 4 != 0)
        return -EINVAL;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (i = 0; i < length; i += 4) {
        digits = i + 4 == length ? 4 - padding : 4;
        r = decode_group(text + i, digits, bytes + n);
        if (r < 0)
            return r;
        n += digits - 1;
    }
    *ret_n = n;
    return 0;
}
