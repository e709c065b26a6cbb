#ifndef OPS_MANIFEST_PROBLEMS_H
#define OPS_MANIFEST_PROBLEMS_H
/*
 * What is wrong with a manifest, in words: `apps[3].max_restarts: want a whole number from 0, got
 * "ten" (line 41)`.
 *
 * Errors are collected, not thrown: reading goes on after one, so that a person sees all of them
 * at once. Notes, which are no errors, are kept apart and shown only when there was no error.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum {
    /* More than anybody mends in one go; a file that is wrong all over stays cheap to refuse. */
    PROBLEMS_MAX = 1000,
    PROBLEM_LINE_MAX = 8192,
};

/* Where a value stands: a chain from the value up to the top of the file, on the stack of whoever
 * reads it. A member has a key; an element has none and its index counts. */
struct place {
    const struct place *up;
    const char *key;
    int index;
    const cJSON *value; /* NULL for what is missing: then line, or the line of up, is shown */
    int line;
};

struct problems {
    struct buf *errors; /* the caller's */
    struct buf notes;
    int count; /* of errors, those past PROBLEMS_MAX included */
};

void problems_init(struct problems *problems, struct buf *errors);
void problems_done(struct problems *problems);

/* The line of the file where a value of a tree made by manifest_json_parse, or its key, starts. */
int value_line(const cJSON *value);

/* Adds an error at place; with place NULL the text alone. Always returns -EBADMSG: "wrong, and
 * already said". */
int problems_add(struct problems *problems, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether further errors are only counted, so that no effort need go into their words. */
bool problems_are_enough(const struct problems *problems);

/* The usual error: `want WANTS, got VALUE`; place has a value. */
int problems_add_wanted(struct problems *problems, const struct place *place, const char *wants);

/* Adds a note: place and text in the same form. */
void problems_note(struct problems *problems, const struct place *place, const char *text);

/* Ends the collection: says how many errors were left out, or, when there was none, hands the
 * notes over. Returns 0 or -EINVAL. */
int problems_conclude(struct problems *problems);

#endif
