/*
 * The sponge of FIPS 202 with a capacity of 512 bits. OpenSSL 3.0 keeps the permutation to itself,
 * so this is the one piece of cryptography that is our own.
 */
#include "keccak.h"

#include <stdint.h>
#include <string.h>

enum { LANES = 25, ROUNDS = 24 };
enum { RATE_BYTES = 200 - 2 * KECCAK_256_BYTES };

/* clang-format off */
static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Rho and pi together: the lanes in the order in which pi moves one into the next, and by how much
 * rho turns each. */
static const struct {
    unsigned char lane, turn;
} moves[LANES - 1] = {
    { 10,  1 }, {  7,  3 }, { 11,  6 }, { 17, 10 }, { 18, 15 }, {  3, 21 }, {  5, 28 }, { 16, 36 },
    {  8, 45 }, { 21, 55 }, { 24,  2 }, {  4, 14 }, { 15, 27 }, { 23, 41 }, { 19, 56 }, { 13,  8 },
    { 12, 25 }, {  2, 43 }, { 20, 62 }, { 14, 18 }, { 22, 39 }, {  9, 61 }, {  6, 20 }, {  1, 44 },
};
/* clang-format on */

static uint64_t turn_left(uint64_t lane, unsigned bits)
{
    return lane << bits | lane >> (64 - bits);
}

static void theta(uint64_t a[static LANES])
{
    uint64_t parity[5], mixed;

    for (int x = 0; x < 5; x++)
        parity[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (int x = 0; x < 5; x++) {
        mixed = parity[(x + 4) % 5] ^ turn_left(parity[(x + 1) % 5], 1);
        for (int y = 0; y < LANES; y += 5)
            a[y + x] ^= mixed;
    }
}

static void rho_and_pi(uint64_t a[static LANES])
{
    uint64_t moved = a[1], next;

    for (int i = 0; i < LANES - 1; i++) {
        next = a[moves[i].lane];
        a[moves[i].lane] = turn_left(moved, moves[i].turn);
        moved = next;
    }
}

static void chi(uint64_t a[static LANES])
{
    uint64_t row[5];

    for (int y = 0; y < LANES; y += 5) {
        memcpy(row, a + y, sizeof row);
        for (int x = 0; x < 5; x++)
            a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
}

static void permute(uint64_t a[static LANES])
{
    for (int round = 0; round < ROUNDS; round++) {
        theta(a);
        rho_and_pi(a);
        chi(a);
        a[0] ^= round_constants[round];
    }
}

/* Lanes are little-endian, whatever the host is. */
static void add_byte(uint64_t a[static LANES], size_t at, unsigned char byte)
{
    a[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void keccak_256(enum keccak_padding padding, const void *message, size_t n,
                unsigned char digest[static KECCAK_256_BYTES])
{
    const unsigned char *bytes = message;
    uint64_t a[LANES] = { 0 };
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        add_byte(a, at++, bytes[i]);
        if (at == RATE_BYTES) {
            permute(a);
            at = 0;
        }
    }
    add_byte(a, at, (unsigned char)padding);
    add_byte(a, RATE_BYTES - 1, 0x80);
    permute(a);
    for (size_t i = 0; i < KECCAK_256_BYTES; i++)
        digest[i] = (unsigned char)(a[i / 8] >> (8 * (i % 8)));
}
