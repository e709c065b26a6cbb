/* One app of a manifest: what follows from its fields taken together. Which of two fields wins,
 * what a script's name says about its interpreter, what a schedule implies. */
#include "manifest_app.h"

#include <errno.h>
#include <string.h>

#include "manifest_read.h"

/* PM2's 3 s are for a Node server that binds its port; what declares its readiness may have to
 * recover a database first. */
enum { READY_TIMEOUT_MS = 30000 };

/* What PM2's "time" stands for. */
static const char PM2_TIME_FORMAT[] = "YYYY-MM-DDTHH:mm:ss";

/* PM2's back-off, hard coded there. */
enum { PM2_BACKOFF_MAX_MS = 15000, PM2_BACKOFF_RESET_MS = 30000 };

static const char *const no_texts[] = { NULL };

/* What the steps below work on. */
struct work {
    struct reader *reader;
    const struct place *place;
    const struct given *given;
    struct draft *draft;
};

static const cJSON *given(const struct work *work, const char *field)
{
    return given_value(&app_fields, work->given, field);
}

/* Given, and not with PM2's words for "off": 0 and false. */
static bool is_wanted(const struct work *work, const char *field)
{
    const cJSON *value = given(work, field);

    return value && !cJSON_IsFalse(value) &&
           !(cJSON_IsNumber(value) && value->valuedouble > -1 && value->valuedouble < 1);
}

static struct place member(const struct work *work, const char *field)
{
    return (struct place){ .up = work->place, .key = field, .value = given(work, field) };
}

/* Fields that contradict each other. */
static int check_exclusive(struct work *work)
{
    static const char *const pairs[][2] = {
        { "schedule", "cron_restart" },
        { "backoff", "restart_delay" },
        { "backoff", "exp_backoff_restart_delay" },
        { "ready", "wait_ready" },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct place place = member(work, pairs[i][0]);

        if (is_wanted(work, pairs[i][0]) && is_wanted(work, pairs[i][1]))
            r = problems_add(work->reader->problems, &place, "cannot be given together with %s",
                             pairs[i][1]);
    }
    return r;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Where the extension of a file name starts, or its end; a leading dot only hides a file. */
static const char *extension_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name ? dot : name + strlen(name);
}

/* What a file of this name is run by, as in PM2 (and python3, there being no other); NULL when the
 * extension is not known. */
static const char *interpreter_by_extension(const char *name)
{
    static const struct {
        const char *extension, *interpreter;
    } known[] = {
        { ".js", "node" }, { ".cjs", "node" }, { ".mjs", "node" }, { ".py", "python3" },
        { ".sh", "bash" }, { ".rb", "ruby" },  { ".pl", "perl" },  { ".php", "php" },
        { ".ts", "bun" },  { ".tsx", "bun" },  { ".ls", "lsc" },   { ".coffee", "coffee" },
    };
    const char *extension = extension_of(name);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(extension, known[i].extension) == 0)
            return known[i].interpreter;
    return NULL;
}

bool script_is_file(const char *script)
{
    return strchr(script, '/') || interpreter_by_extension(base_name(script));
}

static int derive_name(struct work *work)
{
    struct place place = member(work, "name");
    struct app *app = &work->draft->app;
    const char *base = base_name(app->script);
    char *name;

    name = arena_text(work->reader->arena, base, (size_t)(extension_of(base) - base));
    if (!name)
        return -ENOMEM;
    if (!name_is_sane(name))
        return problems_add(work->reader->problems, &place,
                            "the script's file name will not do: want " NAME_WANTS);
    app->name = name;
    return 0;
}

/* Settles app->interpreter; *ret_is_file tells that the script is a file, not a word of PATH. */
static int settle_interpreter(struct work *work, bool *ret_is_file)
{
    struct app *app = &work->draft->app;

    if (!app->interpreter) {
        app->interpreter = interpreter_by_extension(base_name(app->script));
    } else if (strcmp(app->interpreter, "none") == 0) {
        app->interpreter = NULL;
    } else if (strchr(app->interpreter, '/')) {
        app->interpreter = path_within(work->reader, app->interpreter);
        if (!app->interpreter)
            return -ENOMEM;
    }
    *ret_is_file = app->interpreter || script_is_file(app->script);
    return 0;
}

