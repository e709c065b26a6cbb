/* .env files: NAME=value a line; nothing is expanded or executed. */
#include "envfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "own.h"

static const char BLANK[] = " \t\r";

static size_t name_length(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t n = strspn(text, letters);

    return n ? n + strspn(text + n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
                                    "0123456789")
             : 0;
}

static char unescaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

/* Reads a quoted value in place; from stands behind the opening quote. Returns what follows the
 * closing one, or NULL when there is none. */
static char *read_quoted(char *from, char quote)
{
    char *to = from;

    for (; *from && *from != quote; from++) {
        if (*from == '\\' && quote == '"' && from[1])
            *to++ = unescaped(*++from);
        else
            *to++ = *from;
    }
    if (!*from)
        return NULL;
    *to = '\0';
    return from + 1;
}

/* A bare value ends at the line's end or at ` #`. */
static void end_bare(char *value)
{
    char *comment = strstr(value, " #");
    size_t n;

    if (comment)
        *comment = '\0';
    n = strlen(value);
    while (n && strchr(BLANK, value[n - 1]))
        n--;
    value[n] = '\0';
}

static int read_line(char *line, envfile_each *each, void *context, struct err *reterr)
{
    char *name = line + strspn(line, BLANK), *value, *rest;
    size_t n;

    if (!*name || *name == '#')
        return 0;
    if (strncmp(name, "export ", 7) == 0)
        name += 7 + strspn(name + 7, BLANK);
    n = name_length(name);
    value = name + n + strspn(name + n, BLANK);
    if (!n || *value != '=')
        return err_set(reterr, -EINVAL, "want NAME=value");
    value += 1 + strspn(value + 1, BLANK);
    name[n] = '\0';
    if (*value == '"' || *value == '\'') {
        rest = read_quoted(value + 1, *value);
        value++;
        if (!rest)
            return err_set(reterr, -EINVAL, "%s: the closing quote is missing", name);
        rest += strspn(rest, BLANK);
        if (*rest && *rest != '#')
            return err_set(reterr, -EINVAL, "%s: text after the closing quote", name);
    } else if (*value == '#' && (value[-1] == ' ' || value[-1] == '\t')) {
        *value = '\0';
    } else {
        end_bare(value);
    }
    return each(context, name, value);
}

int envfile_parse(const char *text, envfile_each *each, void *context, struct err *reterr)
{
    OWN(free) char *copy = strdup(text);
    struct err why = { "" };
    char *line = copy, *next;
    int r;

    if (!copy)
        return err_set(reterr, -ENOMEM, "out of memory");
    for (int number = 1; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        r = read_line(line, each, context, &why);
        if (r < 0 && why.text[0])
            return err_set(reterr, r, "line %d: %s", number, why.text);
        if (r < 0)
            return r;
    }
    return 0;
}

int envfile_read(const char *path, envfile_each *each, void *context, bool *ret_exposed,
                 struct err *reterr)
{
    OWN(free) char *text = NULL;
    struct err why = { "" };
    struct stat st;
    int r;

    r = file_read(path, ENVFILE_BYTES_MAX, &text, NULL);
    if (r < 0)
        return err_set(reterr, r, "%s: %s", path, strerror(-r));
    if (ret_exposed)
        *ret_exposed = stat(path, &st) == 0 && (st.st_mode & 077);
    r = envfile_parse(text, each, context, &why);
    if (r < 0 && why.text[0])
        return err_set(reterr, r, "%s: %s", path, why.text);
    return r;
}
