/* A manifest's text as a cJSON tree whose values know their lines: comments are blanked, so that
 * every byte keeps its place, then the text is scanned and parsed, and the two are laid together.
 */
#include "manifest_json.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "json.h"
#include "manifest.h"
#include "manifest_scan.h"
#include "own.h"
#include "text.h"

/* The first line that is not UTF-8, or 0. No sequence goes past a line's end. */
static int find_line_not_utf8(const char *text, size_t n)
{
    const char *end = text + n, *next;
    int number = 1;

    for (; text < end; text = next, number++) {
        next = memchr(text, '\n', (size_t)(end - text));
        next = next ? next + 1 : end;
        if (!text_is_utf8(text, (size_t)(next - text)))
            return number;
    }
    return 0;
}

static int line_of(const char *text, const char *p)
{
    int line = 1;

    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

/* Past the text that starts at p; one that has no end is left to the scanner to complain about. */
static char *text_end(char *p)
{
    for (p++; *p && *p != '"' && *p != '\n'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

static char *comment_end(char *p)
{
    char *end = p[1] == '/' ? strchrnul(p, '\n') : strstr(p + 2, "*/");

    return end && p[1] == '*' ? end + 2 : end;
}

/* Turns comments into spaces; lines stay lines. */
static int blank_comments(char *text, struct problems *problems)
{
    char *p = text, *end;

    while ((p += strcspn(p, "\"/"), *p)) {
        if (*p == '"') {
            p = text_end(p);
            continue;
        }
        if (p[1] != '/' && p[1] != '*') {
            p++;
            continue;
        }
        end = comment_end(p);
        if (!end)
            return problems_add(problems, NULL, "line %d: the comment that starts here has no end",
                                line_of(text, p));
        for (; p < end; p++)
            if (*p != '\n')
                *p = ' ';
    }
    return 0;
}

/* Gives every value its line; the scanner recorded them in the same order. */
static void number_lines(cJSON *value, const char **lines)
{
    cJSON *child;

    memcpy(&value->valueint, *lines, sizeof value->valueint);
    *lines += sizeof value->valueint;
    cJSON_ArrayForEach(child, value) number_lines(child, lines);
}

/* A copy that may be written to, ending in '\0', its comments blanked. */
static int prepare(const char *text, size_t n, char **ret, struct problems *problems)
{
    static const char mark[] = "\xef\xbb\xbf";
    OWN(free) char *copy = NULL;
    int line, r;

    if (n > MANIFEST_BYTES_MAX) {
        (void)problems_add(problems, NULL, "the manifest has %zu bytes, at most %d are read", n,
                           MANIFEST_BYTES_MAX);
        return -E2BIG;
    }
    line = find_line_not_utf8(text, n);
    if (line)
        return problems_add(problems, NULL, "line %d: not UTF-8", line);
    if (n && memchr(text, '\0', n))
        return problems_add(problems, NULL, "line %d: a NUL byte",
                            line_of(text, memchr(text, '\0', n)));
    copy = malloc(n + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, n ? text : "", n);
    copy[n] = '\0';
    if (strncmp(copy, mark, strlen(mark)) == 0)
        memset(copy, ' ', strlen(mark));
    r = blank_comments(copy, problems);
    if (r < 0)
        return r;
    *ret = TAKE(copy);
    return 0;
}

/* PM2's other form, ecosystem.config.js: what it would say only Node can tell. */
static bool is_javascript(const char *text)
{
    static const char *const beginnings[] = { "module.exports", "export default" };

    text += strspn(text, " \t\r\n");
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

int manifest_json_parse(const char *text, size_t n, cJSON **ret, struct problems *problems)
{
    OWN_BUF struct buf lines = { 0 };
    OWN(free) char *copy = NULL;
    OWN(json) cJSON *json = NULL;
    const char *next_line;
    struct err err;
    int r;

    /* At most a value for each byte. */
    buf_init(&lines, (size_t)MANIFEST_BYTES_MAX * sizeof(int));
    r = prepare(text, n, &copy, problems);
    if (r == 0)
        r = manifest_scan(copy, n, &lines, &err);
    if (r == -EINVAL)
        (void)problems_add(problems, NULL, "%s",
                           is_javascript(copy) ? "JavaScript is not read; write it as JSON"
                                               : err.text);
    if (r < 0)
        return r == -EBADMSG ? -EINVAL : r;
    json = cJSON_ParseWithLengthOpts(copy, n + 1, NULL, 1);
    if (!json)
        return -ENOMEM;
    next_line = lines.p;
    number_lines(json, &next_line);
    assert(next_line == lines.p + lines.len);
    *ret = TAKE(json);
    return 0;
}

struct repeated_in {
    const struct place *up;
    struct problems *problems;
};

static void add_repeated(void *context, const cJSON *before, const cJSON *again)
{
    const struct repeated_in *in = context;
    const struct place place = { .up = in->up, .key = again->string, .value = again };

    (void)problems_add(in->problems, &place, "is given twice, first on line %d",
                       value_line(before));
}

int manifest_json_find_repeated(const cJSON *value, const struct place *up,
                                struct problems *problems)
{
    struct repeated_in in = { up, problems };
    const cJSON *child;
    int index = 0, r = cJSON_IsObject(value) ? json_each_repeated(value, add_repeated, &in) : 0;

    cJSON_ArrayForEach(child, value)
    {
        struct place place = { .up = up, .key = child->string, .index = index++, .value = child };

        if (r < 0)
            return r;
        r = manifest_json_find_repeated(child, &place, problems);
    }
    return r;
}
