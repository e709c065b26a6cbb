#ifndef CASHIER_TRON_ADDRESS_H
#define CASHIER_TRON_ADDRESS_H
/*
 * Addresses of Tron: the byte 0x41 and the 20 bytes that contracts and receipts know.
 *
 * Source: Tron's documentation, "Account": base58check of 0x41 and the last 20 bytes of the
 * Keccak-256 of the public key (secp256k1, uncompressed, without its first byte).
 */
#include "base58check.h"

enum {
    TRON_ADDRESS_BYTES = 20, /* without the 0x41 */
    TRON_ADDRESS_PREFIX = 0x41,
    TRON_KEY_DIGITS = 64, /* of a private key in hex */
};

/* Reads base58check. Returns 0 or -EINVAL, also for what is no address of Tron. */
int tron_address_parse(const char *text, unsigned char address[static TRON_ADDRESS_BYTES]);

/* Returns 0 or -EIO (no SHA-256). */
int tron_address_print(const unsigned char address[static TRON_ADDRESS_BYTES],
                       char text[static BASE58CHECK_TEXT_MAX]);

/* The address of a private key. Returns 0, -EINVAL (not 64 hex digits, or none of the curve's
 * keys) or -EIO (OpenSSL failed). Leaves nothing of the key behind. */
int tron_address_of_key(const char *key, unsigned char address[static TRON_ADDRESS_BYTES]);

#endif
