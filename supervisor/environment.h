#ifndef OPS_ENVIRONMENT_H
#define OPS_ENVIRONMENT_H
/*
 * A worker's environment: a clean one, built for each start, so that what was taken out of the
 * manifest is gone at the next start.
 *
 * Later ones win: a few variables of opsd's own (where programs are, who we are, which language and
 * zone), the shell's (only of an app that was started by hand from there), both without what
 * filter_env leaves out; the user's when uid names one; env_file; the manifest's env; port; what
 * opsd itself has to say. Nothing else of the shell that started opsd leaks in.
 */
#include "err.h"
#include "manifest.h"

struct environment {
    char **list; /* "NAME=value", ends with NULL; never NULL after environment_init */
    size_t count, room;
};

/* Begins with opsd's own few. Returns 0 or -ENOMEM. */
int environment_init(struct environment *env);
void environment_done(struct environment *env);

/* Sets one variable, replacing an earlier value. Returns 0 or -ENOMEM. */
int environment_set(struct environment *env, const char *name, const char *value);

/* The value of a variable, to be read or written in place; NULL when it is not set. */
char *environment_value(const struct environment *env, const char *name);

/* Adds what an app says. Returns 0, -ENOMEM, or what is wrong with env_file. A user that does not
 * exist is not complained about here: credentials_resolve does that. */
int environment_add_app(struct environment *env, const struct app *app, struct err *reterr);

#endif
