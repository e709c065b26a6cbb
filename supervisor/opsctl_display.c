/*
 * Text for people. What workers print reaches the terminal of whoever looks at them, so everything
 * passes through display_add; and tables need to know how wide it then is.
 */
#include "opsctl_display.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "text.h"

/* Above it a double has no digit to spare for what is behind the point. */
#define TENTHS_MOST 1e14

/* Narrower than this nothing is folded. */
enum { FOLD_COLUMNS_MIN = 20 };

/* Bidirectional controls print nothing and turn the order of what follows (Unicode annex 9,
 * section 2), so a name could pose as another. */
static bool is_bidi(wchar_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* U+2028 and U+2029 are line breaks to some terminals. */
static bool is_safe(wchar_t c)
{
    return c && wcwidth(c) >= 0 && !is_bidi(c) && c != 0x2028 && c != 0x2029;
}

static int add_escape(struct buf *to, const char *bytes, size_t n, wchar_t c)
{
    static const char letters[] = { ['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r' };

    if (n && (size_t)c < sizeof letters && letters[c])
        return buf_printf(to, "\\%c", letters[c]);
    if (n && c > 0x9f)
        return buf_printf(to, "\\u%04x", (unsigned)c);
    return buf_printf(to, "\\x%02x", n ? (unsigned)c : (unsigned char)bytes[0]);
}

/* Before the first character that is not ASCII: most commands never meet one, and finding and
 * mapping the tables would be a sixth of a short one's time. */
static void locale_begin(void)
{
    static bool begun;

    if (!begun)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    begun = true;
}

/* How many bytes from here on are printable ASCII: most text is nothing else, and is safe as it
 * is, a column each. */
static size_t plain_length(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && text[i] >= ' ' && text[i] <= '~')
        i++;
    return i;
}

int display_add(struct buf *to, const char *text, size_t n, enum display how)
{
    mbstate_t state = { 0 };
    size_t length = plain_length(text, n);
    wchar_t c = 0;
    int r = buf_add(to, text, length);

    if (length < n)
        locale_begin();
    for (size_t i = length; i < n && r == 0; i += length) {
        length = mbrtowc(&c, text + i, n - i, &state);
        if (length > n - i) {
            memset(&state, 0, sizeof state);
            r = add_escape(to, text + i, 0, 0);
            length = 1;
            continue;
        }
        length = length ? length : 1; /* mbrtowc says 0 for a NUL */
        if (c == '\t' ? how == DISPLAY_LINE : is_safe(c))
            r = buf_add(to, text + i, length);
        else
            r = add_escape(to, text + i, length, c);
    }
    return r;
}

int display_print(FILE *to, const char *before, const char *text, enum display how)
{
    OWN_BUF struct buf safe = { 0 };
    int r;

    buf_init(&safe, SIZE_MAX);
    r = display_add(&safe, text, strlen(text), how);
    if (r == 0)
        (void)fprintf(to, "%s%s\n", before, safe.len ? safe.p : "");
    return r;
}

/* Width and length of the first of n > 0 bytes' characters. */
static size_t character(const char *text, size_t n, size_t *ret_width)
{
    mbstate_t state = { 0 };
    size_t length;
    wchar_t c;
    int width;

    if (plain_length(text, 1)) {
        *ret_width = 1;
        return 1;
    }
    locale_begin();
    length = mbrtowc(&c, text, n, &state);
    if (!length || length > n) {
        *ret_width = 1;
        return 1;
    }
    width = wcwidth(c);
    *ret_width = width > 0 ? (size_t)width : 0;
    return length;
}

size_t display_width(const char *text, size_t n)
{
    size_t columns = plain_length(text, n), width;

    for (size_t i = columns; i < n; i += character(text + i, n - i, &width), columns += width)
        ;
    return columns;
}

size_t display_fold(const char *text, size_t columns, const char **ret_rest)
{
    const char *p = text, *space = NULL;
    size_t n = strlen(text), used = 0, width, length;

    while (*p) {
        length = character(p, n - (size_t)(p - text), &width);
        if (used + width > columns && p > text)
            break;
        if (*p == ' ' && p > text)
            space = p;
        used += width;
        p += length;
    }
    if (*p && *p != ' ' && space)
        p = space;
    *ret_rest = p + strspn(p, " ");
    while (p > text && p[-1] == ' ')
        p--;
    return (size_t)(p - text);
}

int display_print_folded(FILE *to, const struct terminal *terminal, const char *before,
                         const char *text)
{
    size_t indent = display_width(before, strlen(before)), room;
    OWN_BUF struct buf safe = { 0 };
    const char *rest;
    int r;

    if (terminal->columns < indent + FOLD_COLUMNS_MIN)
        return display_print(to, before, text, DISPLAY_CELL);
    room = terminal->columns - indent;
    buf_init(&safe, SIZE_MAX);
    r = display_add(&safe, text, strlen(text), DISPLAY_CELL);
    if (r < 0)
        return r;
    rest = safe.len ? safe.p : "";
    do {
        const char *line = rest;
        size_t n = display_fold(line, room, &rest);

        (void)fprintf(to, "%s%.*s\n", before, (int)n, line);
        before = "";
        if (*rest)
            (void)fprintf(to, "%*s", (int)indent, "");
    } while (*rest);
    return 0;
}

/* Numbers for people stand in every row of a table: none needs a format. */
static char *put_number(char *to, int64_t number, const char *unit)
{
    char *end = mempcpy(text_put_int(to, number), unit, strlen(unit));

    *end = '\0';
    return end;
}

const char *display_span(int64_t ms, char text[static DISPLAY_TEXT_MAX])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };
    size_t i = 0;
    char *end;

    if (ms < 1000) {
        (void)put_number(text, ms > 0 ? ms : 0, "ms");
        return text;
    }
    while (ms < units[i].ms)
        i++;
    end = put_number(text, ms / units[i].ms, units[i].name);
    ms %= units[i].ms;
    if (units[i].ms > 1000 && ms / units[i + 1].ms > 0)
        (void)put_number(end, ms / units[i + 1].ms, units[i + 1].name);
    return text;
}

