/* Small questions about text: is it UTF-8, is it a number, what was meant, how to show it. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST_WORD_MAX = 63 };

size_t text_utf8_length(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t length;
    uint32_t code;

    if (!n)
        return 0;
    /* RFC 3629, section 4. */
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (length > n)
        return 0;
    code = p[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3fU);
    }
    if (length == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)))
        return 0;
    if (length == 4 && (code < 0x10000 || code > 0x10ffff))
        return 0;
    return length;
}

/* Most text is, so eight bytes are looked at together. */
static size_t ascii_length(const char *bytes, size_t n)
{
    size_t i = 0;
    uint64_t eight;

    for (; i + sizeof eight <= n; i += sizeof eight) {
        memcpy(&eight, bytes + i, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < n && !(bytes[i] & 0x80))
        i++;
    return i;
}

bool text_is_utf8(const char *bytes, size_t n)
{
    size_t length;

    for (size_t i = 0; i < n; i += length) {
        length = ascii_length(bytes + i, n - i);
        if (!length)
            length = text_utf8_length(bytes + i, n - i);
        if (!length)
            return false;
    }
    return true;
}

void text_end_whole(char *text)
{
    size_t n = strlen(text), piece = 0;

    while (piece < n && piece < 3 && ((unsigned char)text[n - 1 - piece] & 0xc0) == 0x80)
        piece++;
    if (piece == n)
        return;
    piece++;
    if (!text_utf8_length(text + n - piece, piece))
        text[n - piece] = '\0';
}

int text_to_int(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    char *end;
    long long value;

    if (!digits[0] || strspn(digits, "0123456789") != strlen(digits))
        return -EINVAL;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || value < least || value > most)
        return -ERANGE;
    *ret = value;
    return 0;
}

static int add_escaped_byte(struct buf *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = {
        ['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'
    };
    char escaped[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

    if (c < sizeof plain && plain[c]) {
        escaped[1] = plain[c];
        return buf_add(to, escaped, 2);
    }
    return buf_add(to, escaped, 4);
}

int text_add_escaped(struct buf *to, const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    bool quoted = !n;
    size_t length;
    int r;

    for (size_t i = 0; i < n && !quoted; i++)
        quoted = p[i] == ' ' || p[i] == '=' || p[i] == '"';
    r = buf_add(to, "\"", quoted);
    for (size_t i = 0; i < n && r == 0; i += length) {
        length = text_utf8_length(bytes + i, n - i);
        /* C1 controls (U+0080 to U+009F, UTF-8 c2 80 to c2 9f) steer terminals too. */
        if (length == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)
            length = 0;
        if (length > 1 || (length == 1 && p[i] >= ' ' && p[i] != 0x7f && !strchr("\"\\", p[i]))) {
            r = buf_add(to, p + i, length);
        } else {
            length = 1;
            r = add_escaped_byte(to, p[i]);
        }
    }
    if (r == 0)
        r = buf_add(to, "\"", quoted);
    return r;
}

char *text_put_hex(char *to, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 0xf];
    }
    *to = '\0';
    return to;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein's distance, in which neighbours that changed places are one edit, not two. Of its
 * table three rows at a time. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_WORD_MAX + 1], *row, *above, *twice_above, n = strlen(b), i = 0;

    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (; a[i]; i++) {
        twice_above = rows[(i + 2) % 3];
        above = rows[i % 3];
        row = rows[(i + 1) % 3];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            row[j + 1] = smallest(above[j + 1] + 1, row[j] + 1, above[j] + (a[i] != b[j]));
            if (i && j && a[i] == b[j - 1] && a[i - 1] == b[j] && twice_above[j - 1] < row[j + 1])
                row[j + 1] = twice_above[j - 1] + 1;
        }
    }
    return rows[i % 3][n];
}

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
    size_t length = strlen(word), best = length / 3 + 1, distance;
    const char *nearest = NULL;

    if (length > NEAREST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!words[i] || strlen(words[i]) > NEAREST_WORD_MAX)
            continue;
        distance = edit_distance(word, words[i]);
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

uint64_t text_hash(const char *text, uint64_t seed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + seed;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

char *text_put_int(char to[static TEXT_INT_MAX], int64_t number)
{
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    char digits[TEXT_INT_MAX];
    int n = 0;

    if (number < 0)
        *to++ = '-';
    do
        digits[n++] = (char)('0' + left % 10);
    while (left /= 10);
    while (n)
        *to++ = digits[--n];
    return to;
}

bool text_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}
