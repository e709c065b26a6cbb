/*
 * What TronGrid's documents say: pages of transfers and receipts. Amounts have up to 78 digits and
 * never become a machine's number.
 */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <string.h>

#include "keccak.h"
#include "own.h"
#include "trongrid.h"

#define HEX_DIGITS "0123456789abcdefABCDEF"

enum {
    WORD_BYTES = 32, /* of the contracts' machine: a topic, an amount */
    AMOUNT_DIGITS_MAX = 78,
    FINGERPRINT_MAX = 1024, /* fits into a URL however it is encoded */
};

static const int64_t YEAR_10000_MS = 253402300800000;

static const char transfer_event[] = "Transfer(address,address,uint256)";

/* A number of a block; false for anything else. */
static bool read_block(const cJSON *object, const char *name, int64_t *ret)
{
    return json_get_id(object, name, ret) == 0 && *ret >= 0;
}

/* An instant that PostgreSQL can read, too: one that it cannot would spoil all that is recorded
 * with it. False for anything else. */
static bool read_time(const cJSON *object, const char *name, int64_t *ret)
{
    return json_get_id(object, name, ret) == 0 && *ret >= 0 && *ret < YEAR_10000_MS;
}

int trongrid_read_height(const cJSON *answer, int64_t *ret, struct err *reterr)
{
    const cJSON *data = json_get(json_get(answer, "block_header"), "raw_data");

    if (!read_block(data, "number", ret))
        return err_set(reterr, -EBADMSG, "the latest block has no number");
    return 0;
}

/* --- lists */

int trongrid_read_page(const cJSON *answer, struct trongrid_page *ret, struct err *reterr)
{
    const cJSON *items = json_get(answer, "data");
    const char *fingerprint;

    if (!cJSON_IsArray(items))
        return err_set(reterr, -EBADMSG, "the answer is not a list of transfers");
    fingerprint = json_get_text(json_get(answer, "meta"), "fingerprint");
    if (fingerprint && strlen(fingerprint) > FINGERPRINT_MAX)
        return err_set(reterr, -EBADMSG, "the fingerprint has more than %d letters",
                       FINGERPRINT_MAX);
    *ret = (struct trongrid_page){
        .items = items,
        .count = cJSON_GetArraySize(items),
        .fingerprint = fingerprint,
    };
    return 0;
}

static bool is_hex(const char *text, size_t digits)
{
    return text && strlen(text) == digits && strspn(text, HEX_DIGITS) == digits;
}

static bool is_amount(const char *text)
{
    size_t n = text ? strlen(text) : 0;

    return n > 0 && n <= AMOUNT_DIGITS_MAX && strspn(text, "0123456789") == n;
}

static bool is_address(const char *text, const unsigned char address[static TRON_ADDRESS_BYTES])
{
    unsigned char bytes[TRON_ADDRESS_BYTES];

    return text && tron_address_parse(text, bytes) == 0 &&
           memcmp(bytes, address, sizeof bytes) == 0;
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'F')
            *text = (char)(*text - 'A' + 'a');
}

int trongrid_read_item(const struct trongrid *tron, const cJSON *item,
                       const unsigned char recipient[static TRON_ADDRESS_BYTES],
                       struct trongrid_item *ret, struct err *reterr)
{
    const char *txid = json_get_text(item, "transaction_id");
    const char *type = json_get_text(item, "type"), *value = json_get_text(item, "value");
    struct trongrid_item read = { .ours = false };

    if (!is_hex(txid, TRON_TXID_DIGITS) || !type || !is_amount(value) ||
        !read_time(item, "block_timestamp", &read.time))
        return err_set(reterr, -EBADMSG, "an item of the list is no transfer");
    memcpy(read.txid, txid, sizeof read.txid);
    lower(read.txid);
    read.ours = strcmp(type, "Transfer") == 0 && strspn(value, "0") != strlen(value) &&
                is_address(json_path_text(item, "token_info.address"), tron->contract) &&
                is_address(json_get_text(item, "to"), recipient);
    *ret = read;
    return 0;
}

/* --- receipts */

/* A call of a contract says twice whether it failed: for the transaction, and for the contract. */
static bool has_succeeded(const cJSON *answer)
{
    const char *result = json_get_text(answer, "result");
    const char *of_contract = json_path_text(answer, "receipt.result");

    return (!result || strcmp(result, "FAILED") != 0) && of_contract &&
           strcmp(of_contract, "SUCCESS") == 0;
}

int trongrid_read_receipt(const cJSON *answer, const char *txid, struct trongrid_receipt *ret,
                          struct err *reterr)
{
    struct trongrid_receipt receipt = { .known = true };
    const char *id = json_get_text(answer, "id");

