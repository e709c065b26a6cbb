/*
 * A text in base 58 is one long number; it is multiplied and divided digit by digit, which for the
 * length of an address is a microsecond.
 */
#include "base58check.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

enum { CHECK_BYTES = 4, SHA256_BYTES = 32 };
enum { ALL_BYTES_MAX = BASE58CHECK_BYTES_MAX + CHECK_BYTES };

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* 58^1.37 is 256, so 40 + 4 bytes are at most 61 digits. */
_Static_assert(ALL_BYTES_MAX * 138 / 100 + 2 <= BASE58CHECK_TEXT_MAX, "the text has no room");

static int checksum(const unsigned char *bytes, size_t n, unsigned char check[static CHECK_BYTES])
{
    unsigned char digest[SHA256_BYTES];

    if (EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(digest, sizeof digest, digest, NULL, EVP_sha256(), NULL) != 1)
        return -EIO;
    memcpy(check, digest, CHECK_BYTES);
    return 0;
}

/* number = number * base + digit in another base; number has its lowest digit first. Returns how
 * many digits it has then, or 0 when there is no room. */
static size_t append_digit(unsigned char *number, size_t length, size_t most, unsigned base,
                           unsigned digit)
{
    unsigned to = base == 256 ? 58 : 256, carry = digit;

    for (size_t i = 0; i < length; i++) {
        carry += number[i] * base;
        number[i] = (unsigned char)(carry % to);
        carry /= to;
    }
    for (; carry; carry /= to) {
        if (length == most)
            return 0;
        number[length++] = (unsigned char)(carry % to);
    }
    return length;
}

int base58check_encode(const void *bytes, size_t n, char text[static BASE58CHECK_TEXT_MAX])
{
    unsigned char all[ALL_BYTES_MAX], digits[BASE58CHECK_TEXT_MAX - 1];
    size_t zeros = 0, length = 0, i;
    int r;

    if (n > BASE58CHECK_BYTES_MAX)
        return -EMSGSIZE;
    memcpy(all, bytes, n);
    r = checksum(all, n, all + n);
    if (r < 0)
        return r;
    n += CHECK_BYTES;
    while (zeros < n && all[zeros] == 0)
        zeros++;
    for (i = zeros; i < n; i++)
        length = append_digit(digits, length, sizeof digits, 256, all[i]);
    memset(text, alphabet[0], zeros);
    for (i = 0; i < length; i++)
        text[zeros + i] = alphabet[digits[length - 1 - i]];
    text[zeros + length] = '\0';
    return 0;
}

int base58check_decode(const char *text, unsigned char bytes[static BASE58CHECK_BYTES_MAX],
                       size_t *ret_n)
{
    unsigned char all[ALL_BYTES_MAX], number[ALL_BYTES_MAX], check[CHECK_BYTES];
    size_t zeros = strspn(text, "1"), length = 0, n;
    const char *found;

    if (zeros > ALL_BYTES_MAX)
        return -EINVAL;
    for (const char *at = text + zeros; *at; at++) {
        found = strchr(alphabet, *at);
        if (!found)
            return -EINVAL;
        length = append_digit(number, length, ALL_BYTES_MAX - zeros, 58,
                              (unsigned)(found - alphabet));
        if (length == 0)
            return -EINVAL;
    }
    n = zeros + length;
    if (n < CHECK_BYTES)
        return -EINVAL;
    memset(all, 0, zeros);
    for (size_t i = 0; i < length; i++)
        all[zeros + i] = number[length - 1 - i];
    n -= CHECK_BYTES;
    if (checksum(all, n, check) < 0 || memcmp(check, all + n, CHECK_BYTES) != 0)
        return -EINVAL;
    memcpy(bytes, all, n);
    *ret_n = n;
    return 0;
}
