/* A JSON array as a table. */
#include "opsctl_rows.h"

#include <assert.h>

#include "instant.h"
#include "opsctl_client.h"

static int add_row(const struct rows *rows, const struct row_context *context, struct buf *text,
                   struct table *table)
{
    int r = 0;

    for (size_t i = 0; i < rows->count && r == 0; i++) {
        row_text *make = rows->columns[i].text;

        buf_clear(text);
        r = make(context, text);
        table_add(table, text->len ? text->p : NULL, rows->colour(make, context->row));
    }
    return r;
}

int rows_print(const struct rows *rows, FILE *to, const struct terminal *terminal,
               const cJSON *array)
{
    struct row_context context = { .now = instant_now() };
    struct column columns[TABLE_COLUMNS_MAX];
    OWN_TABLE struct table table = { 0 };
    OWN_BUF struct buf text = { 0 };
    int r = 0;

    assert(rows->count <= TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < rows->count; i++)
        columns[i] = rows->columns[i].column;
    table_init(&table, columns, rows->count);
    buf_init(&text, CLIENT_LINE_MAX);
    cJSON_ArrayForEach(context.row, array)
    {
        if (r == 0)
            r = add_row(rows, &context, &text, &table);
    }
    return r < 0 ? r : table_print(&table, to, terminal);
}
