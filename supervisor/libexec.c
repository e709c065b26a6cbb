/*
 * The management commands of the apps, as the index beside them lists them. opsctl knows none of
 * them by name: what an app adds is there once it is built.
 */
#include "libexec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "own.h"

enum { INDEX_BYTES_MAX = 4 << 20 };

#define INDEX_NAME "commands.json"

/* As installed, as built. The first must not be mistaken for the second: PREFIX/libexec is
 * everybody's. */
static const char *const folders[] = { "libexec/ops", "libexec" };

/* DIR/bin/opsctl is in DIR. Returns false when /proc is not there. */
static bool find_prefix(char prefix[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", prefix, PATH_MAX - 1);
    char *slash;

    if (n <= 0)
        return false;
    prefix[n] = '\0';
    for (int i = 0; i < 2; i++) {
        slash = strrchr(prefix, '/');
        if (!slash)
            return false;
        *slash = '\0';
    }
    return true;
}

static bool read_index(struct libexec *libexec)
{
    OWN(free) char *text = NULL;
    char path[PATH_MAX];
    struct err err;
    size_t n;

    if (snprintf(path, sizeof path, "%s/" INDEX_NAME, libexec->folder) >= (int)sizeof path ||
        file_read(path, INDEX_BYTES_MAX, &text, &n) < 0)
        return false;
    return json_parse(text, n, &libexec->index, &err) == 0;
}

void libexec_open(struct libexec *ret)
{
    char prefix[PATH_MAX];

    *ret = (struct libexec){ 0 };
    if (!find_prefix(prefix))
        return;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int n = snprintf(ret->folder, sizeof ret->folder, "%s/%s", prefix, folders[i]);

        if (n < (int)sizeof ret->folder && read_index(ret))
            return;
    }
}

void libexec_done(struct libexec *libexec)
{
    cJSON_Delete(libexec->index);
    libexec->index = NULL;
}

/* False for what does not say what it is. */
static bool read_entry(const cJSON *entry, struct libexec_command *ret)
{
    *ret = (struct libexec_command){
        .name = json_get_text(entry, "name"),
        .app = json_get_text(entry, "app"),
        .about = json_get_text(entry, "about"),
        .arguments = json_get_text(entry, "arguments"),
        .also = json_get_text(entry, "also"),
    };
    return ret->name && ret->app && ret->about && !strchr(ret->name, '/');
}

bool libexec_at(const struct libexec *libexec, size_t i, struct libexec_command *ret)
{
    const cJSON *entry;

    cJSON_ArrayForEach(entry, libexec->index)
    {
        if (read_entry(entry, ret) && i-- == 0)
            return true;
    }
    return false;
}

static bool is_also(const struct libexec_command *command, const char *name)
{
    size_t n = strlen(name), length;

    for (const char *p = command->also; p && *p; p += length + strspn(p + length, " ")) {
        length = strcspn(p, " ");
        if (length == n && memcmp(p, name, n) == 0)
            return true;
    }
    return false;
}

bool libexec_find(const struct libexec *libexec, const char *name, struct libexec_command *ret)
{
    for (size_t i = 0; libexec_at(libexec, i, ret); i++) {
        if (strcmp(ret->name, name) == 0 || is_also(ret, name))
            return true;
    }
    return false;
}

int libexec_path(const struct libexec *libexec, const struct libexec_command *command,
                 char ret[static PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s/%s", libexec->folder, command->name);

    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}
