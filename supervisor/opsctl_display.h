#ifndef OPS_OPSCTL_DISPLAY_H
#define OPS_OPSCTL_DISPLAY_H
/*
 * Text for people: made safe for a terminal, measured in columns, and numbers in few characters.
 *
 * Names, status texts and log lines come from workers and from whoever writes to them. Nothing of
 * it may steer the terminal: control characters, C1 controls, bidirectional overrides and what is
 * not UTF-8 are shown as \n, \x1b, \u202e.
 *
 * Widths are those of wcwidth(3); the caller has set LC_CTYPE to a UTF-8 locale.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"

/* How output looks where it goes: columns 0 when that is no terminal. */
struct terminal {
    size_t columns;
    bool colour;
};

/* A cell has no tab in it, a line may. */
enum display { DISPLAY_CELL, DISPLAY_LINE };

/* Adds text in its safe form. Returns 0, -EMSGSIZE or -ENOMEM. */
int display_add(struct buf *to, const char *text, size_t n, enum display how);

/* Prints before and the safe form of text as a line. Returns 0 or -ENOMEM; a failed write is left
 * to ferror(3). */
int display_print(FILE *to, const char *before, const char *text, enum display how);

/* The same for sentences: where they are wider than the terminal, lines after the first stand as
 * far to the right as text began. */
int display_print_folded(FILE *to, const struct terminal *terminal, const char *before,
                         const char *text);

/* Columns that n bytes of text take; they came through display_add as a cell. */
size_t display_width(const char *text, size_t n);

/* How many bytes of text to put on a line of that many columns: up to the last space where there is
 * one, and no less than one character. *ret_rest is where the next line begins, past the spaces. */
size_t display_fold(const char *text, size_t columns, const char **ret_rest);

enum { DISPLAY_TEXT_MAX = 32 };

/* "350ms", "12s", "5m12s", "3h2m", "2d4h". */
const char *display_span(int64_t ms, char text[static DISPLAY_TEXT_MAX]);

/* A number with one digit behind the point, and its unit of a few letters: as "%.1f%s" prints it,
 * in a fraction of the time; but a number a last bit away from half a tenth may go the other way.
 */
const char *display_tenths(double number, const char *unit, char text[static DISPLAY_TEXT_MAX]);

/* "512B", "12.4M": powers of 1,024. */
const char *display_bytes(double bytes, char text[static DISPLAY_TEXT_MAX]);

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_CYAN,
    COLOURS,
};

/* Looks at a descriptor; COLUMNS, NO_COLOR and TERM=dumb are heeded. */
struct terminal terminal_look(int fd);

/* The sequence that begins a colour, and the one that ends it; "" where there are no colours. */
const char *terminal_begin(const struct terminal *terminal, enum colour colour);
const char *terminal_end(const struct terminal *terminal, enum colour colour);

/* The colour that a worker's state is shown in. */
enum colour state_colour(const char *state);

#endif