/* Which file is run, and by what. A word that may be looked up in PATH stays as it is. */
static int settle_script(struct work *work)
{
    struct place place = member(work, "script");
    struct app *app = &work->draft->app;
    bool is_file;
    int r;

    if (!app->script)
        return place.value
                   ? -EBADMSG
                   : problems_add(work->reader->problems, &place, "is missing: the program to run");
    if (!app->name && !given(work, "name")) {
        r = derive_name(work);
        if (r < 0)
            return r;
    }
    r = settle_interpreter(work, &is_file);
    if (r < 0)
        return r;
    if (!is_file && strpbrk(app->script, " \t"))
        return problems_add(work->reader->problems, &place,
                            "is a command line: put the program here and the rest into args");
    if (is_file)
        app->script = path_within(work->reader, app->script);
    return app->script ? 0 : -ENOMEM;
}

/* As PM2 does when nothing is given; here somebody has to say so. */
static bool is_at_once(const struct work *work)
{
    return given(work, "restart_delay") && !given(work, "backoff") &&
           !work->draft->app.restart.restart_delay_ms;
}

static int settle_restart(struct work *work)
{
    struct place place = member(work, "restart_window");
    struct draft *draft = work->draft;
    struct restart_policy *restart = &draft->app.restart;

    if (draft->exp_backoff_ms > 0) {
        restart->restart_delay_ms = 0;
        restart->backoff = (struct backoff){
            .initial_ms = draft->exp_backoff_ms,
            .max_ms = draft->exp_backoff_ms > PM2_BACKOFF_MAX_MS ? draft->exp_backoff_ms
                                                                 : PM2_BACKOFF_MAX_MS,
            .factor = 1.5,
            .reset_after_ms = PM2_BACKOFF_RESET_MS,
        };
    } else if (is_at_once(work)) {
        restart->backoff = (struct backoff){ .factor = 1 };
    }
    if (restart->restart_window_ms > 0 && restart->max_restarts > RESTART_WINDOW_MAX)
        return problems_add(work->reader->problems, &place,
                            "counts at most %d exits: lower max_restarts", RESTART_WINDOW_MAX);
    return 0;
}

static int settle_readiness(struct work *work)
{
    struct place place = member(work, "ready");
    struct draft *draft = work->draft;
    struct app *app = &draft->app;
    int first_free = LISTEN_FDS_START + (int)app->listen_count;

    if (draft->wait_ready)
        app->ready = READY_MESSAGE;
    if (is_wanted(work, "ready") && !given(work, "listen_timeout"))
        app->listen_timeout_ms = READY_TIMEOUT_MS;
    if (app->ready == READY_FD && app->ready_number < first_free)
        return problems_add(work->reader->problems, &place,
                            "descriptor %d is one of the sockets of listen: take one from %d",
                            app->ready_number, first_free);
    return 0;
}

static int settle_schedule(struct work *work)
{
    static const char *const dependent[] = { "timezone", "overlap",  "jitter",
                                             "timeout",  "catch_up", "run_on_start" };
    struct app *app = &work->draft->app;

    app->restart.one_shot = app->scheduled;
    for (size_t i = 0; i < sizeof dependent / sizeof *dependent; i++) {
        struct place place = member(work, dependent[i]);
        /* The first of them is cron_restart's, too. */
        bool used = given(work, "schedule") || (i == 0 && app->cron_restart_text);

        if (place.value && !used)
            problems_note(work->reader->problems, &place, "means nothing without schedule");
    }
    return 0;
}

static int settle_environment(struct work *work)
{
    const struct reader *reader = work->reader;
    struct app *app = &work->draft->app;
    int r = merge_variables(reader, reader->deploy_env, app->env, &app->env);

    return r == 0 ? merge_variables(reader, app->env, work->draft->env_named, &app->env) : r;
}

