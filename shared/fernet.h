#ifndef OPS_FERNET_H
#define OPS_FERNET_H
/*
 * Fernet tokens (github.com/fernet/spec): AES-128-CBC and HMAC-SHA256 under one 32-byte key.
 *
 * Keys are a comma-separated list of base64url texts: the first encrypts, all decrypt, so a key is
 * rotated by putting the new one in front.
 */
#include <stddef.h>
#include <stdint.h>

enum { FERNET_KEYS_MAX = 8, FERNET_KEY_BYTES = 32, FERNET_KEY_TEXT_MAX = 45 };
enum { FERNET_IV_BYTES = 16 };

struct fernet {
    int count;
    unsigned char keys[FERNET_KEYS_MAX][FERNET_KEY_BYTES];
};

/* Reads the list. Returns 0, -EINVAL (a key is not base64url of 32 bytes) or -E2BIG. */
int fernet_keys_parse(const char *list, struct fernet *ret);

/* Encrypts n bytes as of now (seconds) under 16 random bytes; the caller frees *ret, a text.
 * Returns 0, -EMSGSIZE (n over FERNET_BYTES_MAX), -EIO (no randomness) or -ENOMEM. */
int fernet_encrypt(const struct fernet *fernet, const void *bytes, size_t n, int64_t now,
                   char **ret);

/* What is encrypted, when, and under which 16 bytes. */
struct fernet_message {
    const void *bytes;
    size_t n;
    int64_t now;
    unsigned char iv[FERNET_IV_BYTES];
};

/* fernet_encrypt with the IV given, which must never be used twice: for the vectors of the spec. */
int fernet_seal(const struct fernet *fernet, const struct fernet_message *message, char **ret);

/* How old a token may be. */
struct fernet_age {
    int64_t now, ttl; /* seconds; a token from more than 60 s in the future is refused, too */
};

/* Decrypts a token. Without an age, time does not matter: so a host with a wrong clock can still
 * read what it stored. The caller frees *ret, which ends with '\0' besides. Returns 0, -EBADMSG
 * (any defect; which one is not told) or -ENOMEM. */
int fernet_decrypt(const struct fernet *fernet, const char *token, const struct fernet_age *age,
                   char **ret, size_t *ret_n);

/* A fresh key as text. Returns 0 or -EIO (no randomness). */
int fernet_key_generate(char text[static FERNET_KEY_TEXT_MAX]);

#endif
