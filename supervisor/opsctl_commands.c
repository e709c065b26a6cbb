/*
 * The table of commands: the rows of commands.h, each with the function that carries it out.
 */
#include <string.h>

#include "opsctl.h"
#include "text.h"

const struct command commands[] = {
#define COMMAND_ROW(word, method, arguments, least, most, who, repeat, help) \
    { #word, #method, arguments, help, least, most, who, repeat, command_##word },
    OPS_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
#define COMMAND_ROW(word, arguments, least, most, help) \
    { #word, NULL, arguments, help, least, most, WHO_ANY, ONCE, command_##word },
        OPS_LOCAL_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
            { 0 },
};

const struct alias aliases[] = {
#define ALIAS_ROW(word, of) { #word, #of },
    OPS_ALIASES(ALIAS_ROW)
#undef ALIAS_ROW
        { 0 },
};

static const struct {
    const char *word, *here;
} foreign_words[] = {
#define FOREIGN_ROW(word, here) { #word, here },
    OPS_FOREIGN_WORDS(FOREIGN_ROW)
#undef FOREIGN_ROW
};

enum { COMMANDS = sizeof commands / sizeof commands[0] - 1 };
enum { ALIASES = sizeof aliases / sizeof aliases[0] - 1 };

const struct command *command_find(const char *word)
{
    for (size_t i = 0; i < ALIASES; i++) {
        if (strcmp(aliases[i].word, word) == 0)
            word = aliases[i].of;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].word, word) == 0)
            return &commands[i];
    }
    return NULL;
}

const char *command_here(const char *word)
{
    for (size_t i = 0; i < sizeof foreign_words / sizeof foreign_words[0]; i++) {
        if (strcmp(foreign_words[i].word, word) == 0)
            return foreign_words[i].here;
    }
    return NULL;
}

const char *command_nearest(const char *word)
{
    const char *words[COMMANDS + ALIASES];

    for (size_t i = 0; i < COMMANDS; i++)
        words[i] = commands[i].word;
    for (size_t i = 0; i < ALIASES; i++)
        words[COMMANDS + i] = aliases[i].word;
    return text_nearest(word, words, COMMANDS + ALIASES);
}
