/* Names of translation sets and of their files. */
#include "translations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 64 };

int translation_check_name(struct run *run, const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    if (n > 0 && n <= NAME_MOST && !name[n] && name[0] != '-')
        return 0;
    return run_failed(run, -EDOM,
                      "the name of a translation has letters, digits, _ and -, 64 at most");
}

const char *translation_path(const char *name, char path[static TRANSLATION_PATH_MAX])
{
    (void)snprintf(path, TRANSLATION_PATH_MAX, "export/%.64s_translation.json", name);
    return path;
}
