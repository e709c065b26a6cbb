/* A manifest as it lies on the disk: the text, the profile that holds beside it, and what only the
 * system knows, its time zones. */
#include "manifest_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "envfile.h"
#include "file.h"
#include "own.h"
#include "zone.h"

static int find_profile(void *context, const char *name, const char *value)
{
    char **profile = context;

    if (strcmp(name, "OPS_PROFILE") != 0)
        return 0;
    free(*profile);
    *profile = strdup(value);
    return *profile ? 0 : -ENOMEM;
}

/* Sets *ret, which the caller frees, to the profile; NULL: there is none. */
static int read_profile(const char *folder, char **ret, struct buf *problems)
{
    const char *from_environment = getenv("OPS_PROFILE");
    OWN(free) char *path = NULL;
    struct err why;
    int r;

    if (from_environment) {
        *ret = strdup(from_environment);
        return *ret ? 0 : -ENOMEM;
    }
    if (asprintf(&path, "%s/.env", folder) < 0)
        return -ENOMEM;
    r = envfile_read(path, find_profile, ret, NULL, &why);
    if (r == 0 || r == -ENOENT)
        return 0;
    /* Without it nobody can tell which apps are meant. */
    (void)buf_printf(problems, "%s\n", why.text);
    return r == -EINVAL ? -EBADMSG : r;
}

/* JavaScript is a program: what it would say only Node can tell. */
static bool is_javascript(const char *path)
{
    static const char *const endings[] = { ".js", ".cjs", ".mjs" };
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; ending && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(ending, endings[i]) == 0)
            return true;
    return false;
}

/* The last of what makes a fleet: notes give way to these problems. */
static int check_zones(const struct manifest *manifest, int so_far, struct buf *problems)
{
    OWN_BUF struct buf wrong = { 0 };
    const struct zone *zone;
    struct err why;
    int r = 0;

    buf_init(&wrong, problems->max);
    for (size_t i = 0; i < manifest->count && r == 0; i++) {
        const struct app *app = &manifest->apps[i];

        if ((app->scheduled || app->cron_restart_text) && zone_open(app->timezone, &zone, &why) < 0)
            r = buf_printf(&wrong, "%s.timezone: %s (line %d)\n", app->name, why.text, app->line);
    }
    if (!wrong.len)
        return r < 0 ? r : so_far;
    /* Notes are for whom nothing was wrong. */
    if (so_far == 0)
        buf_clear(problems);
    (void)buf_add(problems, wrong.p, wrong.len);
    return -EINVAL;
}

static int read_text(const char *path, char **ret, size_t *ret_n, struct buf *problems)
{
    int r = is_javascript(path) ? -EBADMSG : file_read(path, MANIFEST_BYTES_MAX, ret, ret_n);

    if (r == -EBADMSG)
        (void)buf_printf(problems, "%s: JavaScript is not read; write it as JSON\n", path);
    else if (r == -EFBIG)
        (void)buf_printf(problems, "%s: more than %d MB\n", path, MANIFEST_BYTES_MAX >> 20);
    else if (r < 0)
        (void)buf_printf(problems, "%s: %s\n", path, strerror(-r));
    return r;
}

int manifest_text_read(const char *path, const char *env_name, struct manifest_text *ret,
                       struct buf *problems)
{
    struct manifest_text text = { 0 };
    int r;

    r = read_text(path, &text.text, &text.n, problems);
    if (r < 0)
        return r;
    /* The folder of /ecosystem.json is "/". */
    text.folder = strndup(path, (size_t)(strrchr(path, '/') - path) + (strrchr(path, '/') == path));
    text.env_name = env_name ? strdup(env_name) : NULL;
    r = text.folder && (text.env_name || !env_name)
            ? read_profile(text.folder, &text.profile, problems)
            : -ENOMEM;
    if (r < 0)
        manifest_text_done(&text);
    else
        *ret = text;
    return r;
}

void manifest_text_done(struct manifest_text *text)
{
    free(text->text);
    free(text->folder);
    free(text->profile);
    free(text->env_name);
    *text = (struct manifest_text){ 0 };
}

static struct manifest_source source_of(const struct manifest_text *text)
{
    return (struct manifest_source){ .text = text->text,
                                     .n = text->n,
                                     .folder = text->folder,
                                     .profile = text->profile,
                                     .env_name = text->env_name };
}

int manifest_text_parse(const struct manifest_text *text, struct manifest *ret,
                        struct buf *problems)
{
    struct manifest_source source = source_of(text);
    struct manifest manifest;
    int r;

    r = manifest_parse(&source, &manifest, problems);
    if (r < 0)
        return r;
    r = check_zones(&manifest, 0, problems);
    if (r < 0) {
        manifest_free(&manifest);
        return r;
    }
    *ret = manifest;
    return 0;
}

int manifest_load(const char *path, struct manifest *ret, struct buf *problems)
{
    struct manifest_text text;
    int r;

    r = manifest_text_read(path, NULL, &text, problems);
    if (r < 0)
        return r;
    r = manifest_text_parse(&text, ret, problems);
    manifest_text_done(&text);
    return r;
}

int manifest_load_most(const char *path, struct manifest *ret, struct buf *problems)
{
    struct manifest_source source;
    struct manifest_text text;
    int r;

    r = manifest_text_read(path, NULL, &text, problems);
    if (r < 0)
        return r;
    source = source_of(&text);
    r = manifest_parse_most(&source, ret, problems);
    if (r == 0 || r == -EINVAL)
        r = check_zones(ret, r, problems);
    manifest_text_done(&text);
    return r;
}
