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

/* What the instance and the commands that ask whether it is ready have in common. Fills env, which
 * environment_done releases, also after a failure. Returns 0 or a negative errno: -ENOMEM, or what
 * is wrong with the app's env_file. */
int instance_environment(const struct instance *instance, struct environment *env,
                         struct err *reterr);

/* Adds what only the instance itself is told: which descriptors it was given (LISTEN_FDS and its
 * kin, NODE_CHANNEL_FD) and its watchdog. LISTEN_PID is left to become(): *ret_listen_pid is where,
 * or NULL without sockets; it lives until the next change of env. Returns 0 or -ENOMEM. */
int instance_environment_of_worker(const struct instance *instance, struct environment *env,
                                   char **ret_listen_pid);

/* The descriptor that Node's IPC channel has in the process: behind the sockets; -1 when the app
 * neither needs one nor is run by Node. */
int app_channel_fd(const struct app *app);

#endif
