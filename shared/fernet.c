/*
 * Fields encrypted in the database, in the format that the installations before us used, so that
 * their values stay readable. The format is github.com/fernet/spec; the primitives are OpenSSL's.
 */
#include "fernet.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

#include "base64url.h"
#include "limits.h"
#include "own.h"

/* A token: version, big-endian seconds, IV, whole blocks of ciphertext, MAC over all before. A key:
 * the first half signs, the second encrypts. */
enum {
    VERSION = 0x80,
    AT_TIME = 1,
    AT_IV = AT_TIME + 8,
    AT_TEXT = AT_IV + FERNET_IV_BYTES,
    BLOCK = 16,
    MAC_BYTES = 32,
    TOKEN_LEAST = AT_TEXT + BLOCK + MAC_BYTES,
    SIGNING_BYTES = FERNET_KEY_BYTES / 2,
    CLOCK_SKEW_S = 60,
};

static_assert(FERNET_KEY_TEXT_MAX == BASE64URL_SIZE(FERNET_KEY_BYTES), "a key's text fits exactly");
static_assert(FERNET_BYTES_MAX < INT32_MAX / 2, "lengths are int in OpenSSL's interface");

static void own_cipher(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static int key_parse(const char *text, size_t length, unsigned char key[static FERNET_KEY_BYTES])
{
    unsigned char bytes[(FERNET_KEY_TEXT_MAX - 1) / 4 * 3];
    size_t n;
    int r = -EINVAL;

    if (length != FERNET_KEY_TEXT_MAX - 1)
        return -EINVAL;
    if (base64url_decode(text, length, bytes, &n) == 0 && n == FERNET_KEY_BYTES) {
        memcpy(key, bytes, FERNET_KEY_BYTES);
        r = 0;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return r;
}

int fernet_keys_parse(const char *list, struct fernet *ret)
{
    struct fernet fernet = { 0 };
    size_t length;
    int r = 0;

    for (;; list += length + 1) {
        length = strcspn(list, ",");
        r = fernet.count < FERNET_KEYS_MAX ? key_parse(list, length, fernet.keys[fernet.count])
                                           : -E2BIG;
        if (r < 0)
            break;
        fernet.count++;
        if (!list[length]) {
            *ret = fernet;
            break;
        }
    }
    OPENSSL_cleanse(&fernet, sizeof fernet);
    return r;
}

static bool mac_compute(const unsigned char *key, const unsigned char *bytes, size_t n,
                        unsigned char mac[static MAC_BYTES])
{
    unsigned int length = 0;

    return HMAC(EVP_sha256(), key, SIGNING_BYTES, bytes, n, mac, &length) && length == MAC_BYTES;
}

/* Writes the ciphertext, n rounded up to the next whole block, to out. */
static int encrypt(const unsigned char *key, const struct fernet_message *message,
                   unsigned char *out)
{
    OWN(cipher) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written, last;

    if (!context)
        return -ENOMEM;
    if (!EVP_EncryptInit_ex(context, EVP_aes_128_cbc(), NULL, key + SIGNING_BYTES, message->iv) ||
        !EVP_EncryptUpdate(context, out, &written, message->bytes, (int)message->n) ||
        !EVP_EncryptFinal_ex(context, out + written, &last))
        return -ENOMEM;
    return 0;
}

/* out has room for n bytes; a wrong padding is the only defect that a valid MAC leaves over. */
static int decrypt(const unsigned char *key, const unsigned char *iv, const unsigned char *bytes,
                   size_t n, char *out)
{
    OWN(cipher) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char *to = (unsigned char *)out;
    int written, last;

    if (!context)
        return -ENOMEM;
    if (!EVP_DecryptInit_ex(context, EVP_aes_128_cbc(), NULL, key + SIGNING_BYTES, iv) ||
        !EVP_DecryptUpdate(context, to, &written, bytes, (int)n) ||
        !EVP_DecryptFinal_ex(context, to + written, &last))
        return -EBADMSG;
    return written + last;
}

int fernet_seal(const struct fernet *fernet, const struct fernet_message *message, char **ret)
{
    OWN(free) unsigned char *token = NULL;
    OWN(free) char *text = NULL;
    size_t text_end, i;
    int r;

    assert(fernet->count > 0);
    if (message->n > FERNET_BYTES_MAX)
        return -EMSGSIZE;
    text_end = AT_TEXT + (message->n / BLOCK + 1) * BLOCK;
    token = malloc(text_end + MAC_BYTES);
    text = malloc(BASE64URL_SIZE(text_end + MAC_BYTES));
    if (!token || !text)
        return -ENOMEM;

    token[0] = VERSION;
    for (i = 0; i < 8; i++)
        token[AT_TIME + i] = (unsigned char)((uint64_t)message->now >> (56 - 8 * i));
    memcpy(token + AT_IV, message->iv, FERNET_IV_BYTES);
    r = encrypt(fernet->keys[0], message, token + AT_TEXT);
    if (r < 0)
        return r;
    if (!mac_compute(fernet->keys[0], token, text_end, token + text_end))
        return -ENOMEM;
    base64url_encode(token, text_end + MAC_BYTES, text);
    *ret = TAKE(text);
    return 0;
}

int fernet_encrypt(const struct fernet *fernet, const void *bytes, size_t n, int64_t now,
                   char **ret)
{
    struct fernet_message message = { .bytes = bytes, .n = n, .now = now };

    if (RAND_bytes(message.iv, sizeof message.iv) != 1)
        return -EIO;
    return fernet_seal(fernet, &message, ret);
}

static bool time_is_good(const unsigned char *token, const struct fernet_age *age)
{
    uint64_t written = 0, now;
    size_t i;

    if (!age)
        return true;
    for (i = 0; i < 8; i++)
        written = written << 8 | token[AT_TIME + i];
    now = age->now > 0 ? (uint64_t)age->now : 0;
    if (written > now)
        return written - now <= CLOCK_SKEW_S;
    return age->ttl >= 0 && now - written <= (uint64_t)age->ttl;
}

/* The key that signed the token, or NULL. */
static const unsigned char *key_of(const struct fernet *fernet, const unsigned char *token,
                                   size_t text_end)
{
    unsigned char mac[MAC_BYTES];
    int i;

    for (i = 0; i < fernet->count; i++)
        if (mac_compute(fernet->keys[i], token, text_end, mac) &&
            CRYPTO_memcmp(mac, token + text_end, MAC_BYTES) == 0)
            return fernet->keys[i];
    return NULL;
}

int fernet_decrypt(const struct fernet *fernet, const char *token, const struct fernet_age *age,
                   char **ret, size_t *ret_n)
{
    OWN(free) unsigned char *bytes = NULL;
    OWN(free) char *plain = NULL;
    const unsigned char *key;
    size_t length = strlen(token), n, text_end;
    int r;

    if (length > BASE64URL_SIZE(FERNET_BYTES_MAX + TOKEN_LEAST))
        return -EBADMSG;
    bytes = malloc(length / 4 * 3 + 1);
    plain = malloc(length / 4 * 3 + 1);
    if (!bytes || !plain)
        return -ENOMEM;

    if (base64url_decode(token, length, bytes, &n) < 0 || n < TOKEN_LEAST || bytes[0] != VERSION)
        return -EBADMSG;
    text_end = n - MAC_BYTES;
    if ((text_end - AT_TEXT) % BLOCK != 0 || !time_is_good(bytes, age))
        return -EBADMSG;
    key = key_of(fernet, bytes, text_end);
    if (!key)
        return -EBADMSG;
    r = decrypt(key, bytes + AT_IV, bytes + AT_TEXT, text_end - AT_TEXT, plain);
    if (r < 0)
        return r;
    plain[r] = '\0';
    *ret_n = (size_t)r;
    *ret = TAKE(plain);
    return 0;
}

int fernet_key_generate(char text[static FERNET_KEY_TEXT_MAX])
{
    unsigned char key[FERNET_KEY_BYTES];

    if (RAND_bytes(key, sizeof key) != 1)
        return -EIO;
    base64url_encode(key, sizeof key, text);
    OPENSSL_cleanse(key, sizeof key);
    return 0;
}
