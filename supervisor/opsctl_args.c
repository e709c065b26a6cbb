/*
 * The command line as data: one table of options, read by the parser and by help. What a command
 * takes comes from the text of its row in commands.h, so the two cannot differ.
 */
#include "opsctl_args.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "instant.h"
#include "opsctl.h"
#include "text.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_COUNT, OPTION_SPAN };

struct option {
    struct option_info info;
    enum option_kind kind;
    bool everywhere; /* taken by every command */
    size_t place;    /* in struct args */
};

#define PLACE(member) offsetof(struct args, member)

/* clang-format off */
static const struct option options[] = {
    { { 0,   "home",    "DIR",      "the home of opsd; default OPS_HOME, then .ops beside ecosystem.json" }, OPTION_TEXT,  true,  PLACE(home) },
    { { 0,   "json",    NULL,       "print JSON" },                                  OPTION_FLAG,  true,  PLACE(json) },
    { { 0,   "timeout", "DURATION", "wait no longer than this for opsd: 500ms, 30s, 5m" }, OPTION_SPAN, true, PLACE(timeout_ms) },
    { { 'h', "help",    NULL,       "say how it is used" },                          OPTION_FLAG,  true,  PLACE(help) },
    { { 'v', "version", NULL,       "print the version" },                           OPTION_FLAG,  true,  PLACE(version) },
    { { 0,   "wait",    NULL,       "return once the workers are up, and fail when they are not" }, OPTION_FLAG, false, PLACE(wait) },
    { { 'f', "follow",  NULL,       "go on with what is printed from now on" },      OPTION_FLAG,  false, PLACE(follow) },
    { { 'w', "watch",   NULL,       "show it anew every second, until q or Ctrl-C" },     OPTION_FLAG,  false, PLACE(watch) },
    { { 'n', "lines",   "N",        "how many; default 15 lines of a log, 20 runs, 5 instants" }, OPTION_COUNT, false, PLACE(lines) },
    { { 0,   "since",   "T",        "only what was printed since: 10m, 2h, 2026-11-21T10:00:00Z" }, OPTION_TEXT, false, PLACE(since) },
    { { 0,   "grep",    "TEXT",     "only lines with this text" },                   OPTION_TEXT,  false, PLACE(grep) },
    { { 0,   "out",     NULL,       "standard output only" },                        OPTION_FLAG,  false, PLACE(out) },
    { { 0,   "err",     NULL,       "standard error only" },                         OPTION_FLAG,  false, PLACE(err) },
    { { 0,   "name",    "NAME",     "what it is to be called" },                     OPTION_TEXT,  false, PLACE(name) },
    { { 0,   "only",    "A,B",      "only these, of all or of the file's" },            OPTION_TEXT,  false, PLACE(only) },
    { { 0,   "env",     "NAME",     "with the variables of env_NAME" },              OPTION_TEXT,  false, PLACE(env_name) },
    { { 0,   "update-env", NULL,    "with the variables of this shell, from now on" }, OPTION_FLAG, false, PLACE(update_env) },
    { { 0,   "root",    "DIR",      "the root folder of the system that is meant; default /" }, OPTION_TEXT, false, PLACE(root) },
    { { 0,   "tz",      "ZONE",     "the zone whose clock counts; default the system's" }, OPTION_TEXT, false, PLACE(zone) },
    { { 0,   "from",    "INSTANT",  "the instant to start from, as 2026-03-29T00:00:00Z; default now" }, OPTION_TEXT, false, PLACE(from) },
    { { 0,   "raw",     NULL,       "the bytes as they were, without names" },       OPTION_FLAG,  false, PLACE(raw) },
};
/* clang-format on */

enum { OPTIONS = sizeof options / sizeof options[0] };
_Static_assert(OPTIONS <= 32, "the options that were given are bits of a uint32_t");

/* True when the text holds the word on its own: "-f" is not in "--foo". */
static bool mentions(const char *text, const char *word)
{
    const char *p = text;
    size_t n = strlen(word);

    while ((p = strstr(p, word))) {
        if ((p == text || strchr(" [|", p[-1])) && (!p[n] || strchr(" ]|", p[n])))
            return true;
        p += n;
    }
    return false;
}

