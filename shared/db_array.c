/* Arrays as PostgreSQL reads them: elements with quotes, in which only quotes and backslashes
 * count. */
#include "db_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Nothing follows what is missing, least of all the end: the server refuses such a literal, where
 * it would take one that lacks an element. */
static void put(struct buf *array, const char *bytes, size_t n)
{
    if (buf_add(array, bytes, n) < 0)
        array->max = array->len;
}

void array_add(struct buf *array, const char *word)
{
    if (!word)
        word = "NULL";
    put(array, array->len ? "," : "{", 1);
    put(array, word, strlen(word));
}

void array_add_int(struct buf *array, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    array_add(array, text);
}

void array_add_text(struct buf *array, const char *text)
{
    if (!text) {
        array_add(array, NULL);
        return;
    }
    array_add(array, "\"");
    while (*text) {
        size_t plain = strcspn(text, "\"\\");

        put(array, text, plain);
        text += plain;
        if (*text) {
            put(array, "\\", 1);
            put(array, text++, 1);
        }
    }
    put(array, "\"", 1);
}

const char *array_end(struct buf *array)
{
    if (!array->len)
        put(array, "{", 1);
    put(array, "}", 1);
    return array->p ? array->p : "{";
}
