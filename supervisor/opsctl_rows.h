#ifndef OPS_OPSCTL_ROWS_H
#define OPS_OPSCTL_ROWS_H
/*
 * A JSON array as a table: a row for each of its objects, a column for each text of opsctl_row.h.
 */
#include <stdio.h>

#include "opsctl_row.h"
#include "opsctl_table.h"

struct row_column {
    struct column column;
    row_text *text;
};

struct rows {
    const struct row_column *columns;
    size_t count;
    /* The colour of the cell that text makes of a row. */
    enum colour (*colour)(row_text *text, const cJSON *row);
};

/* Prints the table. Returns 0, -ENOMEM or -EMSGSIZE. */
int rows_print(const struct rows *rows, FILE *to, const struct terminal *terminal,
               const cJSON *array);

#endif