static bool command_takes(const struct command *command, const struct option *option)
{
    char letter[] = { '-', option->info.letter, '\0' };
    char name[32] = "--";

    if (option->everywhere)
        return true;
    memcpy(name + 2, option->info.name, strlen(option->info.name) + 1);
    return command && (mentions(command->arguments, name) ||
                       (option->info.letter && mentions(command->arguments, letter)));
}

bool args_option(const struct command *command, size_t i, struct option_info *ret)
{
    for (size_t j = 0; j < OPTIONS; j++) {
        if (options[j].everywhere == !command && command_takes(command, &options[j]) && i-- == 0) {
            *ret = options[j].info;
            return true;
        }
    }
    return false;
}

/* In a manifest a bare number is milliseconds; typed here it would as likely mean seconds. */
static int span_parse(const char *value, int64_t *ret_ms)
{
    int64_t number;

    if (text_to_int(value, INT64_MIN, INT64_MAX, &number) == 0 ||
        duration_parse(value, &number) < 0 || number <= 0)
        return -EINVAL;
    *ret_ms = number;
    return 0;
}

static int option_store(const struct option *option, const char *value, struct args *args,
                        struct err *reterr)
{
    char *place = (char *)args + option->place;
    int r = 0;

    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        break;
    case OPTION_TEXT:
        *(const char **)place = value;
        r = value[0] ? 0 : -EINVAL;
        break;
    case OPTION_COUNT:
        r = text_to_int(value, 0, INT32_MAX, (int64_t *)place);
        break;
    case OPTION_SPAN:
        r = span_parse(value, (int64_t *)place);
        break;
    }
    if (r < 0)
        return err_set(reterr, -EINVAL, "--%s: want %s, got \"%s\"", option->info.name,
                       option->kind == OPTION_COUNT  ? "a whole number from 0"
                       : option->kind == OPTION_SPAN ? "a duration with its unit (5s, 2m)"
                                                     : option->info.value,
                       value);
    return 0;
}

struct scan {
    char **argv;
    int argc, at;
    uint32_t given; /* bit i: options[i] */
    struct args *args;
};

/* The value is the rest of this word, or else the next word. */
static int option_take(struct scan *scan, size_t i, const char *rest, struct err *reterr)
{
    const struct option *option = &options[i];

    scan->given |= UINT32_C(1) << i;
    if (option->kind != OPTION_FLAG && !rest) {
        if (scan->at >= scan->argc)
            return err_set(reterr, -EINVAL, "--%s wants %s after it", option->info.name,
                           option->info.value);
        rest = scan->argv[scan->at++];
    }
    return option_store(option, rest, scan->args, reterr);
}

/* Whether the command passes words on to a worker, options for it after "--". */
static bool passes_words(const struct command *command)
{
    return mentions(command->arguments, "--");
}

static int option_unknown(const struct scan *scan, const char *word, struct err *reterr)
{
    const struct args *args = scan->args;
    const struct command *command = args->count ? command_find(args->words[0]) : NULL;
    const char *names[OPTIONS];
    const char *near;

    if (command && passes_words(command))
        return err_set(reterr, -EINVAL,
                       "%s is no option of opsctl; options for the worker go after --", word);
    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = options[i].info.name;
    near = text_nearest(word + strspn(word, "-"), names, OPTIONS);
    return err_set(reterr, -EINVAL, "there is no option \"%s\"%s%s%s", word,
                   near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static int scan_long(struct scan *scan, const char *word, struct err *reterr)
{
    size_t n = strcspn(word + 2, "=");
    const char *value = word[2 + n] ? word + 2 + n + 1 : NULL;

    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(options[i].info.name) != n || memcmp(options[i].info.name, word + 2, n) != 0)
            continue;
        if (value && options[i].kind == OPTION_FLAG)
            return err_set(reterr, -EINVAL, "--%s takes no value", options[i].info.name);
        return option_take(scan, i, value, reterr);
    }
    return option_unknown(scan, word, reterr);
}