    if (!answer->child) {
        *ret = (struct trongrid_receipt){ .known = false };
        return 0;
    }
    if (!id || strcasecmp(id, txid) != 0 || !read_block(answer, "blockNumber", &receipt.block) ||
        (json_get(answer, "blockTimeStamp") && !read_time(answer, "blockTimeStamp", &receipt.time)))
        return err_set(reterr, -EBADMSG, "the answer is not the transaction's receipt");
    receipt.succeeded = has_succeeded(answer);
    receipt.logs = json_get(answer, "log");
    if (receipt.logs && !cJSON_IsArray(receipt.logs))
        return err_set(reterr, -EBADMSG, "the receipt's log is no list");
    *ret = receipt;
    return 0;
}

/* n bytes of hex; false for anything else. */
static bool read_bytes(const char *hex, unsigned char *bytes, size_t n)
{
    size_t length;

    return is_hex(hex, 2 * n) && OPENSSL_hexstr2buf_ex(bytes, n, &length, hex, '\0') == 1;
}

/* An address as a topic has it: the last 20 bytes of a word; the others are zero. */
static bool read_topic_address(const char *hex, unsigned char address[static TRON_ADDRESS_BYTES])
{
    static const unsigned char zeros[WORD_BYTES - TRON_ADDRESS_BYTES];
    unsigned char word[WORD_BYTES];

    if (!read_bytes(hex, word, sizeof word) || memcmp(word, zeros, sizeof zeros) != 0)
        return false;
    memcpy(address, word + sizeof zeros, TRON_ADDRESS_BYTES);
    return true;
}

struct transfer {
    unsigned char from[TRON_ADDRESS_BYTES], to[TRON_ADDRESS_BYTES], amount[WORD_BYTES];
};

/* True for a Transfer event of our token; other contracts may log whatever they like. */
static bool read_transfer(const struct trongrid *tron, const cJSON *log, struct transfer *ret)
{
    const cJSON *topics = json_get(log, "topics");
    unsigned char contract[TRON_ADDRESS_BYTES], event[WORD_BYTES], transfer[KECCAK_256_BYTES];

    keccak_256(KECCAK_PADDING, transfer_event, sizeof transfer_event - 1, transfer);
    return read_bytes(json_get_text(log, "address"), contract, sizeof contract) &&
           memcmp(contract, tron->contract, sizeof contract) == 0 &&
           cJSON_GetArraySize(topics) == 3 &&
           read_bytes(cJSON_GetStringValue(cJSON_GetArrayItem(topics, 0)), event, sizeof event) &&
           memcmp(event, transfer, sizeof event) == 0 &&
           read_topic_address(cJSON_GetStringValue(cJSON_GetArrayItem(topics, 1)), ret->from) &&
           read_topic_address(cJSON_GetStringValue(cJSON_GetArrayItem(topics, 2)), ret->to) &&
           read_bytes(json_get_text(log, "data"), ret->amount, sizeof ret->amount);
}

static int add_word(BIGNUM *sum, const unsigned char word[WORD_BYTES])
{
    BIGNUM *number = BN_bin2bn(word, WORD_BYTES, NULL);
    int r = number && BN_add(sum, sum, number) == 1 ? 0 : -ENOMEM;

    BN_free(number);
    return r;
}

/* OpenSSL's allocator need not be ours. */
static char *decimal_of(const BIGNUM *number)
{
    char *made = BN_bn2dec(number), *copy = made ? strdup(made) : NULL;

    OPENSSL_free(made);
    return copy;
}

int trongrid_read_sum(const struct trongrid *tron, const struct trongrid_receipt *receipt,
                      const unsigned char recipient[static TRON_ADDRESS_BYTES],
                      struct trongrid_sum *ret, struct err *reterr)
{
    struct trongrid_sum read = { 0 };
    struct transfer transfer;
    BIGNUM *sum = BN_new();
    const cJSON *logs = receipt->succeeded ? receipt->logs : NULL, *log;
    int r = sum ? 0 : -ENOMEM;

    cJSON_ArrayForEach(log, logs)
    {
        if (r < 0 || !read_transfer(tron, log, &transfer) ||
            memcmp(transfer.to, recipient, TRON_ADDRESS_BYTES) != 0)
            continue;
        if (BN_is_zero(sum))
            memcpy(read.from, transfer.from, sizeof read.from);
        r = add_word(sum, transfer.amount);
    }
    if (r == 0 && !BN_is_zero(sum)) {
        read.amount = decimal_of(sum);
        r = read.amount ? 0 : -ENOMEM;
    }
    BN_free(sum);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    *ret = read;
    return 0;
}