const char *display_tenths(double number, const char *unit, char text[static DISPLAY_TEXT_MAX])
{
    double tenths = number * 10;
    int64_t whole;

    if (!(number >= 0 && number < TENTHS_MOST)) {
        (void)snprintf(text, DISPLAY_TEXT_MAX, "%.1f%s", number, unit);
        return text;
    }
    whole = (int64_t)tenths;
    tenths -= (double)whole;
    /* Half-way goes to the even one, as in printf(3). */
    whole += tenths > 0.5 || (tenths == 0.5 && whole % 2);
    (void)put_number(put_number(text, whole / 10, "."), whole % 10, unit);
    return text;
}

const char *display_bytes(double bytes, char text[static DISPLAY_TEXT_MAX])
{
    static const char *const units[] = { "B", "K", "M", "G", "T" };
    size_t i = 0;

    while (bytes >= 1024 && i < sizeof units / sizeof units[0] - 1) {
        bytes /= 1024;
        i++;
    }
    if (i)
        return display_tenths(bytes, units[i], text);
    (void)snprintf(text, DISPLAY_TEXT_MAX, "%.0fB", bytes);
    return text;
}

static size_t terminal_columns(int fd)
{
    const char *wanted = getenv("COLUMNS");
    struct winsize size;
    int64_t columns;

    if (wanted && text_to_int(wanted, 1, 10000, &columns) == 0)
        return (size_t)columns;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 80; /* what terminals had before they could be asked */
}

struct terminal terminal_look(int fd)
{
    const char *no_colour = getenv("NO_COLOR"); /* no-color.org: set and not empty */
    const char *term = getenv("TERM");

    if (!isatty(fd))
        return (struct terminal){ 0 };
    return (struct terminal){
        .columns = terminal_columns(fd),
        .colour = !(no_colour && no_colour[0]) && term && strcmp(term, "dumb") != 0,
    };
}

const char *terminal_begin(const struct terminal *terminal, enum colour colour)
{
    /* ECMA-48, 8.3.117 */
    static const char *const begin[COLOURS] = {
        [COLOUR_NONE] = "",         [COLOUR_BOLD] = "\x1b[1m",   [COLOUR_DIM] = "\x1b[2m",
        [COLOUR_RED] = "\x1b[31m",  [COLOUR_GREEN] = "\x1b[32m", [COLOUR_YELLOW] = "\x1b[33m",
        [COLOUR_CYAN] = "\x1b[36m",
    };

    return terminal->colour ? begin[colour] : "";
}

const char *terminal_end(const struct terminal *terminal, enum colour colour)
{
    return terminal->colour && colour ? "\x1b[0m" : "";
}

enum colour state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum colour colour;
    } colours[] = {
        { "online", COLOUR_GREEN },     { "scheduled", COLOUR_CYAN },
        { "launching", COLOUR_YELLOW }, { "stopping", COLOUR_YELLOW },
        { "waiting", COLOUR_YELLOW },   { "waiting restart", COLOUR_YELLOW },
        { "errored", COLOUR_RED },      { "stopped", COLOUR_DIM },
    };

    for (size_t i = 0; state && i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    }
    return COLOUR_NONE;
}
