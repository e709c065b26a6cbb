/*
 * import_tron_addresses: deposit addresses with their private keys, from a file or standard input.
 *
 * A line is `address,private key in hex`. All lines are checked first, and all that is wrong is
 * said at once, without a key in it; then they are stored together, the keys encrypted. A key that
 * does not belong to its address is refused: what is paid there would be out of reach.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "fernet.h"
#include "import_tron_addresses_sql.h"
#include "instant.h"
#include "json.h"
#include "own.h"
#include "tron_address.h"
#include "worker.h"

/* An import of a hundred thousand is one statement of about 20 MB. */
enum { ADDRESSES_MOST = 100000 };

struct import {
    struct fernet keys;
    cJSON *addresses, *encrypted; /* arrays of texts */
    void *seen;                   /* tree of the texts in addresses */
    int count, bad;
};

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void forget_node(void *text)
{
    (void)text; /* it belongs to the array */
}

static void import_done(struct import *import)
{
    tdestroy(import->seen, forget_node);
    cJSON_Delete(import->addresses);
    cJSON_Delete(import->encrypted);
    explicit_bzero(&import->keys, sizeof import->keys);
}

#define OWN_IMPORT __attribute__((cleanup(import_done)))

/* Spaces at both ends, and the CR of a file that was made elsewhere. */
static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

/* NULL when the line is good; else what is wrong with it, which holds nothing of the line. */
static const char *fault_of(const char *address, const char *key)
{
    unsigned char bytes[TRON_ADDRESS_BYTES], derived[TRON_ADDRESS_BYTES];
    bool known = tron_address_parse(address, bytes) == 0;
    int r;

    if (!key)
        return "want `address,private key in hex`";
    r = tron_address_of_key(key, derived);
    if (!known)
        return r < 0 ? "the address is not a Tron address, and the key is not 64 hex digits"
                     : "the address is not a Tron address (its checksum is wrong)";
    if (r == -EIO)
        return "OpenSSL cannot derive an address";
    if (r < 0)
        return "the key is not 64 hex digits of a private key";
    if (memcmp(bytes, derived, sizeof bytes) != 0)
        return "the key does not belong to the address";
    return NULL;
}

static int keep(struct import *import, const char *address, const char *key)
{
    OWN(free) char *encrypted = NULL;
    cJSON *text = cJSON_CreateString(address);
    int r;

    if (!text || !cJSON_AddItemToArray(import->addresses, text) ||
        !tsearch(text->valuestring, &import->seen, compare_texts))
        return -ENOMEM;
    r = fernet_encrypt(&import->keys, key, TRON_KEY_DIGITS, instant_now() / 1000, &encrypted);
    if (r < 0)
        return r;
    text = cJSON_CreateString(encrypted);
    if (!text || !cJSON_AddItemToArray(import->encrypted, text))
        return -ENOMEM;
    import->count++;
    return 0;
}

static int take_line(struct import *import, char *line, int number)
{
    char *address = trim(line), *key = NULL, *comma = strchr(address, ',');
    const char *fault;

    if (!*address)
        return 0;
    if (comma) {
        *comma = '\0';
        key = trim(comma + 1);
        address = trim(address);
    }
    fault = fault_of(address, key);
    if (!fault && tfind(address, &import->seen, compare_texts))
        fault = "the address was in a line before this one";
    if (!fault && import->count == ADDRESSES_MOST)
        fault = "more than 100,000 addresses; import them in parts";
    if (!fault)
        return keep(import, address, key);
    import->bad++;
    (void)fprintf(stderr, "line %d: %s\n", number, fault);
    return 0;
}

static int take_lines(struct import *import, FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    int r = 0;

    for (int number = 1; r == 0 && getline(&line, &size, file) >= 0; number++)
        r = take_line(import, line, number);
    if (r == 0 && ferror(file))
        r = -EIO;
    if (line)
        explicit_bzero(line, size);
    free(line);
    return r;
}

static int store(struct run *run, const struct import *import)
{
    OWN(free) char *addresses = cJSON_PrintUnformatted(import->addresses);
    OWN(free) char *encrypted = cJSON_PrintUnformatted(import->encrypted);
    OWN_ROWS struct rows rows = { 0 };
    int r;

    if (!addresses || !encrypted)
        return run_failed(run, -ENOMEM, "out of memory");
    r = db_run(run->db, &sql[SQL_STORE], &rows, addresses, encrypted);
    if (r < 0)
        return run_db_failed(run, r, "store addresses");
    (void)printf("addresses %s: %lld", run->dry_run ? "to import" : "imported",
                 (long long)rows.affected);
    if (rows.affected < import->count)
        (void)printf(", there already: %lld", (long long)(import->count - rows.affected));
    (void)printf("\n");
    return 0;
}

static int read_all(struct run *run, struct import *import, const char *path)
{
    OWN(file) FILE *opened = path ? fopen(path, "re") : NULL;
    struct err why;
    int r;

    if (path && !opened) {
        (void)err_set(&why, 0, "cannot open %s: %s", path, strerror(errno));
        return run_failed(run, -EIO, why.text);
    }
    import->addresses = cJSON_CreateArray();
    import->encrypted = cJSON_CreateArray();
    r = import->addresses && import->encrypted ? take_lines(import, path ? opened : stdin)
                                               : -ENOMEM;
    if (r < 0) {
        (void)err_set(&why, 0, "cannot read the addresses: %s", strerror(-r));
        return run_failed(run, r, why.text);
    }
    if (import->bad > 0) {
        (void)err_set(&why, 0, "%d bad lines; nothing was imported", import->bad);
        return run_failed(run, -EINVAL, why.text);
    }
    return 0;
}

static int import_tron_addresses(struct run *run)
{
    OWN_IMPORT struct import import = { 0 };
    int r;

    if (run->argc > 1)
        return run_failed(run, -EDOM, "want one FILE, or none to read standard input");
    /* Good keys: they are checked at start. */
    (void)fernet_keys_parse(setting_text("FIELD_ENCRYPTION_KEY"), &import.keys);
    r = read_all(run, &import, run->argc ? run->argv[0] : NULL);
    return r < 0 ? r : store(run, &import);
}

const struct worker worker = {
    .app = "cashier",
    .name = "import_tron_addresses",
    .about = "add deposit addresses (lines `address,private key in hex`), the keys encrypted",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL", "FIELD_ENCRYPTION_KEY"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = import_tron_addresses,
    .arguments = "[FILE]",
};
