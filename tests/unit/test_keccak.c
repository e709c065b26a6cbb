/* Keccak-256 by known vectors, and the permutation at every length by OpenSSL's SHA3-256, which
 * differs from it in the padding alone. */
#include "test.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "keccak.h"

enum { LENGTHS = 3 * 136 + 2 };

static void hex_of(const unsigned char *digest, char text[2 * KECCAK_256_BYTES + 1])
{
    for (int i = 0; i < KECCAK_256_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* Of the Keccak team's known-answer tests, and of Ethereum's event names. */
static void vectors(void **state)
{
    /* clang-format off */
    static const struct {
        const char *message, *want;
    } rows[] = {
        { "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" },
        { "abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45" },
        { "Transfer(address,address,uint256)",
          "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef" },
    };
    /* clang-format on */
    unsigned char digest[KECCAK_256_BYTES];
    char text[2 * KECCAK_256_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        keccak_256(KECCAK_PADDING, rows[i].message, strlen(rows[i].message), digest);
        hex_of(digest, text);
        assert_string_equal(text, rows[i].want);
    }
}

static void every_length_as_openssl(void **state)
{
    unsigned char message[LENGTHS], ours[KECCAK_256_BYTES], theirs[KECCAK_256_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)(i * 167 + 13);
    for (size_t n = 0; n <= sizeof message; n++) {
        keccak_256(SHA3_PADDING, message, n, ours);
        assert_int_equal(EVP_Digest(message, n, theirs, NULL, EVP_sha3_256(), NULL), 1);
        assert_memory_equal(ours, theirs, sizeof ours);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(every_length_as_openssl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
