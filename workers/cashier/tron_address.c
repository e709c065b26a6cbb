/*
 * From a private key to the text that a customer pays to.
 */
#include "tron_address.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "keccak.h"

/* 0x04 and two coordinates (SEC 1, section 2.3.3). */
enum { POINT_BYTES = 65 };

int tron_address_parse(const char *text, unsigned char address[static TRON_ADDRESS_BYTES])
{
    unsigned char bytes[BASE58CHECK_BYTES_MAX];
    size_t n;

    if (base58check_decode(text, bytes, &n) < 0 || n != 1 + TRON_ADDRESS_BYTES ||
        bytes[0] != TRON_ADDRESS_PREFIX)
        return -EINVAL;
    memcpy(address, bytes + 1, TRON_ADDRESS_BYTES);
    return 0;
}

int tron_address_print(const unsigned char address[static TRON_ADDRESS_BYTES],
                       char text[static BASE58CHECK_TEXT_MAX])
{
    unsigned char bytes[1 + TRON_ADDRESS_BYTES] = { TRON_ADDRESS_PREFIX };

    memcpy(bytes + 1, address, TRON_ADDRESS_BYTES);
    return base58check_encode(bytes, sizeof bytes, text);
}

/* The point that belongs to the number; number is from 1 to the curve's order less 1. */
static int multiply(const EC_GROUP *curve, const BIGNUM *number, unsigned char point[POINT_BYTES])
{
    EC_POINT *at = EC_POINT_new(curve);
    int r = -EIO;

    if (at && EC_POINT_mul(curve, at, number, NULL, NULL, NULL) == 1 &&
        EC_POINT_point2oct(curve, at, POINT_CONVERSION_UNCOMPRESSED, point, POINT_BYTES, NULL) ==
            POINT_BYTES)
        r = 0;
    EC_POINT_clear_free(at);
    return r;
}

static int public_key(const char *key, unsigned char point[POINT_BYTES])
{
    EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_secp256k1);
    BIGNUM *number = BN_secure_new();
    int r = -EIO;

    if (curve && number && BN_hex2bn(&number, key) == TRON_KEY_DIGITS) {
        BN_set_flags(number, BN_FLG_CONSTTIME);
        if (BN_is_zero(number) || BN_cmp(number, EC_GROUP_get0_order(curve)) >= 0)
            r = -EINVAL;
        else
            r = multiply(curve, number, point);
    }
    BN_clear_free(number);
    EC_GROUP_free(curve);
    return r;
}

int tron_address_of_key(const char *key, unsigned char address[static TRON_ADDRESS_BYTES])
{
    unsigned char point[POINT_BYTES], digest[KECCAK_256_BYTES];
    int r;

    if (strlen(key) != TRON_KEY_DIGITS || strspn(key, "0123456789abcdefABCDEF") != TRON_KEY_DIGITS)
        return -EINVAL;
    r = public_key(key, point);
    if (r < 0)
        return r;
    keccak_256(KECCAK_PADDING, point + 1, POINT_BYTES - 1, digest);
    memcpy(address, digest + KECCAK_256_BYTES - TRON_ADDRESS_BYTES, TRON_ADDRESS_BYTES);
    return 0;
}
