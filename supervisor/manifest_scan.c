/* The grammar of JSON, held strictly, and the line of every value: recursive descent, its depth
 * bounded by JSON_DEPTH_MAX. */
#include "manifest_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

/* cJSON 1.7.15 copies a number into 64 bytes and takes what is behind for the next token. */
enum { NUMBER_MAX = 60 };

struct scan {
    const char *text;
    size_t n, at, line_start;
    int line, depth;
    struct buf *lines;
    struct err *reterr;
};

/* The byte ahead; '\0' at the end, which no rule of the grammar accepts. */
static char ahead(const struct scan *s)
{
    return s->at < s->n ? s->text[s->at] : '\0';
}

static bool digit_ahead(const struct scan *s)
{
    return ahead(s) >= '0' && ahead(s) <= '9';
}

static int column(const struct scan *s)
{
    int characters = 1;

    for (size_t i = s->line_start; i < s->at; i++)
        characters += ((unsigned char)s->text[i] & 0xc0) != 0x80;
    return characters;
}

static int scan_fail(const struct scan *s, const char *wants)
{
    char got[32];

    if (s->at >= s->n)
        (void)snprintf(got, sizeof got, "the end of the file");
    else if (ahead(s) == '\n' || ahead(s) == '\r')
        (void)snprintf(got, sizeof got, "the end of the line");
    else if (ahead(s) > ' ' && ahead(s) < 0x7f)
        (void)snprintf(got, sizeof got, "%c", ahead(s));
    else
        (void)snprintf(got, sizeof got, "byte 0x%02x", (unsigned char)ahead(s));
    return err_set(s->reterr, -EINVAL, "line %d, column %d: want %s, got %s", s->line, column(s),
                   wants, got);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct scan *s)
{
    for (; is_space(ahead(s)); s->at++) {
        if (ahead(s) != '\n')
            continue;
        s->line++;
        s->line_start = s->at + 1;
    }
}

static int scan_hex(struct scan *s, unsigned *ret)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++, s->at++) {
        char c = ahead(s), lower = (char)(c | 0x20);

        if (digit_ahead(s))
            code = code * 16 + (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            code = code * 16 + (unsigned)(lower - 'a' + 10);
        else
            return scan_fail(s, "four hexadecimal digits after \\u");
    }
    *ret = code;
    return 0;
}

/* After \u: a character of the basic plane but NUL, or a surrogate pair. */
static int scan_unicode(struct scan *s)
{
    unsigned code, low;
    int r;

    r = scan_hex(s, &code);
    if (r < 0)
        return r;
    if (code == 0)
        return scan_fail(s, "a text without \\u0000");
    if (code < 0xd800 || code > 0xdfff)
        return 0;
    if (code > 0xdbff || ahead(s) != '\\' || s->at + 1 >= s->n || s->text[s->at + 1] != 'u')
        return scan_fail(s, "a surrogate pair (\\ud83d\\ude00)");
    s->at += 2;
    r = scan_hex(s, &low);
    if (r < 0)
        return r;
    if (low < 0xdc00 || low > 0xdfff)
        return scan_fail(s, "the second half of a surrogate pair");
    return 0;
}

static int scan_escape(struct scan *s)
{
    char c;

    s->at++;
    c = ahead(s);
    if (!c || !strchr("\"\\/bfnrtu", c))
        return scan_fail(s, "one of \" \\ / b f n r t u after \\");
    s->at++;
    return c == 'u' ? scan_unicode(s) : 0;
}

static int scan_text(struct scan *s)
{
    int r;

    s->at++;
    while (ahead(s) != '"') {
        if ((unsigned char)ahead(s) < ' ')
            return scan_fail(s, "the rest of a text and its closing quote");
        if (ahead(s) != '\\') {
            s->at++;
            continue;
        }
        r = scan_escape(s);
        if (r < 0)
            return r;
    }
    s->at++;
    return 0;
}

static int scan_digits(struct scan *s)
{
    if (!digit_ahead(s))
        return scan_fail(s, "a digit");
    while (digit_ahead(s))
        s->at++;
    return 0;
}

static int scan_number(struct scan *s)
{
    size_t start = s->at;
    int r = 0;

    if (ahead(s) == '-')
        s->at++;
    if (ahead(s) == '0')
        s->at++;
    else
        r = scan_digits(s);
    if (r == 0 && digit_ahead(s))
        return scan_fail(s, "a number without leading zeros");
    if (r == 0 && ahead(s) == '.') {
        s->at++;
        r = scan_digits(s);
    }
    if (r == 0 && (ahead(s) == 'e' || ahead(s) == 'E')) {
        s->at++;
        if (ahead(s) == '-' || ahead(s) == '+')
            s->at++;
        r = scan_digits(s);
    }
    if (r == 0 && s->at - start > NUMBER_MAX)
        return scan_fail(s, "a shorter number");
    return r;
}

static int scan_word(struct scan *s)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);

        if (s->n - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            s->at += n;
            return 0;
        }
    }
    return scan_fail(s, "a value");
}

static int scan_value(struct scan *s, int line);

static int scan_member(struct scan *s)
{
    int line = s->line, r;

    if (ahead(s) != '"')
        return scan_fail(s, "a name in double quotes");
    r = scan_text(s);
    if (r < 0)
        return r;
    skip_space(s);
    if (ahead(s) != ':')
        return scan_fail(s, ": after the name");
    s->at++;
    skip_space(s);
    return scan_value(s, line);
}

/* The members of an object, or the elements of an array, up to close. */
static int scan_all(struct scan *s, char close)
{
    bool more;
    int r;

    if (s->depth == JSON_DEPTH_MAX)
        return err_set(s->reterr, -EINVAL, "line %d, column %d: nested deeper than %d", s->line,
                       column(s), JSON_DEPTH_MAX);
    s->depth++;
    s->at++;
    skip_space(s);
    for (more = ahead(s) != close; more;) {
        struct scan comma;

        r = close == '}' ? scan_member(s) : scan_value(s, s->line);
        if (r < 0)
            return r;
        skip_space(s);
        more = ahead(s) == ',';
        if (!more && ahead(s) != close)
            return scan_fail(s, close == '}' ? ", or } after a member" : ", or ] after an element");
        comma = *s;
        s->at += more;
        skip_space(s);
        if (more && ahead(s) == close)
            return err_set(s->reterr, -EINVAL, "line %d, column %d: a comma too many", comma.line,
                           column(&comma));
    }
    s->at++;
    s->depth--;
    return 0;
}

static int scan_value(struct scan *s, int line)
{
    int r = buf_add(s->lines, &line, sizeof line);

    if (r < 0)
        return r;
    if (ahead(s) == '{')
        return scan_all(s, '}');
    if (ahead(s) == '[')
        return scan_all(s, ']');
    if (ahead(s) == '"')
        return scan_text(s);
    if (ahead(s) == '-' || digit_ahead(s))
        return scan_number(s);
    return scan_word(s);
}

int manifest_scan(const char *text, size_t n, struct buf *lines, struct err *reterr)
{
    struct scan scan = { .text = text, .n = n, .line = 1, .lines = lines, .reterr = reterr };
    int r;

    skip_space(&scan);
    r = scan_value(&scan, scan.line);
    if (r < 0)
        return r;
    skip_space(&scan);
    return scan.at < n ? scan_fail(&scan, "nothing more after the value") : 0;
}
