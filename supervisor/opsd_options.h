#ifndef OPS_OPSD_OPTIONS_H
#define OPS_OPSD_OPTIONS_H
/*
 * The command line of opsd, in both directions: a person's, and the one with which guard and
 * supervisor start each other. The latter's options are in no help: they name descriptors and
 * processes that only opsd itself can know.
 */
#include <stdbool.h>
#include <sys/types.h>

struct options {
    const char *home, *manifest; /* borrowed from argv; absolute between opsd's own processes */
    bool foreground, no_start;
    /* Whoever started opsd starts it again when its first process dies. */
    bool under_systemd;
    bool rolled_back; /* the binary of an upgrade did not come up; this is the one before */
    int link;         /* -1, or: be the supervisor whose guard is at the other end */
    int store;        /* of the supervisor: the list of descriptors kept for it */
    int guard_store;  /* -1, or: go on as guard with these descriptors */
    pid_t supervisor; /* of a guard that goes on: 0, or its child */
};

/* Ends the process for --help and --version. Returns 0, or -EINVAL after saying what is wrong. */
int options_read(int argc, char **argv, struct options *ret);

enum { OPTION_WORDS_MAX = 24 };

struct option_words {
    const char *argv[OPTION_WORDS_MAX]; /* ends with NULL */
    char numbers[4][16];                /* what argv points to */
};

/* The argv that options_read turns into these options; borrows from both arguments. */
void options_write(const struct options *options, struct option_words *ret);

#endif
