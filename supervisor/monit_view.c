/*
 * The model on a terminal. Everything is drawn anew each time, and ncurses sends what differs; so
 * there is nothing here to keep in step, and a new size is one more reason to draw.
 */
#include "monit_view.h"

#include <errno.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opsctl_display.h"

enum {
    HEADER_ROWS = 1,
    TITLE_ROWS = 1,
    HELP_ROWS = 1,
    LIST_LEAST = 3,
    STATUS_GAP = 2,
    STATUS_LEAST = 9, /* fewer columns say nothing */
    ESCAPE_MS = 50,   /* a key that begins with ESC sends the rest within this */
    SPARK_COLUMNS_MAX = 60,
    SPARK_BYTES_MAX = 4 * SPARK_COLUMNS_MAX, /* UTF-8 */
};

enum pair { PAIR_NONE, PAIR_RED, PAIR_GREEN, PAIR_YELLOW, PAIR_CYAN };

static SCREEN *screen;

/* --- the terminal */

static void take_colours(void)
{
    static const short colours[] = { [PAIR_RED] = COLOR_RED,
                                     [PAIR_GREEN] = COLOR_GREEN,
                                     [PAIR_YELLOW] = COLOR_YELLOW,
                                     [PAIR_CYAN] = COLOR_CYAN };
    const char *unwanted = getenv("NO_COLOR");

    if ((unwanted && unwanted[0]) || !has_colors() || start_color() == ERR)
        return;
    (void)use_default_colors();
    for (int i = PAIR_RED; i <= PAIR_CYAN; i++)
        (void)init_pair((short)i, colours[i], -1);
}

int monit_view_open(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return -ENOTTY;
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return -ENOTTY;
    (void)set_escdelay(ESCAPE_MS);
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)curs_set(0);
    take_colours();
    return 0;
}

void monit_view_lend(void)
{
    (void)endwin();
}

void monit_view_close(void)
{
    if (!screen)
        return;
    (void)endwin();
    delscreen(screen);
    screen = NULL;
}

/* clang-format off */
static const struct { int from; enum monit_key to; } keys[] = {
    { KEY_UP, MONIT_UP },         { KEY_DOWN, MONIT_DOWN },       { KEY_PPAGE, MONIT_PAGE_UP },
    { KEY_NPAGE, MONIT_PAGE_DOWN }, { KEY_HOME, MONIT_FIRST },    { KEY_END, MONIT_LAST },
    { KEY_ENTER, MONIT_ENTER },   { '\r', MONIT_ENTER },          { '\n', MONIT_ENTER },
    { KEY_BACKSPACE, MONIT_ERASE }, { '\b', MONIT_ERASE },        { 0x7f, MONIT_ERASE },
    { 0x1b, MONIT_ESCAPE },
};
/* clang-format on */

int monit_view_key(void)
{
    int c = getch();

    if (c == ERR)
        return MONIT_NOTHING;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].from == c)
            return keys[i].to;
    return c >= ' ' && c <= '~' ? c : MONIT_OTHER;
}

/* --- text in columns */

/* How many bytes of a safe text fit. */
static size_t fitting(const char *text, size_t columns)
{
    size_t n = 0, length;

    while (text[n]) {
        for (length = 1; (text[n + length] & 0xc0) == 0x80; length++)
            ;
        if (display_width(text, n + length) > columns)
            break;
        n += length;
    }
    return n;
}

/* Puts text at the cursor, in exactly that many columns. */
static void put(const char *text, size_t columns, bool right)
{
    size_t n = fitting(text, columns), width = display_width(text, n);
    int pad = (int)(columns - width);

    (void)printw("%*s", right ? pad : 0, "");
    (void)addnstr(text, (int)n);
    (void)printw("%*s", right ? 0 : pad, "");
}

static attr_t colour_attribute(enum colour colour)
{
    static const attr_t attributes[COLOURS] = { [COLOUR_BOLD] = A_BOLD, [COLOUR_DIM] = A_DIM };
    static const short pairs[COLOURS] = { [COLOUR_RED] = PAIR_RED,
                                          [COLOUR_GREEN] = PAIR_GREEN,
                                          [COLOUR_YELLOW] = PAIR_YELLOW,
                                          [COLOUR_CYAN] = PAIR_CYAN };

    return attributes[colour] | (attr_t)COLOR_PAIR(pairs[colour]);
}

static void put_coloured(const char *text, size_t columns, bool right, enum colour colour)
{
    attr_t attribute = colour_attribute(colour);

    (void)attron(attribute);
    put(text, columns, right);
    (void)attroff(attribute);
}

/* --- the list */

