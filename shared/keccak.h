#ifndef OPS_KECCAK_H
#define OPS_KECCAK_H
/*
 * Keccak with 256 bits, by which Tron and Ethereum make an address of a public key.
 *
 * OpenSSL has it from 3.2 on only (EVP_fetch "KECCAK-256"), Debian 12 has 3.0; it has SHA3-256,
 * which differs in the padding alone. So the padding is a parameter: with FIPS 202's the tests
 * compare every length with OpenSSL.
 * Source: FIPS 202; the padding before it: keccak.team, "The Keccak reference", version 3.0.
 */
#include <stddef.h>

enum { KECCAK_256_BYTES = 32 };

enum keccak_padding {
    KECCAK_PADDING = 0x01,
    SHA3_PADDING = 0x06,
};

/* The message is no secret: how long this takes depends on its length only. */
void keccak_256(enum keccak_padding padding, const void *message, size_t n,
                unsigned char digest[static KECCAK_256_BYTES]);

#endif
