/*
 * What may stand where the cursor is. A command's row says it in its arguments, "NAME N|+N|-N" or
 * "all|NAME|APP... [--wait]": the same text that the parser and the help read.
 */
#include "opsctl_words.h"

#include <ctype.h>
#include <string.h>

#include "opsctl.h"

/* clang-format off */
static const struct {
    const char *noun;
    enum word_kind kind;
} nouns[] = {
    { "NAME",      WORD_NAME },   { "APP",    WORD_APP },     { "WORKER", WORD_WORKER },
    { "FILE.json", WORD_FILE },   { "SCRIPT", WORD_FILE },    { "FILE",   WORD_FILE },
    { "PATH",      WORD_FILE },   { "DIR",    WORD_FILE },    { "SIG",    WORD_SIGNAL },
    { "COMMAND",   WORD_COMMAND },
};
/* clang-format on */

/* After what may be repeated. */
#define DOTS "..."

static void add(struct words *words, enum word_kind kind, const char *text, size_t n)
{
    if (words->count < WORD_CHOICES_MAX)
        words->choices[words->count++] = (struct word_choice){ kind, text, n };
}

/* What one alternative means: a noun in capitals, or a word to be typed as it is. */
static void add_alternative(struct words *words, const char *text, size_t n)
{
    if (n > strlen(DOTS) && memcmp(text + n - strlen(DOTS), DOTS, strlen(DOTS)) == 0)
        n -= strlen(DOTS);
    for (size_t i = 0; i < sizeof nouns / sizeof nouns[0]; i++) {
        if (strlen(nouns[i].noun) == n && memcmp(nouns[i].noun, text, n) == 0) {
            add(words, nouns[i].kind, NULL, 0);
            return;
        }
    }
    if (n && islower((unsigned char)text[0]))
        add(words, WORD_LITERAL, text, n);
}

static void add_alternatives(struct words *words, const char *text, size_t n)
{
    const char *end = text + n;
    size_t length;

    for (; text < end; text += length + 1) {
        length = strcspn(text, "|");
        if (text + length > end)
            length = (size_t)(end - text);
        add_alternative(words, text, length);
    }
}

/* The argument at that position: *ret_n bytes at the result, without brackets; NULL when there is
 * none. Options, in brackets of their own, are no positions. */
static const char *argument_at(const char *arguments, size_t position, size_t *ret_n)
{
    const char *last = NULL;
    size_t n, last_n = 0;

    while (*arguments) {
        bool option = strncmp(arguments, "[-", 2) == 0;

        n = option ? strcspn(arguments, "]") + 1 : strcspn(arguments, " ");
        if (!option) {
            last = arguments + strspn(arguments, "[");
            last_n = n - (size_t)(last - arguments);
            last_n -= last_n && last[last_n - 1] == ']';
            if (position-- == 0)
                break;
        }
        arguments += n;
        arguments += strspn(arguments, " ");
    }
    *ret_n = last_n;
    if (position == (size_t)-1)
        return last;
    /* Past the last one only where it may be repeated. */
    return last && memmem(last, last_n, DOTS, strlen(DOTS)) ? last : NULL;
}

/* The option that the word names, or false. */
static bool find_option(const struct command *command, const char *word, struct option_info *ret)
{
    for (int own = 0; own < 2; own++) {
        for (size_t i = 0; (!own || command) && args_option(own ? command : NULL, i, ret); i++) {
            if (word[1] == '-' ? strcmp(word + 2, ret->name) == 0
                               : word[1] == ret->letter && word[1] && !word[2])
                return true;
        }
    }
    return false;
}

/* One word before the cursor. Returns the option that wants its value next, or false. */
static bool take_word(struct words *words, const char *word, size_t *position,
                      struct option_info *ret)
{
    if (word[0] == '-' && word[1])
        return find_option(words->command, word, ret) && ret->value;
    if (words->command) {
        words->before = word;
        ++*position;
        return false;
    }
    words->command = command_find(word);
    words->foreign = words->command ? NULL : word;
    return false;
}

void words_at(const struct words_line *line, struct words *ret)
{
    const char *typed = line->count ? line->words[line->count - 1] : "", *argument;
    struct option_info option;
    bool value = false, passed = false;
    size_t position = 0, n;

    *ret = (struct words){ 0 };
    for (size_t i = 0; i + 1 < line->count && !ret->foreign; i++) {
        if (value && strcmp(option.name, "home") == 0)
            ret->home = line->words[i];
        passed = passed || (!value && strcmp(line->words[i], "--") == 0);
        value = !value && !passed && take_word(ret, line->words[i], &position, &option);
    }
    if (ret->foreign || passed) {
        add(ret, WORD_FILE, NULL, 0);
    } else if (value) {
        add_alternatives(ret, option.value, strlen(option.value));
    } else if (typed[0] == '-') {
        add(ret, WORD_OPTION, NULL, 0);
    } else if (!ret->command) {
        add(ret, WORD_COMMAND, NULL, 0);
    } else {
        argument = argument_at(ret->command->arguments, position, &n);
        if (argument)
            add_alternatives(ret, argument, n);
    }
}
