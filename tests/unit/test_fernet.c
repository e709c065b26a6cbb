/* Fernet against the vectors of its specification (generate.json, verify.json, invalid.json). */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base64url.h"
#include "fernet.h"
#include "limits.h"
#include "own.h"

/* 1985-10-26T01:20:00-07:00, and the instants of the vectors counted from it. */
enum { NOW = 499162800 };

#define SECRET "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define OTHER_SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HELLO                                                                                      \
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU" \
    "4IwqDA=="

static struct fernet keys(const char *list)
{
    struct fernet fernet;

    assert_int_equal(fernet_keys_parse(list, &fernet), 0);
    return fernet;
}

static void encrypts_as_the_vector(void **state)
{
    struct fernet fernet = keys(SECRET);
    struct fernet_message message = { .bytes = "hello", .n = 5, .now = NOW };
    OWN(free) char *token = NULL;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof message.iv; i++)
        message.iv[i] = (unsigned char)i;
    assert_int_equal(fernet_seal(&fernet, &message, &token), 0);
    assert_string_equal(token, HELLO);
}

static void decrypts_the_vector(void **state)
{
    struct fernet fernet = keys(SECRET);
    OWN(free) char *plain = NULL;
    size_t n;

    (void)state;
    assert_int_equal(
        fernet_decrypt(&fernet, HELLO, &(struct fernet_age){ NOW + 1, 60 }, &plain, &n), 0);
    assert_int_equal(n, 5);
    assert_string_equal(plain, "hello");
}

/* clang-format off */
static const struct invalid {
    const char *title, *token;
    struct fernet_age age;
} invalids[] = {
    { "incorrect mac",
      "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFB"
      "QUFBQQ==", { NOW + 1, 60 } },
    { "too short",
      "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==", { NOW + 1, 60 } },
    { "invalid base64",
      "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1"
      "YsUD2Q==", { NOW + 1, 60 } },
    { "payload size not multiple of block size",
      "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyu"
      "dzUm", { NOW + 1, 60 } },
    { "payload padding error",
      "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbku"
      "KNqOhw==", { NOW + 1, 60 } },
    { "far-future timestamp",
      "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b"
      "_qXQcw==", { NOW + 1, 60 } },
    { "expired ttl",
      "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1"
      "YsUD2Q==", { NOW + 91, 60 } },
    { "incorrect IV",
      "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvc"
      "ZjK1zQ==", { NOW + 1, 60 } },
    { "empty", "", { NOW, 0 } },
    { "wrong version, else the vector",
      "gQAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU"
      "4IwqDA==", { NOW, 0 } },
    { "no padding",
      "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU"
      "4IwqDA", { NOW, 0 } },
    { "stray bits in the last digit",
      "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU"
      "4IwqDB==", { NOW, 0 } },
    { "a newline at the end",
      HELLO "\n", { NOW, 0 } },
};
/* clang-format on */

static void refuses_every_invalid_token(void **state)
{
    struct fernet fernet = keys(SECRET);
    char *plain = NULL;
    size_t i, n = 77;
    int r;

    (void)state;
    for (i = 0; i < sizeof invalids / sizeof *invalids; i++) {
        r = fernet_decrypt(&fernet, invalids[i].token, &invalids[i].age, &plain, &n);
        if (r != -EBADMSG)
            fail_msg("%s: got %d", invalids[i].title, r);
        assert_null(plain);
        assert_int_equal(n, 77);
    }
}

static void a_token_has_an_age(void **state)
{
    /* clang-format off */
    static const struct { struct fernet_age age; int want; } rows[] = {
        { { NOW,        60 }, 0 },        { { NOW + 60,   60 }, 0 },
        { { NOW + 61,   60 }, -EBADMSG }, { { NOW - 60,   60 }, 0 },
        { { NOW - 61,   60 }, -EBADMSG }, { { NOW - 61, NOW }, -EBADMSG },
        { { NOW,         0 }, 0 },        { { NOW + 1,     0 }, -EBADMSG },
        { { -1,         60 }, -EBADMSG }, { { NOW,        -1 }, -EBADMSG },
        { { INT64_MAX, INT64_MAX }, 0 },
    };
    /* clang-format on */
    struct fernet fernet = keys(SECRET);
    size_t i, n;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(free) char *plain = NULL;

        if (fernet_decrypt(&fernet, HELLO, &rows[i].age, &plain, &n) != rows[i].want)
            fail_msg("row %zu", i);
    }
}

/* Block boundaries, nothing at all, a NUL inside, the longest. */
static void gives_back_what_was_encrypted(void **state)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 4096, FERNET_BYTES_MAX };
    struct fernet fernet = keys(SECRET);
    OWN(free) char *bytes = calloc(1, FERNET_BYTES_MAX + 1);
    char *unused = NULL;
    size_t i, n;

    (void)state;
    assert_non_null(bytes);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        OWN(free) char *token = NULL, *plain = NULL;

        memset(bytes, 'x', sizes[i] / 2);
        assert_int_equal(fernet_encrypt(&fernet, bytes, sizes[i], NOW, &token), 0);
        assert_int_equal(fernet_decrypt(&fernet, token, NULL, &plain, &n), 0);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(plain, bytes, n);
        assert_int_equal(plain[n], '\0');
    }
    assert_int_equal(fernet_encrypt(&fernet, bytes, FERNET_BYTES_MAX + 1, NOW, &unused), -EMSGSIZE);
    assert_null(unused);
}

