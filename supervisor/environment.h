#ifndef OPS_ENVIRONMENT_H
#define OPS_ENVIRONMENT_H
/*
 * A worker's environment: a clean one, built for each start.
 *
 * Later ones win: a few variables of opsd's own (where programs are, who we are, which language and
 * zone), env_file, the manifest's env, what opsd itself has to say. Nothing else of the shell that
 * started opsd leaks in.
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

/* Adds env_file and env of an app. Returns 0, -ENOMEM, or what is wrong with env_file. */
int environment_add_app(struct environment *env, const struct app *app, struct err *reterr);

#endif