static int settle_logs(struct work *work)
{
    struct app *app = &work->draft->app;

    if (work->draft->time && !app->log_date_format)
        app->log_date_format = PM2_TIME_FORMAT;
    if (app->log_max_size < 0)
        app->log_max_size = 0;
    return 0;
}

/* A pattern with the folder in front, in which nothing is a wildcard. NULL when memory ran out. */
static const char *pattern_below(const struct reader *reader, const char *folder,
                                 const char *pattern)
{
    char *joined = arena_alloc(reader->arena, 2 * strlen(folder) + strlen(pattern) + 2), *to;

    for (to = joined; joined && *folder; *to++ = *folder++)
        if (strchr("*?[\\", *folder))
            *to++ = '\\';
    while (strncmp(pattern, "./", 2) == 0)
        pattern += 2;
    if (joined)
        (void)stpcpy(stpcpy(to, "/"), pattern);
    return joined;
}

/* A path or pattern of ignore_watch is relative to the watched folder, or, as PM2's is, to cwd. */
static int settle_watch_ignore(struct work *work)
{
    struct app *app = &work->draft->app;
    const char **patterns;
    size_t n = 0, given = 0;

    while (app->watch_ignore[given])
        given++;
    patterns = arena_alloc_array(work->reader->arena, 2 * given + 1, sizeof *patterns);
    if (!patterns)
        return -ENOMEM;
    for (size_t i = 0; i < given; i++) {
        const char *pattern = app->watch_ignore[i];

        patterns[n++] = pattern;
        if (pattern[0] == '/' || !strchr(pattern, '/') || strncmp(pattern, "**/", 3) == 0)
            continue;
        patterns[n] = pattern_below(work->reader, app->cwd, pattern);
        if (!patterns[n++])
            return -ENOMEM;
    }
    app->watch_ignore = patterns;
    return 0;
}

/* PM2's watcher takes paths from cwd. What is run may lie elsewhere, and is what is replaced. */
static int settle_watch(struct work *work)
{
    struct app *app = &work->draft->app;
    const char **paths;
    size_t n = 0;

    if (!app->watch || !app->script)
        return 0;
    while (app->watch_paths[n])
        n++;
    paths = arena_alloc_array(work->reader->arena, n ? n + 1 : 3, sizeof *paths);
    if (!paths)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        paths[i] = path_join(work->reader, app->cwd, app->watch_paths[i]);
        if (!paths[i])
            return -ENOMEM;
    }
    if (n == 0) {
        paths[0] = app->cwd;
        paths[1] = app->script[0] == '/' ? app->script : NULL;
    }
    app->watch_paths = paths;
    return settle_watch_ignore(work);
}

int app_defaults(struct reader *reader, struct draft *ret)
{
    *ret = (struct draft){
        .app = {
            .ready_exec = no_texts,
            .shell_env = no_texts,
            .filter_env = no_texts,
            .watch_paths = no_texts,
            .bounds = { .nice = BOUND_INHERITED,
                        .oom_score_adj = BOUND_INHERITED,
                        .umask = BOUND_INHERITED },
        },
        .env_named = no_texts,
    };
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        ret->app.bounds.limits[i] = LIMIT_INHERITED;
    return fields_fall_back(reader, &app_fields, ret);
}

int app_read(struct reader *reader, const struct place *place, const struct draft *defaults,
             struct app *ret)
{
    static int (*const steps[])(struct work *) = {
        settle_script,   check_exclusive,    settle_restart, settle_readiness,
        settle_schedule, settle_environment, settle_logs,    settle_watch,
    };
    struct draft draft = *defaults;
    struct given given_here;
    struct work work = { .reader = reader, .place = place, .given = &given_here, .draft = &draft };
    int result, r;

    draft.app.line = value_line(place->value);
    *ret = draft.app;
    if (!cJSON_IsObject(place->value))
        return problems_add_wanted(reader->problems, place, "an object");
    result = fields_read(reader, &app_fields, place, &draft, &given_here);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && result != -ENOMEM; i++) {
        r = steps[i](&work);
        if (r < 0)
            result = r;
    }
    *ret = draft.app;
    return result;
}
