/* What an instance has in the home. */
#include "instance_files.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "guard_link.h"
#include "instance_logs.h"
#include "instance_notify.h"
#include "own.h"

char *instance_file_name(const struct instance *i)
{
    char *name;
    int r;

    if (i->run)
        r = asprintf(&name, "~run-%d", i->id);
    else if (i->variant)
        r = asprintf(&name, "%s-%d~%d", i->app->name, i->number, i->variant);
    else
        r = asprintf(&name, "%s-%d", i->app->name, i->number);
    return r < 0 ? NULL : name;
}

/* A number from 0 on, without a sign; moves *at behind it. */
static bool take_number(const char **at, int *ret)
{
    char *end;
    long number;

    if (!isdigit((unsigned char)**at))
        return false;
    number = strtol(*at, &end, 10);
    *at = end;
    *ret = (int)number;
    return number <= INT32_MAX;
}

/* The last dash ends the name, which may have others; "~" is in no worker's name. */
bool instance_file_parse(const char *file, struct instance_file *ret)
{
    const char *dash = strrchr(file, '-'), *at = dash ? dash + 1 : "";
    struct instance_file parts = { .name = file };

    if (!take_number(&at, &parts.number))
        return false;
    parts.name_length = (size_t)(dash - file);
    parts.by_hand = file[0] == '~';
    if (*at == '~') {
        at++;
        if (!take_number(&at, &parts.variant))
            return false;
    }
    *ret = parts;
    return !*at;
}

bool instance_file_fits(const struct instance_file *file, const struct instance *i)
{
    const char *name = i->app->name;

    if (file->by_hand || i->run)
        return file->by_hand && i->run && file->number == i->id;
    return file->number == i->number && strncmp(file->name, name, file->name_length) == 0 &&
           !name[file->name_length];
}

static char *stored_name(const struct instance *i, const char *suffix)
{
    OWN(free) char *name = instance_file_name(i);
    char *stored;

    return name && asprintf(&stored, "%s.%s", name, suffix) >= 0 ? stored : NULL;
}

/* --- what the guard keeps, for an opsd that comes after a crash */

void instance_keep(struct instance *i, const char *suffix, int fd)
{
    OWN(free) char *name = stored_name(i, suffix);

    if (name && i->fleet->link)
        (void)guard_link_store(i->fleet->link, name, fd);
}

void instance_keep_no_more(struct instance *i, const char *suffix)
{
    OWN(free) char *name = stored_name(i, suffix);

    if (name && i->fleet->link)
        guard_link_drop(i->fleet->link, name);
}

int instance_take_kept(struct instance *i, const char *suffix)
{
    OWN(free) char *name = stored_name(i, suffix);

    return name && i->fleet->link ? guard_link_take(i->fleet->link, name) : -1;
}

/* --- what it has to itself; the names stay while a process of it runs, which is then somebody
 * else's to adopt */

int instance_open_files(struct instance *i, struct err *reterr)
{
    int r = instance_open_logs(i, reterr);

    return r == 0 ? instance_notify_open(i, reterr) : r;
}

void instance_close_files(struct instance *i)
{
    instance_close_logs(i);
    instance_notify_close(i);
}
