/* The lines in bytes that a worker printed. */
#include "lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "text.h"

bool lines_next(const char **bytes, size_t *n, const char **ret_line, size_t *ret_length)
{
    const char *newline;

    if (!*n)
        return false;
    newline = memchr(*bytes, '\n', *n);
    *ret_line = *bytes;
    *ret_length = newline ? (size_t)(newline - *bytes) : *n;
    *bytes += *ret_length + (newline != NULL);
    *n -= *ret_length + (newline != NULL);
    return true;
}

int64_t lines_count(const char *bytes, size_t n)
{
    const char *end = bytes + n;
    int64_t lines = 0;

    while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
        lines++;
        bytes++;
    }
    return lines;
}

static void base64(const char *bytes, size_t n, char *to)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                         (i + 2 < n ? p[i + 2] : 0);

        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = i + 1 < n ? letters[three >> 6 & 63] : '=';
        *to++ = i + 2 < n ? letters[three & 63] : '=';
    }
    *to = '\0';
}

void lines_put(cJSON *object, const char *line, size_t length)
{
    bool text = text_is_utf8(line, length) && !memchr(line, '\0', length);
    OWN(free) char *copy = malloc(text ? length + 1 : (length + 2) / 3 * 4 + 1);

    if (!copy)
        return;
    if (text) {
        memcpy(copy, line, length);
        copy[length] = '\0';
    } else {
        base64(line, length, copy);
    }
    (void)json_put_text(object, text ? "line" : "base64", copy);
}
