#ifndef OPS_MANIFEST_FIELDS_H
#define OPS_MANIFEST_FIELDS_H
/*
 * Tables of fields, and the one loop that reads an object by such a table.
 *
 * A row says what a field is called, how it is read, where the result goes, and what holds when it
 * is not given: its fallback, which is read exactly as if it had been written in the manifest, so
 * that the help cannot promise another default than the one in force.
 *
 * As in PM2, null means "not given", each name may be written in camel case (maxRestarts), and a
 * number may be written as text.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "manifest.h"
#include "manifest_problems.h"

/* What reading needs besides the value. */
struct reader {
    struct arena *arena; /* where results live */
    struct problems *problems;
    const char *folder;       /* what relative paths are relative to */
    const char *env_name;     /* of --env; NULL: none */
    bool env_found;           /* some app has an env_NAME of it */
    texts deploy_env;         /* what PM2's "deploy" says about it: below every env */
    const char *socket_group; /* beside "apps" */
    int socket_group_line;
};

struct field;

/* Reads place->value into to. Returns 0; -EINVAL when it is not what field->wants says, which the
 * caller reports; -EBADMSG when the error is reported already; -ENOMEM. */
typedef int field_read(struct reader *reader, const struct field *field, const struct place *place,
                       void *to);

/* Whether two results of a field mean the same. */
typedef bool field_same(const void *a, const void *b);

struct field {
    const char *name;    /* "env_*" stands for every name that starts so */
    const char *aliases; /* separated by spaces, or NULL */
    field_read *read;
    size_t offset;        /* of the result within the base that is being filled */
    int64_t least, most;  /* of a number; both 0: no bounds */
    const char *words;    /* of a choice, separated by spaces, in the order of its enum */
    const char *wants;    /* completes "want ..." */
    const char *fallback; /* as JSON; NULL: what the help says, or nothing */
    field_same *same;     /* NULL: the result is no part of struct app, or another row's */
    bool live;            /* a change needs no restart of a running process */
    const char *note;     /* why the field does nothing here; NULL: it is honoured */
    const char *help;
};

struct field_table {
    const struct field *rows;
    size_t count;
};

/* More rows than any table has: the size of what fields_read fills in. */
enum { FIELDS_MAX = 128 };

/* Which values an object gave, by row; NULL for those it did not. */
struct given {
    const cJSON *values[FIELDS_MAX];
};

/* An app while it is being read: what the fields say, before it is known how they go together. */
struct draft {
    struct app app;
    texts env_named;        /* env_NAME of the NAME in force */
    int64_t exp_backoff_ms; /* exp_backoff_restart_delay; 0: not wanted */
    bool wait_ready;
    bool time;
    /* Where rows leave what nobody asks for. */
    union {
        int64_t number;
        const void *pointer;
    } ignored;
};

/* The fields of an app (manifest_fields.c). */
extern const struct field_table app_fields;

/* The row of that name, alias or camel case, or NULL. */
const struct field *field_find(const struct field_table *table, const char *key);

/* The value that was given for the row of that name; NULL when it was not. */
const cJSON *given_value(const struct field_table *table, const struct given *given,
                         const char *name);

/* Fills base with the fallbacks of table. Returns 0 or -ENOMEM. */
int fields_fall_back(struct reader *reader, const struct field_table *table, void *base);

/* Reads the object at place: every member by its row into base, noting in given which there were.
 * Unknown names, names given by two aliases, and wrong values are reported; the rest is read all
 * the same. Returns 0, -EBADMSG when anything was reported, or -ENOMEM. */
int fields_read(struct reader *reader, const struct field_table *table, const struct place *place,
                void *base, struct given *given);

#endif
