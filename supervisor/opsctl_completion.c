/*
 * `opsctl completion SHELL`: a script for the shell. The scripts know nothing: at each tab they ask
 * `opsctl completion words -- LINE`, which prints what may stand there, a line each: the word, a
 * tab, what it is; ":files" where files may stand, too. So what is offered is what this opsctl
 * takes.
 *
 * Names are asked of opsd, for no longer than a person notices; without it they are the manifest's.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "libexec.h"
#include "manifest_file.h"
#include "opsctl.h"
#include "opsctl_words.h"
#include "own.h"

enum {
    PATIENCE_MS = 100,
    PROBLEMS_BYTES_MAX = 64 << 10,
    APPS_MAX = 256, /* nobody chooses among more */
};

static const char BASH[] =
    "_opsctl() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words found typed\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    typed=${words[-1]}\n"
    "    mapfile -t found < <(\"${words[0]/#\\~/$HOME}\" completion words -- \"${words[@]:1}\" "
    "2>/dev/null)\n"
    "    COMPREPLY=()\n"
    "    if [[ ${found[0]} == :files ]]; then\n"
    "        compopt -o filenames\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$typed\")\n"
    "        found=(\"${found[@]:1}\")\n"
    "    fi\n"
    "    COMPREPLY+=(\"${found[@]%%$'\\t'*}\")\n"
    "    # A colon separates words for readline: only what follows it is replaced.\n"
    "    [[ $typed == *:* ]] && COMPREPLY=(\"${COMPREPLY[@]#\"${typed%:*}\":}\")\n"
    "}\n"
    "complete -F _opsctl opsctl\n";

static const char ZSH[] =
    "#compdef opsctl\n"
    "_opsctl() {\n"
    "    local one\n"
    "    local -a found described\n"
    "    found=(\"${(@f)$(${(Q)words[1]/#\\~/$HOME} completion words -- \"${(@)words[2,CURRENT]}\" "
    "2>/dev/null)}\")\n"
    "    if [[ $found[1] == :files ]]; then\n"
    "        shift found\n"
    "        _files\n"
    "    fi\n"
    "    for one in $found; do\n"
    "        described+=(\"${${one%%$'\\t'*}//:/\\\\:}:${one#*$'\\t'}\")\n"
    "    done\n"
    "    _describe opsctl described\n"
    "}\n"
    "if [[ $funcstack[1] == _opsctl ]]; then\n"
    "    _opsctl \"$@\"\n"
    "else\n"
    "    compdef _opsctl opsctl\n"
    "fi\n";

static const char FISH[] =
    "function __opsctl_words\n"
    "    set -l words (commandline -opc)\n"
    "    set -l typed (commandline -ct)\n"
    "    for one in ($words[1] completion words -- $words[2..-1] \"$typed\" 2>/dev/null)\n"
    "        if test \"$one\" = :files\n"
    "            __fish_complete_path \"$typed\"\n"
    "        else\n"
    "            echo $one\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c opsctl -f -a '(__opsctl_words)'\n";

static const struct {
    const char *shell, *script;
} scripts[] = { { "bash", BASH }, { "zsh", ZSH }, { "fish", FISH } };

/* --- what is offered */

/* Offers one word when it begins as what is being typed. */
static void offer(const char *typed, const char *word, const char *what)
{
    if (strncmp(word, typed, strlen(typed)) == 0)
        (void)printf("%s\t%s\n", word, what);
}

static void offer_commands(const char *typed)
{
    OWN_LIBEXEC struct libexec libexec = { 0 };
    struct libexec_command command;

    for (const struct command *c = commands; c->word; c++)
        offer(typed, c->word, c->help);
    for (const struct alias *alias = aliases; alias->word; alias++)
        offer(typed, alias->word, alias->of);
    libexec_open(&libexec);
    for (size_t i = 0; libexec_at(&libexec, i, &command); i++)
        offer(typed, command.name, command.about);
}

static void offer_options(const struct command *command, const char *typed)
{
    struct option_info option;
    char word[64];

    for (int own = command ? 1 : 0; own >= 0; own--) {
        for (size_t i = 0; args_option(own ? command : NULL, i, &option); i++) {
            (void)snprintf(word, sizeof word, "--%s", option.name);
            offer(typed, word, option.help);
        }
    }
}

static void offer_signals(const char *typed)
{
    for (int n = 1; n < SIGRTMIN; n++)
        if (sigabbrev_np(n))
            offer(typed, sigabbrev_np(n), sigdescr_np(n));
}

/* --- workers, from opsd or else from the manifest */

/* {"name","namespace","instance","state"} of each; an empty list when nobody knows. */
static cJSON *rows_of_manifest(const struct home *home)
{
    OWN_BUF struct buf problems = { 0 };
    cJSON *rows = cJSON_CreateArray(), *row;
    struct manifest manifest = { 0 };

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    if (!home->manifest || manifest_load(home->manifest, &manifest, &problems) < 0)
        return rows;
    for (size_t i = 0; i < manifest.count; i++) {
        row = cJSON_CreateObject();
        (void)json_put_text(row, "name", manifest.apps[i].name);
        (void)json_put_text(row, "namespace", manifest.apps[i].space);
        (void)cJSON_AddItemToArray(rows, row);
    }
    manifest_free(&manifest);
    return rows;
}

