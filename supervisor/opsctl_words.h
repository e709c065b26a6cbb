#ifndef OPS_OPSCTL_WORDS_H
#define OPS_OPSCTL_WORDS_H
/*
 * What may stand where the cursor is: the part of completion that needs nothing but the tables of
 * commands and options. Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "opsctl_args.h"

/* Kinds of words, as the arguments of commands.h call them. */
enum word_kind {
    WORD_NONE,
    WORD_COMMAND,
    WORD_OPTION,
    WORD_NAME,   /* a worker, or one of its instances */
    WORD_APP,    /* all of an app */
    WORD_WORKER, /* one of the app that the word before names */
    WORD_FILE,
    WORD_SIGNAL,
    WORD_LITERAL /* itself */
};

enum { WORD_CHOICES_MAX = 8 };

/* One alternative; text and n tell a WORD_LITERAL. */
struct word_choice {
    enum word_kind kind;
    const char *text;
    size_t n;
};

/* The line up to the cursor, without "opsctl"; the last word is the one that is being typed, "" at
 * the beginning of one. */
struct words_line {
    char *const *words;
    size_t count;
};

struct words {
    const struct command *command; /* NULL: none yet, or none of ours */
    const char *foreign;           /* the word that is no command of ours; NULL: there is none */
    const char *home;              /* of --home; NULL: not given */
    const char *before;            /* the command's word before the one being typed; NULL: none */
    struct word_choice choices[WORD_CHOICES_MAX];
    size_t count;
};

/* Fills in ret; everything in it borrows from the line and from the tables. */
void words_at(const struct words_line *line, struct words *ret);

#endif
