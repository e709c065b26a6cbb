/* Tron's own addresses both ways, and that nothing else is taken for one. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base58check.h"

/* clang-format off */
static const struct {
    const char *text, *hex;
} vectors[] = {
    { "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "41a614f803b6fd780986a42c78ec9c7f77e6ded13c" },
    { "TLCuBEirVzB6V4menLZKw1jfBTFMZbuKq7", "41704833c02883b3261f7baf62f8cb19b4b0c2e64e" },
    { "TJmmqjb1DK9TTZbQXzRQ2AuA94z4gKAPFh", "41608f8da72479edc7dd921e4c30bb7e7cddbe722e" },
    { "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf", "41eca9bc828a3005b9a3b909f2cc5c2a54794de05f" },
    { "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "410000000000000000000000000000000000000000" },
    { "1111111111111111111114oLvT2",        "000000000000000000000000000000000000000000" },
    { "3QJmnh",                              "" },
};
/* clang-format on */

static size_t bytes_of(const char *hex, unsigned char *bytes)
{
    size_t n = strlen(hex) / 2;
    unsigned byte;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (unsigned char)byte;
    }
    return n;
}

static void both_ways(void **state)
{
    unsigned char bytes[BASE58CHECK_BYTES_MAX], back[BASE58CHECK_BYTES_MAX];
    char text[BASE58CHECK_TEXT_MAX];
    size_t n, back_n;

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        n = bytes_of(vectors[i].hex, bytes);
        assert_int_equal(base58check_encode(bytes, n, text), 0);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(base58check_decode(vectors[i].text, back, &back_n), 0);
        assert_int_equal(back_n, n);
        assert_memory_equal(back, bytes, n);
    }
}

/* The longest, the emptiest and the fullest byte strings. */
static void bounds(void **state)
{
    unsigned char bytes[BASE58CHECK_BYTES_MAX + 1], back[BASE58CHECK_BYTES_MAX];
    char text[BASE58CHECK_TEXT_MAX];
    size_t n;

    (void)state;
    for (int fill = 0; fill < 256; fill += 255) {
        memset(bytes, fill, sizeof bytes);
        assert_int_equal(base58check_encode(bytes, BASE58CHECK_BYTES_MAX, text), 0);
        assert_int_equal(base58check_decode(text, back, &n), 0);
        assert_int_equal(n, BASE58CHECK_BYTES_MAX);
        assert_memory_equal(back, bytes, n);
        assert_int_equal(base58check_encode(bytes, sizeof bytes, text), -EMSGSIZE);
    }
}

static void refused(void **state)
{
    static const char *const rows[] = {
        "",
        "1",
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6",   /* cut */
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6tt", /* longer */
        "tR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",  /* another case */
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6T",
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj60",  /* not in the alphabet */
        " TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", /* white space */
        "1TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", /* a leading zero */
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111",
    };
    unsigned char bytes[BASE58CHECK_BYTES_MAX];
    size_t n = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (base58check_decode(rows[i], bytes, &n) != -EINVAL)
            fail_msg("\"%s\" is accepted", rows[i]);
    assert_int_equal(n, 4711);
}

/* A checksum of four bytes notices every single letter that is wrong. */
static void one_letter_changed(void **state)
{
    const char *text = vectors[0].text;
    unsigned char bytes[BASE58CHECK_BYTES_MAX];
    char changed[BASE58CHECK_TEXT_MAX];
    size_t n;

    (void)state;
    for (size_t i = 0; i < strlen(text); i++)
        for (char letter = '1'; letter <= 'z'; letter++) {
            (void)snprintf(changed, sizeof changed, "%s", text);
            changed[i] = letter;
            assert_int_equal(base58check_decode(changed, bytes, &n),
                             letter == text[i] ? 0 : -EINVAL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(bounds),
        cmocka_unit_test(refused),
        cmocka_unit_test(one_letter_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
