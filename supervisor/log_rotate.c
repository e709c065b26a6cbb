/* Rotated logs. */
#include "log_rotate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"

char *log_rotate_name(const char *path, int number, bool compressed)
{
    char *name;
    int r;

    if (number == 0)
        return strdup(path);
    r = asprintf(&name, "%s.%d%s", path, number, compressed ? ".gz" : "");
    return r < 0 ? NULL : name;
}

int log_rotate_find(const char *path, int number)
{
    OWN(free) char *plain = log_rotate_name(path, number, false);
    OWN(free) char *compressed = log_rotate_name(path, number, true);

    if (!plain || !compressed)
        return -ENOMEM;
    if (access(plain, F_OK) == 0)
        return LOG_FORM_PLAIN;
    return number && access(compressed, F_OK) == 0 ? LOG_FORM_COMPRESSED : LOG_FORM_NONE;
}

static int remove_number(const char *path, int number)
{
    for (int form = LOG_FORM_PLAIN; form <= LOG_FORM_COMPRESSED; form++) {
        OWN(free) char *name = log_rotate_name(path, number, form == LOG_FORM_COMPRESSED);

        if (!name)
            return -ENOMEM;
        if (unlink(name) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* The next number takes it; that one is free. */
static int move_up(const char *path, int number)
{
    int form = log_rotate_find(path, number);
    OWN(free) char *from = NULL;
    OWN(free) char *to = NULL;

    if (form <= LOG_FORM_NONE)
        return form;
    from = log_rotate_name(path, number, form == LOG_FORM_COMPRESSED);
    to = log_rotate_name(path, number + 1, form == LOG_FORM_COMPRESSED);
    if (!from || !to)
        return -ENOMEM;
    if (rename(from, to) < 0)
        return -errno;
    /* Both forms were there: the other one is a copy of what has just gone. */
    return number ? remove_number(path, number) : 0;
}

/* Fewer may be kept than before. */
static int remove_from(const char *path, int number)
{
    int form, r = 0;

    while (r == 0 && (form = log_rotate_find(path, number)) != LOG_FORM_NONE) {
        r = form < 0 ? form : remove_number(path, number);
        number++;
    }
    return r;
}

int log_rotate(const char *path, int keep)
{
    int unused = 1, form, r;

    if (keep == 0) {
        r = remove_from(path, 1);
        return r == 0 && unlink(path) < 0 && errno != ENOENT ? -errno : r;
    }
    while (unused < keep && (form = log_rotate_find(path, unused)) != LOG_FORM_NONE) {
        if (form < 0)
            return form;
        unused++;
    }
    r = remove_from(path, unused == keep ? keep : keep + 1);
    for (int number = unused - 1; number >= 0 && r == 0; number--)
        r = move_up(path, number);
    return r;
}

void log_rotate_remove_all(const char *path)
{
    (void)remove_from(path, 1);
}
