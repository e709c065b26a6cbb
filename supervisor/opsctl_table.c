/*
 * Rows of text in columns. Widths are decided once for the whole table (plan), then rows are
 * printed line by line, a folded cell giving its next piece to each line.
 */
#include "opsctl_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    GAP = 2,
    /* All texts of one table: `stat` of 4,096 workers fills a few megabytes. */
    TABLE_BYTES_MAX = 64 << 20,
};

struct cell {
    size_t text; /* place in texts */
    size_t width;
    bool empty;
    enum colour colour;
};

/* Width of each column; 0: left out. */
struct plan {
    size_t widths[TABLE_COLUMNS_MAX];
    bool fold, narrow;
};

void table_init(struct table *table, const struct column *columns, size_t count)
{
    assert(count <= TABLE_COLUMNS_MAX);
    *table = (struct table){ .columns = columns, .count = count };
    buf_init(&table->texts, TABLE_BYTES_MAX);
    buf_init(&table->cells, TABLE_BYTES_MAX);
}

void table_done(struct table *table)
{
    buf_done(&table->texts);
    buf_done(&table->cells);
}

void table_add(struct table *table, const char *text, enum colour colour)
{
    struct cell cell = { .text = table->texts.len, .empty = !text || !text[0], .colour = colour };

    if (cell.empty)
        text = "-";
    if (!table->error)
        table->error = display_add(&table->texts, text, strlen(text), DISPLAY_CELL);
    if (!table->error) {
        cell.width = display_width(table->texts.p + cell.text, table->texts.len - cell.text);
        table->error = buf_add(&table->texts, "", 1);
    }
    if (!table->error)
        table->error = buf_add(&table->cells, &cell, sizeof cell);
}

static size_t rows_of(const struct table *table)
{
    return table->cells.len / sizeof(struct cell) / table->count;
}

static const struct cell *cell_at(const struct table *table, size_t row, size_t column)
{
    return (const struct cell *)(const void *)table->cells.p + row * table->count + column;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* As wide as the widest cell; on a terminal 0 when all cells are empty. */
static size_t natural_width(const struct table *table, size_t column, bool keep_empty)
{
    size_t width = strlen(table->columns[column].title);
    bool empty = !keep_empty;

    for (size_t row = 0; row < rows_of(table); row++) {
        const struct cell *cell = cell_at(table, row, column);

        width = larger(width, cell->width);
        empty = empty && cell->empty;
    }
    return empty ? 0 : width;
}

/* The least that a column can do with; on a very narrow terminal only the title counts. */
static size_t least_width(const struct column *column, size_t natural, bool narrow)
{
    size_t least = larger(narrow ? 0 : column->fold_at, strlen(column->title));

    return column->fold_at ? smaller(natural, least) : natural;
}

static size_t least_sum(const struct table *table, const struct plan *plan)
{
    size_t sum = 0;

    for (size_t i = 0; i < table->count; i++) {
        if (plan->widths[i])
            sum += least_width(&table->columns[i], plan->widths[i], plan->narrow) + (sum ? GAP : 0);
    }
    return sum;
}

static bool drop_one(const struct table *table, struct plan *plan)
{
    size_t worst = table->count;
    unsigned rank = 0;

    for (size_t i = 0; i < table->count; i++) {
        if (plan->widths[i] && table->columns[i].dropped > rank) {
            rank = table->columns[i].dropped;
            worst = i;
        }
    }
    if (worst == table->count)
        return false;
    plan->widths[worst] = 0;
    return true;
}

static void plan_widths(const struct table *table, size_t columns, struct plan *plan)
{
    size_t sum, spare, least;

    *plan = (struct plan){ .fold = columns };
    for (size_t i = 0; i < table->count; i++)
        plan->widths[i] = natural_width(table, i, !columns);
    if (!columns)
        return;
    while (least_sum(table, plan) > columns && drop_one(table, plan))
        ;
    plan->narrow = least_sum(table, plan) > columns;
    sum = least_sum(table, plan);
    spare = columns > sum ? columns - sum : 0;
    for (size_t i = 0; i < table->count; i++) {
        least = least_width(&table->columns[i], plan->widths[i], plan->narrow);
        sum = smaller(plan->widths[i], least + spare);
        spare -= plan->widths[i] ? sum - least : 0;
        plan->widths[i] = sum;
    }
}

static size_t last_column(const struct table *table, const struct plan *plan)
{
    size_t last = 0;

    for (size_t i = 0; i < table->count; i++)
        last = plan->widths[i] ? i : last;
    return last;
}

struct piece {
    const char *text;
    size_t n, width;
    enum colour colour;
};

/* The next piece of a cell for one line; *rest moves on. */
static struct piece piece_take(const char **rest, size_t columns, bool fold)
{
    struct piece piece = { .text = *rest };

    piece.n = fold ? display_fold(*rest, columns, rest) : strlen(*rest);
    if (!fold)
        *rest += piece.n;
    piece.width = display_width(piece.text, piece.n);
    return piece;
}

static void print_spaces(FILE *to, size_t n)
{
    while (n--)
        (void)putc_unlocked(' ', to);
}

/* A table of thousands of cells: nothing of it needs a format. */
static void print_piece(FILE *to, const struct terminal *terminal, const struct piece *piece,
                        size_t before, size_t after)
{
    print_spaces(to, before);
    (void)fputs_unlocked(terminal_begin(terminal, piece->colour), to);
    (void)fwrite_unlocked(piece->text, 1, piece->n, to);
    (void)fputs_unlocked(terminal_end(terminal, piece->colour), to);
    print_spaces(to, after);
}

/* One line of a row: each column's next piece. Returns whether something is left for another. */
static bool print_line(const struct table *table, FILE *to, const struct terminal *terminal,
                       const struct plan *plan, struct piece *cells)
{
    size_t last = last_column(table, plan);
    bool more = false;
    size_t pad;

    for (size_t i = 0; i < table->count; i++) {
        const char *rest = cells[i].text;
        struct piece piece;

        if (!plan->widths[i])
            continue;
        piece = piece_take(&rest, plan->widths[i], plan->fold);
        piece.colour = piece.n ? cells[i].colour : COLOUR_NONE;
        cells[i].text = rest;
        more = more || *rest;
        pad = plan->widths[i] > piece.width ? plan->widths[i] - piece.width : 0;
        if (table->columns[i].right)
            print_piece(to, terminal, &piece, pad, i == last ? 0 : GAP);
        else
            print_piece(to, terminal, &piece, 0, i == last ? 0 : pad + GAP);
    }
    (void)fputc('\n', to);
    return more;
}

int table_print(struct table *table, FILE *to, const struct terminal *terminal)
{
    struct piece cells[TABLE_COLUMNS_MAX] = { 0 };
    struct plan plan;

    if (table->error)
        return table->error;
    plan_widths(table, terminal->columns, &plan);
    for (size_t i = 0; i < table->count; i++)
        cells[i] = (struct piece){ .text = table->columns[i].title, .colour = COLOUR_BOLD };
    (void)print_line(table, to, terminal, &plan, cells);
    for (size_t row = 0; row < rows_of(table); row++) {
        for (size_t i = 0; i < table->count; i++) {
            const struct cell *cell = cell_at(table, row, i);

            cells[i] = (struct piece){ .text = table->texts.p + cell->text,
                                       .colour = cell->colour };
        }
        while (print_line(table, to, terminal, &plan, cells))
            ;
    }
    return 0;
}
