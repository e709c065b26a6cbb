#ifndef OPS_OPSCTL_ARGS_H
#define OPS_OPSCTL_ARGS_H
/*
 * The command line as data. Pure.
 *
 * Options may stand before or after the command's word, up to "--". Which of them a command takes
 * is written in its row of commands.h: an option is taken when the row's arguments mention it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct command;

struct args {
    /* NULL: no word was given, or words begins with one that is no command of ours. What comes
     * after such a word was not looked at: it is for the program of that name. */
    const struct command *command;
    char **words; /* after the command's, those after "--" included; in argv */
    size_t count;
    size_t passed; /* how many of them stand after "--" */

    const char *home;                          /* NULL: not given, as all here */
    const char *name, *only, *env_name, *root; /* of --name, --only, --env, --root */
    const char *zone, *from;                   /* of --tz, --from */
    const char *since, *grep;                  /* of --since, --grep */
    bool help, version, json, wait, watch, follow, out, err, raw, update_env;
    int64_t timeout_ms; /* 0: not given */
    int64_t lines;      /* of -n; -1: not given */
};

/* Reads the command line; reorders argv, which ret borrows. Returns 0, or -EINVAL with a sentence
 * that names the word and what would be right. With --help the words are not counted. */
int args_parse(int argc, char **argv, struct args *ret, struct err *reterr);

/* The options that a command takes, for help: false past the last. command NULL: those that every
 * command takes. */
struct option_info {
    char letter; /* '\0': none */
    const char *name, *value, *help;
};
bool args_option(const struct command *command, size_t i, struct option_info *ret);

#endif
