#ifndef OPS_INSTANCE_COMMAND_H
#define OPS_INSTANCE_COMMAND_H
/*
 * What is executed for an instance: its command line and its environment.
 */
#include "environment.h"
#include "instance.h"

/* Interpreter, its arguments, script, its arguments, those of a run by hand; ends with NULL. The
 * caller frees the list; the texts are borrowed. NULL when memory ran out. */
const char **instance_argv(const struct instance *instance);

/* Fills env, which environment_done releases, also after a failure. Returns 0 or a negative errno:
 * -ENOMEM, or what is wrong with the app's env_file. */
int instance_environment(const struct instance *instance, struct environment *env,
                         struct err *reterr);

#endif
