/*
 * The settings of this worker: from the environment, completed by .env, all checked before
 * anything is done, so that whoever sets it up corrects everything in one go.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envfile.h"
#include "instant.h"
#include "own.h"
#include "worker_parts.h"

static const char MANIFEST[] = "ecosystem.json";

/* Parallel to settings[]. */
static struct value {
    bool needed;
    const char *text;
    int64_t number;
} values[SETTINGS_MAX];

static char now_text[INSTANT_TEXT_MAX];

static struct value *value_of(const struct setting *setting)
{
    return &values[setting - settings];
}

static const struct value *needed_value(const char *name)
{
    const struct setting *setting = setting_find(name);

    assert(setting && value_of(setting)->needed);
    return value_of(setting);
}

const char *setting_text(const char *name)
{
    return needed_value(name)->text;
}

int64_t setting_int(const char *name)
{
    return needed_value(name)->number;
}

const char *setting_given(const char *name)
{
    return *setting_text(name) ? "true" : "false";
}

/* --- which settings --- */

bool worker_uses_database(const struct worker *w)
{
    return w->sql_count || w->app_sql_count || w->unmigrated || w->kind == WORKER_RUN;
}

static size_t add_need(const char *name, const struct setting *list[static SETTINGS_MAX], size_t n)
{
    const struct setting *setting = setting_find(name);

    /* A worker that needs what settings.c does not list is our own mistake. */
    assert(setting && n < SETTINGS_MAX);
    for (size_t i = 0; i < n; i++)
        if (list[i] == setting)
            return n;
    list[n] = setting;
    return n + 1;
}

size_t config_needs(const struct worker *w, const struct setting *ret[static SETTINGS_MAX])
{
    size_t n = 0;

    if (worker_uses_database(w))
        n = add_need("DATABASE_URL", ret, n);
    for (const char *const *name = w->needs; name && *name; name++)
        n = add_need(*name, ret, n);
    if (w->in_flight_setting)
        n = add_need(w->in_flight_setting, ret, n);
    return n;
}

/* --- .env --- */

/* Of the nearest folder upward that has the manifest; *ret stays NULL when none has. */
static int find_env_file(char **ret)
{
    OWN(free) char *folder = get_current_dir_name();
    char *slash;

    while (folder) {
        OWN(free) char *manifest = NULL;

        if (asprintf(&manifest, "%s/%s", folder, MANIFEST) < 0)
            return -ENOMEM;
        if (access(manifest, F_OK) == 0)
            return asprintf(ret, "%s/.env", folder) < 0 ? -ENOMEM : 0;
        slash = strrchr(folder, '/');
        if (!slash)
            return 0;
        *slash = '\0';
    }
    /* A working folder that is gone has no .env above it. */
    return 0;
}

/* The environment itself wins over the file. */
static int take_line(void *context, const char *name, const char *value)
{
    const struct setting *setting = setting_find(name);
    bool *secrets = context;

    if (setting && (setting->kind == SETTING_SECRET || setting->kind == SETTING_KEYS) && *value)
        *secrets = true;
    return setenv(name, value, 0) < 0 ? -errno : 0;
}

static int read_env_file(const char *path)
{
    bool secrets = false, exposed = false;
    struct err why = { "" };
    int r;

    r = envfile_read(path, take_line, &secrets, &exposed, &why);
    if (r == -ENOENT)
        return 0;
    if (r < 0) {
        log_error("cannot read .env", LOG_TEXT("error", why.text));
        return -EBADMSG;
    }
    if (secrets && exposed)
        log_warn("others may read the secrets in .env; chmod 600 it", LOG_TEXT("file", path));
    return 0;
}

/* --- checks --- */

/* An empty variable is one that is not set. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int read_setting(const struct setting *setting, const char *where)
{
    struct value *value = value_of(setting);
    struct err why = { "" };

    value->needed = true;
    value->text = environment(setting->name);
    if (!value->text)
        value->text = setting->fallback;
    if (!value->text) {
        log_error("setting is missing", LOG_TEXT("variable", setting->name),
                  LOG_TEXT("want", setting->help), LOG_TEXT("set_in", where));
        return -EBADMSG;
    }
    if (!*value->text || setting_check(setting, value->text, &value->number, &why) == 0)
        return 0;
    log_error("setting is malformed", LOG_TEXT("variable", setting->name),
              LOG_TEXT("problem", why.text), LOG_TEXT("set_in", where));
    return -EBADMSG;
}

/* Whoever has bots reads tokens from the database, too, where there is a key for it (bots.c). So
 * nobody needs one, but one that is given has to be good. */
static int read_keys(const char *where)
{
    const struct setting *keys = setting_find("FIELD_ENCRYPTION_KEY");

    if (!value_of(setting_find("TELEGRAM_BOT_TOKEN"))->needed || value_of(keys)->needed ||
        !environment(keys->name))
        return 0;
    return read_setting(keys, where);
}

/* Reads an instant from the environment; *ret_text stays NULL when it is not set. */
static int read_instant(const char *name, const char **ret_text, int64_t *ret)
{
    const char *text = environment(name);

    if (text && instant_parse(text, ret) < 0) {
        log_error("setting is malformed", LOG_TEXT("variable", name),
                  LOG_TEXT("problem", "want an instant such as 2026-11-21T10:00:00Z"));
        return -EBADMSG;
    }
    *ret_text = text;
    return 0;
}

static int read_instants(const char *now, struct run *run)
{
    const char *from_environment = NULL;
    int64_t tick_ms;
    int r;

    run->started_ms = instant_now();
    run->begun_ms = monotonic_now_ms();
    run->now_ms = run->started_ms;
    r = read_instant("OPS_NOW", &from_environment, &run->now_ms);
    if (now)
        r = instant_parse(now, &run->now_ms);
    run->now_given = now || from_environment;
    run->now = instant_print(run->now_ms, now_text);
    return read_instant("OPS_TICK", &run->tick, &tick_ms) < 0 ? -EBADMSG : r;
}

int config_load(const struct worker *w, const char *now, struct run *run)
{
    const struct setting *needs[SETTINGS_MAX];
    OWN(free) char *path = NULL, *where = NULL;
    size_t n;
    int r;

    r = find_env_file(&path);
    if (r == 0 && path)
        r = read_env_file(path);
    if (asprintf(&where, "the environment, env in %s, or %s", MANIFEST,
                 path ? path : ".env beside it") < 0)
        return -ENOMEM;
    n = config_needs(w, needs);
    for (size_t i = 0; i < n; i++)
        if (read_setting(needs[i], where) < 0)
            r = -EBADMSG;
    if (read_keys(where) < 0)
        r = -EBADMSG;
    if (read_instants(now, run) < 0)
        r = -EBADMSG;
    return r;
}
