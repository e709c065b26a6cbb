/* Arrays as PostgreSQL reads them: elements with quotes, in which only quotes and backslashes
 * count. */
#include "db_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void array_add(struct buf *array, const char *word)
{
    (void)buf_add_text(array, array->len ? "," : "{");
    (void)buf_add_text(array, word ? word : "NULL");
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

        (void)buf_add(array, text, plain);
        text += plain;
        if (*text) {
            (void)buf_add(array, "\\", 1);
            (void)buf_add(array, text++, 1);
        }
    }
    (void)buf_add(array, "\"", 1);
}

const char *array_end(struct buf *array)
{
    (void)buf_add_text(array, array->len ? "}" : "{}");
    return array->p;
}
