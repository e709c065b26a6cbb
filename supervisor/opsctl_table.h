#ifndef OPS_OPSCTL_TABLE_H
#define OPS_OPSCTL_TABLE_H
/*
 * Rows of text in columns. On a terminal a table is as wide as the terminal: columns in which
 * nothing stands go first, then the least important ones, then long cells fold; nothing is cut
 * short. Elsewhere every column is there and every row is one line, for grep and awk.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "buf.h"
#include "opsctl_display.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct column {
    const char *title;
    bool right;       /* numbers stand to the right */
    size_t fold_at;   /* cells wider than this may fold down to it; 0: they never do */
    unsigned dropped; /* the larger, the sooner it is left out; 0: never */
};

struct table {
    const struct column *columns;
    size_t count;
    struct buf texts, cells;
    int error; /* the first failure; all that follows does nothing */
};

/* columns stays the caller's and at most TABLE_COLUMNS_MAX. */
void table_init(struct table *table, const struct column *columns, size_t count);
void table_done(struct table *table);
#define OWN_TABLE __attribute__((cleanup(table_done)))

/* Adds the next cell, row by row from the left. NULL or "" is an empty cell, shown as "-". The text
 * may be anything; it is made safe here. */
void table_add(struct table *table, const char *text, enum colour colour);

/* Prints title and rows. Returns 0, or the first failure of all calls: -ENOMEM, -EMSGSIZE. */
int table_print(struct table *table, FILE *to, const struct terminal *terminal);

#endif