static void no_two_tokens_are_alike(void **state)
{
    struct fernet fernet = keys(SECRET);
    OWN(free) char *one = NULL, *two = NULL;

    (void)state;
    assert_int_equal(fernet_encrypt(&fernet, "a", 1, NOW, &one), 0);
    assert_int_equal(fernet_encrypt(&fernet, "a", 1, NOW, &two), 0);
    assert_string_not_equal(one, two);
}

/* Every bit of a token counts. */
static void a_changed_byte_is_noticed(void **state)
{
    struct fernet fernet = keys(SECRET);
    char token[] = HELLO;
    char *plain = NULL;
    size_t i, n;

    (void)state;
    for (i = 0; i < sizeof token - 1; i++) {
        token[i] ^= 1;
        assert_int_equal(fernet_decrypt(&fernet, token, NULL, &plain, &n), -EBADMSG);
        token[i] ^= 1;
    }
}

static void the_first_key_encrypts_and_all_decrypt(void **state)
{
    struct fernet old = keys(SECRET), new = keys(OTHER_SECRET);
    struct fernet both = keys(OTHER_SECRET "," SECRET);
    OWN(free) char *token = NULL, *plain = NULL, *plain_old = NULL;
    size_t n;

    (void)state;
    assert_int_equal(both.count, 2);
    assert_int_equal(fernet_decrypt(&both, HELLO, NULL, &plain_old, &n), 0);
    assert_int_equal(fernet_encrypt(&both, "x", 1, NOW, &token), 0);
    assert_int_equal(fernet_decrypt(&old, token, NULL, &plain, &n), -EBADMSG);
    assert_int_equal(fernet_decrypt(&new, token, NULL, &plain, &n), 0);
}

static void bad_key_lists_are_refused(void **state)
{
    /* clang-format off */
    static const struct { const char *list; int want; } rows[] = {
        { "", -EINVAL },
        { "short", -EINVAL },
        { "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4", -EINVAL },
        { "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=", -EINVAL },
        { "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e5=", -EINVAL },
        { SECRET ",", -EINVAL },
        { "," SECRET, -EINVAL },
        { SECRET ", " OTHER_SECRET, -EINVAL },
        { SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET, 0 },
        { SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET "," SECRET ","
          SECRET, -E2BIG },
    };
    /* clang-format on */
    struct fernet fernet;
    size_t i;
    int r;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        fernet.count = 77;
        r = fernet_keys_parse(rows[i].list, &fernet);
        if (r != rows[i].want)
            fail_msg("\"%s\": want %d, got %d", rows[i].list, rows[i].want, r);
        if (r < 0)
            assert_int_equal(fernet.count, 77);
    }
}

static void a_generated_key_is_a_key(void **state)
{
    char one[FERNET_KEY_TEXT_MAX], two[FERNET_KEY_TEXT_MAX];

    (void)state;
    assert_int_equal(fernet_key_generate(one), 0);
    assert_int_equal(fernet_key_generate(two), 0);
    assert_int_equal(keys(one).count, 1);
    assert_string_not_equal(one, two);
}

/* RFC 4648, section 10. */
static void base64url_has_one_text_per_bytes(void **state)
{
    /* clang-format off */
    static const struct { const char *bytes, *text; } rows[] = {
        { "", "" },           { "f", "Zg==" },          { "fo", "Zm8=" },
        { "foo", "Zm9v" },    { "foob", "Zm9vYg==" },   { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" }, { "\xfb\xff", "-_8=" },
    };
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm8\n", "+/8=",
        "Zm9v=", "=Zm9", "Zm=v",
    };
    /* clang-format on */
    unsigned char bytes[16];
    char text[32];
    size_t i, n;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        base64url_encode((const unsigned char *)rows[i].bytes, strlen(rows[i].bytes), text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(base64url_decode(text, strlen(text), bytes, &n), 0);
        assert_int_equal(n, strlen(rows[i].bytes));
        assert_memory_equal(bytes, rows[i].bytes, n);
    }
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        if (base64url_decode(bad[i], strlen(bad[i]), bytes, &n) != -EINVAL)
            fail_msg("\"%s\" was accepted", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encrypts_as_the_vector),
        cmocka_unit_test(decrypts_the_vector),
        cmocka_unit_test(refuses_every_invalid_token),
        cmocka_unit_test(a_token_has_an_age),
        cmocka_unit_test(gives_back_what_was_encrypted),
        cmocka_unit_test(no_two_tokens_are_alike),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(the_first_key_encrypts_and_all_decrypt),
        cmocka_unit_test(bad_key_lists_are_refused),
        cmocka_unit_test(a_generated_key_is_a_key),
        cmocka_unit_test(base64url_has_one_text_per_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
