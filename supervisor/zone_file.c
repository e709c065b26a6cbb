/* A file of tzdata as the moves of one clock. */
#include "zone_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "own.h"

enum {
    FILE_BYTES_MAX = 256 << 10, /* the longest of tzdata 2025b has 3,600 */
    HEADER_BYTES = 44,
    VERSION_AT = 4, /* '\0' for 1, then digits */
    COUNTS_AT = 20,
    TYPE_BYTES = 6,
    OFFSET_MAX_S = 26 * 3600, /* RFC 9636, 3.2: what readers have to take */
};

/* Numbers of the header, in its order. */
enum { COUNT_ISUT, COUNT_ISSTD, COUNT_LEAP, COUNT_TIME, COUNT_TYPE, COUNT_CHAR, COUNTS };

struct block {
    const unsigned char *bytes; /* behind the header */
    uint32_t counts[COUNTS];
    size_t time_bytes; /* of one instant: 4, or 8 from version 2 on */
};

static uint32_t number(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t instant(const struct block *block, uint32_t i)
{
    const unsigned char *at = block->bytes + i * block->time_bytes;

    if (block->time_bytes == 4)
        return (int32_t)number(at);
    return (int64_t)((uint64_t)number(at) << 32 | number(at + 4));
}

static size_t block_length(const struct block *block)
{
    const uint32_t *n = block->counts;

    return n[COUNT_TIME] * (block->time_bytes + 1) + (size_t)n[COUNT_TYPE] * TYPE_BYTES +
           n[COUNT_CHAR] + n[COUNT_LEAP] * (block->time_bytes + 4) + n[COUNT_ISSTD] + n[COUNT_ISUT];
}

/* Reads a header; text then is what follows the block. */
static int block_take(const unsigned char **text, size_t *n, size_t time_bytes, struct block *ret)
{
    struct block block = { .bytes = *text + HEADER_BYTES, .time_bytes = time_bytes };
    size_t length;

    if (*n < HEADER_BYTES || memcmp(*text, "TZif", 4) != 0)
        return -EBADMSG;
    for (int i = 0; i < COUNTS; i++) {
        block.counts[i] = number(*text + COUNTS_AT + 4 * (size_t)i);
        if (block.counts[i] > FILE_BYTES_MAX)
            return -EBADMSG;
    }
    length = HEADER_BYTES + block_length(&block);
    if (length > *n || !block.counts[COUNT_TYPE])
        return -EBADMSG;
    *text += length;
    *n -= length;
    *ret = block;
    return 0;
}

static int offset_of(const struct block *block, size_t type, int *ret)
{
    const unsigned char *types = block->bytes + block->counts[COUNT_TIME] * (block->time_bytes + 1);
    int32_t offset;

    if (type >= block->counts[COUNT_TYPE])
        return -EBADMSG;
    offset = (int32_t)number(types + type * TYPE_BYTES);
    if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S)
        return -EBADMSG;
    *ret = offset;
    return 0;
}

/* A change of the name alone is no move. */
static int moves_take(const struct block *block, struct zone_data *data)
{
    const unsigned char *types = block->bytes + block->counts[COUNT_TIME] * block->time_bytes;
    int offset, now;
    int r;

    r = offset_of(block, 0, &data->before);
    now = data->before;
    for (uint32_t i = 0; i < block->counts[COUNT_TIME] && r == 0; i++) {
        r = offset_of(block, types[i], &offset);
        if (r == 0 && i && instant(block, i) <= instant(block, i - 1))
            r = -EBADMSG;
        if (r < 0 || offset == now)
            continue;
        data->moves[data->count++] = (struct zone_move){ instant(block, i), offset };
        now = offset;
    }
    data->rule = (struct zone_rule){ .standard = now };
    return r;
}

/* "\nTZ\n"; empty: as it was since the last move. */
static int rule_take(const unsigned char *text, size_t n, struct zone_rule *ret)
{
    OWN(free) char *rule = NULL;
    const unsigned char *end = n > 1 ? memchr(text + 1, '\n', n - 1) : NULL;

    if (!end || text[0] != '\n')
        return -EBADMSG;
    if (end == text + 1)
        return 0;
    rule = strndup((const char *)text + 1, (size_t)(end - text - 1));
    if (!rule)
        return -ENOMEM;
    return zone_rule_parse(rule, ret) < 0 ? -EBADMSG : 0;
}

static int parse(const unsigned char *text, size_t n, struct zone_data *data)
{
    bool new = n > VERSION_AT &&text[VERSION_AT];
    struct block block;
    int r;

    /* From version 2 on the first block is for old readers. */
    r = block_take(&text, &n, 4, &block);
    if (r == 0 && new)
        r = block_take(&text, &n, 8, &block);
    if (r == 0 && block.counts[COUNT_LEAP])
        r = -ENOTSUP;
    if (r < 0)
        return r;
    data->moves = calloc(block.counts[COUNT_TIME] + 1, sizeof *data->moves);
    if (!data->moves)
        return -ENOMEM;
    r = moves_take(&block, data);
    return r == 0 && new ? rule_take(text, n, &data->rule) : r;
}

int zone_file_read(const char *path, struct zone_data *ret)
{
    struct zone_data data = { 0 };
    OWN(free) char *text = NULL;
    size_t n;
    int r;

    r = file_read(path, FILE_BYTES_MAX, &text, &n);
    if (r == 0)
        r = parse((const unsigned char *)text, n, &data);
    if (r < 0)
        free(data.moves);
    else
        *ret = data;
    return r;
}