/* Widths of the columns; the sparklines and the status have what is left. */
struct widths {
    size_t label, space, spark, status;
};

enum { STATE = 15, CPU = 7, MEMORY = 8, UPTIME = 7, RESTARTS = 5 };

static struct widths plan_widths(const struct monit *m)
{
    size_t fixed = STATE + CPU + MEMORY + UPTIME + RESTARTS + 8, left, width;
    struct widths widths = { .label = 8, .space = 4 };

    for (size_t i = 0; i < m->count; i++) {
        width = display_width(m->workers[i].label, strlen(m->workers[i].label));
        widths.label = width > widths.label ? width : widths.label;
        width = display_width(m->workers[i].space, strlen(m->workers[i].space));
        widths.space = width > widths.space ? width : widths.space;
    }
    left = (size_t)COLS > fixed ? (size_t)COLS - fixed : 0;
    widths.label = widths.label < left / 2 ? widths.label : left / 2;
    left -= widths.label;
    /* What an app is called, and what it says, is for wide terminals. */
    if (left < widths.space + 40)
        widths.space = 0;
    left -= widths.space;
    widths.spark = left / (widths.space ? 3 : 2);
    if (widths.spark > SPARK_COLUMNS_MAX)
        widths.spark = SPARK_COLUMNS_MAX;
    widths.status = left - 2 * widths.spark;
    if (widths.status < STATUS_LEAST)
        widths.status = 0;
    return widths;
}

static void put_spark(const struct monit_samples *samples, size_t columns, double least)
{
    OWN_BUF struct buf text = { 0 };

    buf_init(&text, SPARK_BYTES_MAX);
    if (columns && monit_spark(samples, columns, least, &text) == 0)
        put_coloured(text.p, columns, false, COLOUR_CYAN);
}

static void put_head(const struct widths *widths)
{
    (void)move(HEADER_ROWS, 0);
    (void)attron(A_BOLD);
    (void)addch(' ');
    put("NAME", widths->label + 1, false);
    if (widths->space)
        put("APP", widths->space + 1, false);
    put("STATE", STATE + 1, false);
    put("CPU", CPU, true);
    (void)addch(' ');
    put("", widths->spark, false);
    put("MEMORY", MEMORY, true);
    (void)addch(' ');
    put("", widths->spark, false);
    put("UPTIME", UPTIME, true);
    put("RST", RESTARTS, true);
    put(widths->status ? "  STATUS" : "", widths->status, false);
    (void)attroff(A_BOLD);
}

static void put_worker(const struct monit_worker *w, const struct widths *widths, bool selected)
{
    char text[DISPLAY_TEXT_MAX];
    bool runs = w->uptime_ms >= 0;

    if (selected)
        (void)attron(A_REVERSE);
    (void)addch(selected ? '>' : ' ');
    put(w->label, widths->label, false);
    (void)attroff(A_REVERSE);
    (void)addch(' ');
    if (widths->space)
        put(w->space, widths->space + 1, false);
    put_coloured(w->state, STATE, false, state_colour(w->state));
    (void)addch(' ');
    (void)snprintf(text, sizeof text, "%.1f%%", w->cpu_percent);
    put(runs ? text : "-", CPU, true);
    (void)addch(' ');
    put_spark(&w->cpu, widths->spark, 10);
    put(runs ? display_bytes(w->memory_bytes, text) : "-", MEMORY, true);
    (void)addch(' ');
    put_spark(&w->memory, widths->spark, 1);
    put(runs ? display_span(w->uptime_ms, text) : "-", UPTIME, true);
    (void)snprintf(text, sizeof text, "%lld", (long long)w->restarts);
    put(text, RESTARTS, true);
    if (!widths->status)
        return;
    put("", STATUS_GAP, false);
    put(w->status, widths->status - STATUS_GAP, false);
}

/* Half of the screen, or less when there are not so many. */
static size_t list_rows(const struct monit *m)
{
    size_t room = LINES > HEADER_ROWS + TITLE_ROWS + HELP_ROWS + 1
                      ? (size_t)(LINES - HEADER_ROWS - TITLE_ROWS - HELP_ROWS - 1)
                      : 0;
    size_t most = room / 2 > LIST_LEAST ? room / 2 : LIST_LEAST, visible = monit_visible(m);

    most = most < room ? most : room;
    return visible < most ? visible : most;
}

long monit_view_page(void)
{
    return LINES / 2 > 1 ? LINES / 2 - 1 : 1;
}