static cJSON *rows_of_opsd(struct session *s)
{
    OWN_MESSAGE struct message m = { 0 };
    OWN(json) cJSON *result = NULL;
    struct err err;
    int64_t id;

    if (home_open(&s->home, false, NULL) < 0 || client_connect(&s->client, &s->home) < 0 ||
        client_send(&s->client, "workers_stat", cJSON_CreateObject(), &id) < 0 ||
        client_next(&s->client, PATIENCE_MS, &m, &err) < 0 || !m.result)
        return NULL;
    result = cJSON_DetachItemFromObjectCaseSensitive(m.json, "result");
    return cJSON_DetachItemFromObjectCaseSensitive(result, "workers");
}

static cJSON *find_rows(struct session *s, const char *home)
{
    struct err err;
    cJSON *rows;

    if (home_find(home ? home : s->args->home, NULL, &s->home, &err) < 0)
        return NULL;
    rows = rows_of_opsd(s);
    return rows ? rows : rows_of_manifest(&s->home);
}

/* The instances of one worker stand together. cJSON: the first one's prev is the last of all. */
static bool is_another(const cJSON *rows, const cJSON *row)
{
    const char *name = json_get_text(row, "name");
    const char *before = row == rows->child ? NULL : json_get_text(row->prev, "name");

    return name && !(before && strcmp(before, name) == 0);
}

static void offer_names(const cJSON *rows, const char *app, const char *typed)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, rows)
    {
        const char *space = json_get_text(row, "namespace");

        if (is_another(rows, row) && (!app || (space && strcmp(space, app) == 0)))
            offer(typed, json_get_text(row, "name"), space ? space : "worker");
    }
}

/* Once a name stands there: its instances. */
static void offer_instances(const cJSON *rows, const char *typed)
{
    const cJSON *row;
    char word[256];
    int64_t number;

    cJSON_ArrayForEach(row, rows)
    {
        const char *name = json_get_text(row, "name"), *state = json_get_text(row, "state");

        if (!name || json_get_id(row, "instance", &number) < 0)
            continue;
        (void)snprintf(word, sizeof word, "%s:%lld", name, (long long)number);
        offer(typed, word, state ? state : "instance");
    }
}

static bool is_among(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static void offer_apps(const cJSON *rows, const char *typed)
{
    const char *seen[APPS_MAX], *app;
    const cJSON *row;
    size_t n = 0;

    cJSON_ArrayForEach(row, rows)
    {
        app = json_get_text(row, "namespace");
        if (!app || n == APPS_MAX || is_among(app, seen, n))
            continue;
        seen[n++] = app;
        offer(typed, app, "all of this app");
    }
}

static void offer_choice(const struct words *words, const struct word_choice *choice,
                         const cJSON *rows, const char *typed)
{
    char literal[32];

    switch (choice->kind) {
    case WORD_COMMAND:
        offer_commands(typed);
        break;
    case WORD_OPTION:
        offer_options(words->command, typed);
        break;
    case WORD_NAME:
        offer_names(rows, NULL, typed);
        if (strchr(typed, ':'))
            offer_instances(rows, typed);
        break;
    case WORD_WORKER:
        offer_names(rows, words->before, typed);
        break;
    case WORD_APP:
        offer_apps(rows, typed);
        break;
    case WORD_SIGNAL:
        offer_signals(typed);
        break;
    case WORD_LITERAL:
        (void)snprintf(literal, sizeof literal, "%.*s", (int)choice->n, choice->text);
        offer(typed, literal, "");
        break;
    default:
        break;
    }
}

static int offer_words(struct session *s)
{
    const struct words_line line = { s->args->words + 1, s->args->count - 1 };
    const char *typed = line.count ? line.words[line.count - 1] : "";
    OWN(json) cJSON *rows = NULL;
    bool files = false, names = false;
    struct words words;

    words_at(&line, &words);
    for (size_t i = 0; i < words.count; i++) {
        enum word_kind kind = words.choices[i].kind;

        files = files || kind == WORD_FILE;
        names = names || kind == WORD_NAME || kind == WORD_APP || kind == WORD_WORKER;
    }
    if (names)
        rows = find_rows(s, words.home);
    if (files)
        (void)puts(":files");
    for (size_t i = 0; i < words.count; i++)
        offer_choice(&words, &words.choices[i], rows, typed);
    return EXIT_DONE;
}

int command_completion(struct session *s)
{
    const char *shell = s->args->words[0];

    if (strcmp(shell, "words") == 0)
        return offer_words(s);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (strcmp(scripts[i].shell, shell) == 0) {
            (void)fputs(scripts[i].script, stdout);
            return EXIT_DONE;
        }
    }
    return complain(EXIT_USAGE, "completion: want bash, zsh or fish, got \"%s\"", shell);
}
