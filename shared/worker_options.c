/*
 * The command line of every worker: one table, from which --help is printed as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "own.h"
#include "version.h"
#include "worker_parts.h"

enum { GO_ON = -1 };

static const char *const kind_names[] = {
    [WORKER_RUN] = "run",
    [WORKER_SERVICE] = "service",
    [WORKER_COMMAND] = "command",
};

/* What an option does: returns GO_ON or the exit code to leave with. value is NULL for an option
 * that takes none. */
typedef int option_take(const struct worker *w, struct options *options, const char *value);

static option_take take_help, take_describe, take_version, take_dry_run, take_now;

static const struct option_row {
    const char *name;
    const char *value; /* what --help calls it; NULL: takes none */
    option_take *take;
    const char *help;
} rows[] = {
    { "--dry-run", NULL, take_dry_run, "change nothing, send nothing, print what would change" },
    { "--now", "RFC3339", take_now, "take this instant for now (also OPS_NOW)" },
    { "--describe", NULL, take_describe, "print name, needs and purpose as JSON" },
    { "--help", NULL, take_help, "print this" },
    { "--version", NULL, take_version, "print the version" },
};

static void print_need(const struct setting *setting)
{
    printf("  %-26s %s", setting->name, setting->help);
    if (!setting->fallback)
        printf(" (required)");
    else if (*setting->fallback)
        printf(" (default %s)", setting->fallback);
    printf("\n");
}

static int take_help(const struct worker *w, struct options *options, const char *value)
{
    const struct setting *needs[SETTINGS_MAX];
    size_t n = config_needs(w, needs);

    (void)options;
    (void)value;
    printf("%s/%s: %s\n\nusage: %s [options]%s%s\n\noptions:\n", w->app, w->name, w->about, w->name,
           w->arguments ? " " : "", w->arguments ? w->arguments : "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-10s %-8s  %s\n", rows[i].name, rows[i].value ? rows[i].value : "",
               rows[i].help);
    printf("\nsettings, from the environment or .env:\n");
    for (size_t i = 0; i < n; i++)
        print_need(needs[i]);
    printf("\nexit codes: 0 done, 1 failed, 2 usage, 75 try again later, 78 configuration\n");
    return EXIT_DONE;
}

static cJSON *describe_need(const struct setting *setting)
{
    OWN(json) cJSON *need = cJSON_CreateObject();

    if (!json_put_text(need, "name", setting->name) ||
        !json_put_text(need, "kind", setting_kind_name(setting->kind)) ||
        !json_put_text(need, "default", setting->fallback) ||
        !json_put_bool(need, "required", !setting->fallback) ||
        !json_put_text(need, "help", setting->help))
        return NULL;
    return TAKE(need);
}

static cJSON *describe_needs(const struct worker *w)
{
    const struct setting *needs[SETTINGS_MAX];
    OWN(json) cJSON *list = cJSON_CreateArray();
    size_t n = config_needs(w, needs);
    cJSON *need;

    for (size_t i = 0; i < n; i++) {
        need = describe_need(needs[i]);
        if (!need || !cJSON_AddItemToArray(list, need))
            return NULL;
    }
    return TAKE(list);
}

static int take_describe(const struct worker *w, struct options *options, const char *value)
{
    OWN(json) cJSON *json = cJSON_CreateObject();
    OWN(free) char *text = NULL;

    (void)options;
    (void)value;
    if (json_put_text(json, "name", w->name) && json_put_text(json, "app", w->app) &&
        json_put_text(json, "kind", kind_names[w->kind]) &&
        json_put_text(json, "about", w->about) && json_put_text(json, "arguments", w->arguments) &&
        json_put_text(json, "also", w->also) && json_put(json, "needs", describe_needs(w)) &&
        json_put_int(json, "sql", (int64_t)(w->sql_count + w->app_sql_count)))
        text = cJSON_Print(json);
    if (!text)
        return EXIT_FAILED;
    printf("%s\n", text);
    return EXIT_DONE;
}

static int take_version(const struct worker *w, struct options *options, const char *value)
{
    (void)options;
    (void)value;
    printf("%s/%s %s\n", w->app, w->name, OPS_VERSION);
    return EXIT_DONE;
}

static int take_dry_run(const struct worker *w, struct options *options, const char *value)
{
    (void)w;
    (void)value;
    options->dry_run = true;
    return GO_ON;
}

static int take_now(const struct worker *w, struct options *options, const char *value)
{
    int64_t ms;

    (void)w;
    if (instant_parse(value, &ms) < 0) {
        log_error("--now wants an instant such as 2026-11-21T10:00:00Z", LOG_TEXT("got", value));
        return EXIT_USAGE;
    }
    options->now = value;
    return GO_ON;
}

static int refuse(const struct worker *w, const char *what, const char *word)
{
    log_error(what, LOG_TEXT("got", word), LOG_TEXT("worker", w->name), LOG_TEXT("see", "--help"));
    return EXIT_USAGE;
}

static const struct option_row *row_of(const char *word)
{
    size_t n = strcspn(word, "=");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == n && strncmp(rows[i].name, word, n) == 0)
            return &rows[i];
    return NULL;
}

/* Whether the worker has an option of its own of that name, as its arguments say. */
static bool is_own_option(const struct worker *w, const char *word)
{
    size_t n = strcspn(word, "=");

    for (const char *at = w->arguments; at && (at = strstr(at, "--")); at += 2) {
        size_t length = strcspn(at, " ]|");

        if (length == n && strncmp(at, word, n) == 0)
            return true;
    }
    return false;
}

static int refuse_option(const struct worker *w, const char *word)
{
    log_error("unknown option", LOG_TEXT("got", word), LOG_TEXT("worker", w->name),
              LOG_TEXT("want", "--dry-run, --now RFC3339, --describe, --help or --version"),
              LOG_TEXT("or", w->arguments ? w->arguments : "nothing else"));
    return EXIT_USAGE;
}

/* Takes argv[0], and argv[1] where the value stands apart. Moves *argv behind what was taken. */
static int take_option(const struct worker *w, const struct option_row *row, char ***argv,
                       struct options *options)
{
    const char *word = *(*argv)++, *value = strchr(word, '=');

    if (!row->value)
        return value ? refuse(w, "this option takes no value", word) : row->take(w, options, NULL);
    if (!value && !**argv)
        return refuse(w, "this option wants a value", word);
    return row->take(w, options, value ? value + 1 : *(*argv)++);
}

/* Options may stand anywhere before "--", as getopt(3) has it; what is left moves together. */
int options_read(const struct worker *w, int argc, char **argv, struct options *ret)
{
    struct options options = { .argv = argv + 1 };
    const struct option_row *row;
    char **word = argv + 1;
    int code = GO_ON;

    if (argc < 1)
        return EXIT_USAGE;
    while (code == GO_ON && *word && strcmp(*word, "--") != 0) {
        row = row_of(*word);
        if (row)
            code = take_option(w, row, &word, &options);
        else if (strncmp(*word, "--", 2) == 0 && !is_own_option(w, *word))
            code = refuse_option(w, *word);
        else
            options.argv[options.argc++] = *word++;
    }
    if (code != GO_ON)
        return code;
    if (*word)
        word++;
    while (*word)
        options.argv[options.argc++] = *word++;
    options.argv[options.argc] = NULL;
    if (options.argc && !w->arguments)
        return refuse(w, "unexpected argument: it takes none", options.argv[0]);
    *ret = options;
    return GO_ON;
}