/* The selected one is kept in the middle where there are more than fit. */
static void draw_list(const struct monit *m, size_t rows)
{
    struct widths widths = plan_widths(m);
    size_t visible = monit_visible(m), place = monit_place(m), top;

    top = place > rows / 2 ? place - rows / 2 : 0;
    if (top + rows > visible)
        top = visible - rows;
    put_head(&widths);
    for (size_t i = 0; i < rows; i++) {
        const struct monit_worker *w = monit_at(m, top + i);

        (void)move(HEADER_ROWS + 1 + (int)i, 0);
        put_worker(w, &widths, w->id == m->selected);
    }
}

/* --- the lines */

struct piece {
    const char *text;
    size_t n;
    bool err;
};

/* Fills rows from the end with the pieces of the line. Returns how many rows are left. */
static size_t fold_line(const struct monit_line *line, struct piece *pieces, size_t rows)
{
    const char *text = line->text, *rest;
    size_t n = 0;

    do {
        (void)display_fold(text, (size_t)COLS, &rest);
        n++;
    } while (*(text = rest));
    text = line->text;
    for (size_t i = 0; i < n; i++) {
        size_t length = display_fold(text, (size_t)COLS, &rest);

        if (n - i <= rows)
            pieces[rows - (n - i)] = (struct piece){ text, length, line->err };
        text = rest;
    }
    return n < rows ? rows - n : 0;
}

/* The newest stands in the last row. */
static void draw_lines(const struct monit *m, int top, size_t rows)
{
    struct piece *pieces = calloc(rows + 1, sizeof *pieces);
    const struct monit_line *line;
    size_t left = rows;

    for (size_t i = 0; pieces && left && (line = monit_line_back(m, i)); i++)
        left = fold_line(line, pieces, left);
    for (size_t i = left; pieces && i < rows; i++) {
        /* Fewer lines than rows begin at the top. */
        (void)move(top + (int)(i - left), 0);
        (void)attron(colour_attribute(pieces[i].err ? COLOUR_RED : COLOUR_NONE));
        (void)addnstr(pieces[i].text, (int)pieces[i].n);
        (void)attroff(colour_attribute(COLOUR_RED));
    }
    free(pieces);
}

/* --- the rest */

static void draw_header(const struct monit *m)
{
    char text[256];

    (void)snprintf(text, sizeof text, " %zu workers, %zu online, %zu errored%s%s", m->count,
                   monit_count(m, "online"), monit_count(m, "errored"),
                   m->filter[0] ? ", filter: " : "", m->filter);
    (void)move(0, 0);
    (void)attron(A_REVERSE);
    put(text, (size_t)COLS, false);
    (void)attroff(A_REVERSE);
    if (m->connected)
        return;
    (void)attron(A_BOLD | A_REVERSE);
    (void)mvaddstr(0, COLS > 24 ? COLS - 24 : 0, "opsd is not running... ");
    (void)attroff(A_BOLD | A_REVERSE);
}

static void draw_title(const struct monit *m, int row)
{
    const struct monit_worker *w = monit_selected(m);

    (void)move(row, 0);
    (void)attron(A_BOLD);
    (void)addstr(w ? "logs of " : "no worker ");
    (void)addstr(w ? w->label : m->filter[0] ? "passes the filter" : "yet");
    (void)addch(' ');
    (void)attroff(A_BOLD);
    (void)hline(ACS_HLINE, COLS);
}

static void draw_help(const struct monit *m)
{
    static const char all[] = "q quit  up/down select  r restart  s stop  t start  / filter";
    const struct monit_worker *w = monit_selected(m);
    char text[MONIT_MESSAGE_MAX + 80];

    if (m->typing)
        (void)snprintf(text, sizeof text, "filter: %s_  (Enter keeps it, Esc drops it)", m->filter);
    else if (m->asks)
        (void)snprintf(text, sizeof text, "%s %s? y does it", m->asks, w ? w->label : "");
    else
        (void)snprintf(text, sizeof text, "%s%s%s", m->message, m->message[0] ? "  |  " : "", all);
    (void)move(LINES - 1, 0);
    (void)attron(m->asks || m->typing ? A_BOLD : A_NORMAL);
    /* The last corner would scroll. */
    put_coloured(text, (size_t)COLS - 1, false,
                 m->failed && m->message[0] && !m->typing ? COLOUR_RED : COLOUR_NONE);
    (void)attroff(A_BOLD);
}

void monit_view_draw(const struct monit *m)
{
    size_t rows = list_rows(m);
    int title = HEADER_ROWS + 1 + (int)rows, lines = LINES - title - TITLE_ROWS - HELP_ROWS;

    (void)erase();
    draw_list(m, rows);
    if (lines > 0) {
        draw_title(m, title);
        draw_lines(m, title + TITLE_ROWS, (size_t)lines);
    }
    draw_header(m);
    draw_help(m);
    (void)refresh();
}
