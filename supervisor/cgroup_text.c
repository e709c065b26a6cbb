/* What the kernel says of control groups, as text. */
#include "cgroup_text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *line_end(const char *line)
{
    return line + strcspn(line, "\n");
}

static const char *next_line(const char *line)
{
    const char *end = line_end(line);

    return *end ? end + 1 : end;
}

/* --- /proc/PID/cgroup: hierarchy:controllers:path, and version 2 is hierarchy 0 without any */

bool cgroup_text_own(const char *text, char ret[static PATH_MAX])
{
    for (const char *line = text; *line; line = next_line(line)) {
        size_t n = (size_t)(line_end(line) - line);

        if (strncmp(line, "0::/", 4) != 0 || n - 3 >= PATH_MAX)
            continue;
        (void)snprintf(ret, PATH_MAX, "%.*s", (int)(n - 3), line + 3);
        return strncmp(ret, "/../", 4) != 0 && strcmp(ret, "/..") != 0;
    }
    return false;
}

/* --- /proc/PID/mountinfo: id parent device root folder options fields… - type source options */

enum { ROOT = 3, FOLDER = 4, FIELDS };

/* A field of the line, with \040 and its like as what they stand for. Returns false when it does
 * not fit. */
static bool take_field(const char *from, char to[static PATH_MAX])
{
    size_t n = 0;
    char octal[4] = "";

    for (; *from && !strchr(" \n", *from); n++) {
        if (n + 1 >= PATH_MAX)
            return false;
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            memcpy(octal, from + 1, 3);
            to[n] = (char)strtol(octal, NULL, 8);
            from += 4;
        } else {
            to[n] = *from++;
        }
    }
    to[n] = '\0';
    return n > 0;
}

/* Where the fields of a line start. Returns false when it is not one of version 2. */
static bool split(const char *line, const char *fields[static FIELDS])
{
    const char *p = line, *end = line_end(line), *dash;

    for (int i = 0; i < FIELDS; i++) {
        fields[i] = p;
        p += strcspn(p, " \n");
        if (p >= end)
            return false;
        p++;
    }
    dash = strstr(p - 1, " - ");
    return dash && dash < end && strncmp(dash + 3, "cgroup2 ", 8) == 0;
}

/* What of own is below root, itself "" or with a slash in front; NULL when it is not. */
static const char *below(const char *own, const char *root)
{
    size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(own, root, n) != 0 || (own[n] && own[n] != '/'))
        return NULL;
    return strcmp(own + n, "/") == 0 ? "" : own + n;
}

bool cgroup_text_next_folder(const char **mountinfo, const char *own, char ret[static PATH_MAX])
{
    char root[PATH_MAX], folder[PATH_MAX];
    const char *fields[FIELDS], *rest;

    while (**mountinfo) {
        const char *line = *mountinfo;

        *mountinfo = next_line(line);
        if (!split(line, fields) || !take_field(fields[ROOT], root) ||
            !take_field(fields[FOLDER], folder))
            continue;
        rest = below(own, root);
        if (rest && snprintf(ret, PATH_MAX, "%s%s", folder, rest) < PATH_MAX)
            return true;
    }
    return false;
}

/* --- what is in the files of a group */

bool cgroup_text_number(const char *text, const char *key, int64_t *ret)
{
    size_t n = strlen(key);

    for (const char *line = text; *line; line = next_line(line))
        if (strncmp(line, key, n) == 0 && line[n] == ' ') {
            *ret = strtoll(line + n + 1, NULL, 10);
            return true;
        }
    return false;
}

bool cgroup_text_has(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; *p; p += strcspn(p, " \n"), p += strspn(p, " \n"))
        if (strncmp(p, word, n) == 0 && (!p[n] || strchr(" \n", p[n])))
            return true;
    return false;
}
