/*
 * `opsctl start`: workers by name, another file, or a script. Which of them is meant is decided
 * here, by what was typed; opsd is told paths that do not depend on where that was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "manifest_app.h"
#include "opsctl.h"
#include "opsctl_change.h"
#include "own.h"
#include "text.h"

enum start_of { START_NAMES, START_FILE, START_SCRIPT };

cJSON *own_environment(void)
{
    OWN(json) cJSON *object = cJSON_CreateObject();

    for (char **entry = environ; object && *entry; entry++) {
        size_t n = strcspn(*entry, "=");
        OWN(free) char *name = strndup(*entry, n);

        if (!name)
            return NULL;
        if (!n || !(*entry)[n] || !text_is_utf8(*entry, strlen(*entry)) || json_get(object, name))
            continue;
        if (!json_put_text(object, name, *entry + n + 1))
            return NULL;
    }
    return TAKE(object);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n > m && strcmp(text + n - m, end) == 0;
}

/* Words before "--"; with none, those behind it are names. */
static size_t words_of_start(const struct args *args)
{
    return args->passed < args->count ? args->count - args->passed : args->count;
}

bool word_is_manifest(const char *word)
{
    return ends_with(word, ".json");
}

/* A word with a slash, or with an extension that tells what runs it and a file of that name. */
static enum start_of what_is_meant(const struct args *args)
{
    const char *word = args->words[0];

    if (word_is_manifest(word))
        return START_FILE;
    if (args->name || words_of_start(args) < args->count || strchr(word, '/') ||
        (script_is_file(word) && access(word, F_OK) == 0))
        return START_SCRIPT;
    return START_NAMES;
}

/* --- the request */

static cJSON *only_of(const char *list)
{
    OWN(json) cJSON *array = cJSON_CreateArray();
    OWN(free) char *copy = strdup(list);
    char *rest = copy, *name;

    while (copy && array && (name = strsep(&rest, ",")))
        if (*name)
            (void)cJSON_AddItemToArray(array, cJSON_CreateString(name));
    return copy ? TAKE(array) : NULL;
}

static cJSON *file_params(const struct session *s)
{
    OWN(json) cJSON *params = selection_params(s);
    OWN(free) char *path = realpath(s->args->words[0], NULL);

    cJSON_DeleteItemFromObjectCaseSensitive(params, "names");
    if (!params || !path || !json_put_text(params, "file", path) ||
        (s->args->only && !json_put(params, "only", only_of(s->args->only))))
        return NULL;
    return TAKE(params);
}

/* Of all workers only these are these. */
static cJSON *names_params(const struct session *s)
{
    OWN(json) cJSON *params = selection_params(s);

    if (params && s->args->only) {
        cJSON_DeleteItemFromObjectCaseSensitive(params, "names");
        if (!json_put(params, "names", only_of(s->args->only)))
            return NULL;
    }
    return TAKE(params);
}

static cJSON *script_params(const struct session *s)
{
    const struct args *args = s->args;
    OWN(json) cJSON *params = selection_params(s);
    OWN(json) cJSON *words = cJSON_CreateArray();
    OWN(free) char *cwd = getcwd(NULL, 0);

    for (size_t i = words_of_start(args); words && i < args->count; i++)
        (void)cJSON_AddItemToArray(words, cJSON_CreateString(args->words[i]));
    cJSON_DeleteItemFromObjectCaseSensitive(params, "names");
    cJSON_DeleteItemFromObjectCaseSensitive(params, "env");
    if (!params || !words || !cwd || !json_put_text(params, "script", args->words[0]) ||
        (args->name && !json_put_text(params, "name", args->name)) ||
        !json_put(params, "args", TAKE(words)) || !json_put_text(params, "cwd", cwd) ||
        !json_put(params, "env", own_environment()))
        return NULL;
    return TAKE(params);
}

/* --- the command */

static int check(const struct args *args, enum start_of what)
{
    size_t words = words_of_start(args);

    if (ends_with(args->words[0], ".config.js"))
        return complain(EXIT_FAILED, "%s: JavaScript is not read; write it as JSON",
                        args->words[0]);
    if (what != START_NAMES && words > 1)
        return complain(EXIT_USAGE, "start one file at a time: %s, %s", args->words[0],
                        args->words[1]);
    if (what != START_SCRIPT && args->name)
        return complain(EXIT_USAGE, "--name is for a script");
    if (what == START_SCRIPT && (args->only || args->env_name))
        return complain(EXIT_USAGE,
                        "--only and --env are for what a file describes, not for a script");
    if (what == START_NAMES && args->only && (words > 1 || strcmp(args->words[0], "all") != 0))
        return complain(EXIT_USAGE, "--only is for all, or a file: opsctl start all --only %s",
                        args->only);
    if (what == START_FILE && words < args->count)
        return complain(EXIT_USAGE, "words after -- are for a script");
    if ((what == START_FILE || (what == START_SCRIPT && script_is_file(args->words[0]))) &&
        access(args->words[0], R_OK) < 0)
        return complain(EXIT_FAILED, "%s: %s", args->words[0], strerror(errno));
    return EXIT_DONE;
}

int command_start(struct session *s)
{
    enum start_of what = what_is_meant(s->args);
    cJSON *params;
    int r = check(s->args, what);

    if (r != EXIT_DONE)
        return r;
    params = what == START_FILE     ? file_params(s)
             : what == START_SCRIPT ? script_params(s)
                                    : names_params(s);
    s->brings_its_own = what != START_NAMES;
    r = session_open_or_start(s);
    if (r != EXIT_DONE) {
        cJSON_Delete(params);
        return r;
    }
    r = change_with(s, params, session_patience_ms(s));
    if (r == EXIT_NO_WORKER && script_is_file(s->args->words[0]))
        (void)complain(0, "nor is there a file %s here", s->args->words[0]);
    return r;
}

int command_run_all_workers(struct session *s)
{
    static char all[] = "all";
    char *words[] = { all };
    const struct args *given = s->args;
    struct args args = *given;
    int r;

    args.words = words;
    args.count = 1;
    s->args = &args;
    r = command_start(s);
    s->args = given;
    return r;
}
