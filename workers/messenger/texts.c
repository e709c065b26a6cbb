/* Translations in memory, sorted for a binary search, and what is put into texts. */
#include "texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 16384 };

struct words {
    const char *set, *from, *to;
};

struct texts {
    char *bytes; /* what the pointers of list point to */
    size_t n;
    struct words list[];
};

/* --- the list --- */

static int compare(const void *a, const void *b)
{
    const struct words *one = a, *other = b;
    int order = strcmp(one->set, other->set);

    return order ? order : strcmp(one->from, other->from);
}

/* Where the characters \n stand, the line ends. */
static void break_lines(char *text)
{
    char *to = text;

    for (; *text; text++)
        if (text[0] == '\\' && text[1] == 'n') {
            *to++ = '\n';
            text++;
        } else {
            *to++ = *text;
        }
    *to = '\0';
}

static char *keep(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

static size_t size_of(const struct rows *rows)
{
    size_t size = 1;

    for (int row = 0; row < rows->count; row++)
        for (int column = 0; column < 3; column++)
            size += strlen(rows_text(rows, row, column)) + 1;
    return size;
}

int texts_load(const struct rows *rows, struct texts **ret)
{
    struct texts *texts = calloc(1, sizeof *texts + (size_t)rows->count * sizeof texts->list[0]);
    char *at = malloc(size_of(rows));

    if (!texts || !at) {
        free(texts);
        free(at);
        return -ENOMEM;
    }
    texts->bytes = at;
    texts->n = (size_t)rows->count;
    for (int row = 0; row < rows->count; row++) {
        char *to;

        texts->list[row].set = keep(&at, rows_text(rows, row, 0));
        texts->list[row].from = keep(&at, rows_text(rows, row, 1));
        to = keep(&at, rows_text(rows, row, 2));
        break_lines(to);
        texts->list[row].to = to;
    }
    qsort(texts->list, texts->n, sizeof texts->list[0], compare);
    *ret = texts;
    return 0;
}

void texts_free(struct texts *texts)
{
    if (texts)
        free(texts->bytes);
    free(texts);
}

const char *texts_find(const struct texts *texts, const char *set, const char *text)
{
    OWN_BUF struct buf key = { 0 };
    const struct words *found;

    if (!texts || !set)
        return text;
    buf_init(&key, KEY_BYTES_MAX);
    if (text_add_key(&key, text) < 0)
        return text;
    found = bsearch(&(struct words){ .set = set, .from = key.p }, texts->list, texts->n,
                    sizeof texts->list[0], compare);
    return found ? found->to : text;
}

/* --- the normal form --- */

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int text_add_key(struct buf *to, const char *text)
{
    size_t before = to->len;
    bool gap = false, line_began = true;
    int r = buf_add(to, "", 0);

    for (; *text && r == 0; text++) {
        bool ends = *text == '\n' || (text[0] == '\\' && text[1] == 'n');

        if (is_white(*text)) {
            gap = !line_began;
            continue;
        }
        if (gap)
            r = buf_add(to, " ", 1);
        gap = false;
        line_began = ends;
        if (r == 0)
            r = ends ? buf_add(to, "\\n", 2) : buf_add(to, text, 1);
        if (*text == '\\' && ends)
            text++;
    }
    return r == 0 && to->len == before ? buf_add(to, "", 0) : r;
}

/* --- fields --- */

/* Adds text as HTML shows it. */
static int add_html(struct buf *to, const char *text)
{
    int r = buf_add(to, "", 0);

    while (*text && r == 0) {
        size_t n = strcspn(text, "&<>");

        r = buf_add(to, text, n);
        text += n;
        if (r == 0 && *text)
            r = buf_add_text(to, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
        text += *text != '\0';
    }
    return r;
}

/* The next {{name}} at or after text; *ret_name has n characters, *ret_end is behind the braces. */
static const char *next_field(const char *text, const char **ret_name, size_t *ret_n,
                              const char **ret_end)
{
    for (; (text = strstr(text, "{{")); text += 2) {
        const char *name = text + 2 + strspn(text + 2, " ");
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
        const char *end = name + n + strspn(name + n, " ");

        if (n == 0 || strncmp(end, "}}", 2) != 0)
            continue;
        *ret_name = name;
        *ret_n = n;
        *ret_end = end + 2;
        return text;
    }
    return NULL;
}

static const char *value_of(const char *const *fields, const char *name, size_t n)
{
    for (; fields && fields[0]; fields += 2)
        if (strlen(fields[0]) == n && strncmp(fields[0], name, n) == 0)
            return fields[1] ? fields[1] : "";
    return "";
}

int text_fill(struct buf *to, const char *text, const char *const *fields, bool html)
{
    const char *field, *name, *end;
    size_t n;
    int r = 0;

    while (r == 0 && (field = next_field(text, &name, &n, &end))) {
        r = buf_add(to, text, (size_t)(field - text));
        if (r == 0)
            r = html ? add_html(to, value_of(fields, name, n))
                     : buf_add_text(to, value_of(fields, name, n));
        text = end;
    }
    return r == 0 ? buf_add_text(to, text) : r;
}

static bool has_field(const char *text, const char *wanted, size_t wanted_n)
{
    const char *name;
    size_t n;

    while (next_field(text, &name, &n, &text))
        if (n == wanted_n && strncmp(name, wanted, n) == 0)
            return true;
    return false;
}

const char *text_strange_field(const char *text, const char *other, size_t *ret_n)
{
    const char *name;

    while (next_field(text, &name, ret_n, &text))
        if (!has_field(other, name, *ret_n))
            return name;
    return NULL;
}