/* Letters may be joined, and the last one's value with them: -fn20. */
static int scan_letters(struct scan *scan, const char *word, struct err *reterr)
{
    const char *rest;
    size_t i;
    int r = 0;

    for (const char *letter = word + 1; *letter && r == 0; letter++) {
        for (i = 0; i < OPTIONS && options[i].info.letter != *letter; i++)
            ;
        if (i == OPTIONS)
            return option_unknown(scan, word, reterr);
        rest = options[i].kind != OPTION_FLAG && letter[1] ? letter + 1 : NULL;
        r = option_take(scan, i, rest, reterr);
        if (rest)
            break;
    }
    return r;
}

/* Gathers the words that are no options at the front of argv; a number below 0 is none. */
static int scan_words(struct scan *scan, struct err *reterr)
{
    struct args *args = scan->args;
    int r = 0;

    while (scan->at < scan->argc && r == 0) {
        char *word = scan->argv[scan->at++];

        if (strcmp(word, "--") == 0)
            break;
        if (word[0] == '-' && word[1] == '-')
            r = scan_long(scan, word, reterr);
        else if (word[0] == '-' && word[1] && !isdigit((unsigned char)word[1]))
            r = scan_letters(scan, word, reterr);
        else
            args->words[args->count++] = word;
        if (args->count == 1 && !command_find(args->words[0]))
            break;
    }
    args->passed = (size_t)(scan->argc - scan->at);
    while (scan->at < scan->argc)
        args->words[args->count++] = scan->argv[scan->at++];
    return r;
}

static int check_options(const struct command *command, uint32_t given, struct err *reterr)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (!(given >> i & 1) || command_takes(command, &options[i]))
            continue;
        if (passes_words(command))
            return err_set(reterr, -EINVAL, "%s takes no --%s; options for the worker go after --",
                           command->word, options[i].info.name);
        return err_set(reterr, -EINVAL, "%s takes no --%s; see: opsctl help %s", command->word,
                       options[i].info.name, command->word);
    }
    return 0;
}

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
enum { NOUN_MAX = 16 };

/* What a command's words are, from its arguments: "name" for "[NAME...] [-f]". A command that wants
 * several wants them to be different things. */
static void word_of(const struct command *command, char noun[static NOUN_MAX])
{
    const char *from = command->arguments + strcspn(command->arguments, CAPITALS);
    size_t n = strspn(from, CAPITALS);

    if (!n || n >= NOUN_MAX || command->least > 1) {
        from = "word";
        n = strlen(from);
    }
    for (size_t i = 0; i < n; i++)
        noun[i] = (char)tolower((unsigned char)from[i]);
    noun[n] = '\0';
}

static int check_count(const struct command *command, size_t count, struct err *reterr)
{
    bool few = count < (size_t)command->least;
    int bound = few ? command->least : command->most;
    char noun[NOUN_MAX];

    if (!few && count <= (size_t)command->most)
        return 0;
    word_of(command, noun);
    return err_set(reterr, -EINVAL, "%s takes at %s %d %s%s, got %zu\nusage: opsctl %s%s%s",
                   command->word, few ? "least" : "most", bound, noun, bound == 1 ? "" : "s", count,
                   command->word, command->arguments[0] ? " " : "", command->arguments);
}

/* Leaves the words as they are when the first is no command of ours. */
static void find_command(struct args *args)
{
    args->command = args->count ? command_find(args->words[0]) : NULL;
    if (!args->command)
        return;
    args->words++;
    args->count--;
}

int args_parse(int argc, char **argv, struct args *ret, struct err *reterr)
{
    struct args args = { .words = argv + 1, .lines = -1 };
    struct scan scan = { .argv = argv, .argc = argc, .at = 1, .args = &args };
    int r;

    r = scan_words(&scan, reterr);
    if (r == 0)
        find_command(&args);
    if (r == 0 && args.command && !args.help) {
        r = check_options(args.command, scan.given, reterr);
        if (r == 0)
            r = check_count(args.command, args.count, reterr);
    }
    if (r < 0)
        return r;
    *ret = args;
    return 0;
}
