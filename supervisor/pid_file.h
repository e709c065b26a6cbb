#ifndef OPS_PID_FILE_H
#define OPS_PID_FILE_H
/*
 * `pid_file`: a worker's process id for programs that want it in a file. opsd itself never reads
 * one to find a process.
 *
 * Logs: what cannot be written or removed is a warning, and nothing else fails for it.
 */
#include "instance.h"

/* Where it is written: as the manifest says or, when the app has several instances, with the number
 * in front of the extension (app.pid: app-0.pid). The caller frees it; NULL when there is none to
 * write, or memory ran out. */
char *pid_file_path(const struct instance *instance);

/* The worker runs. The file is replaced in one step, its folder made if need be. */
void pid_file_write(const struct instance *instance);

/* The worker has ended; instance->pid and instance->ran are still there to tell. A file that
 * somebody else has written since is left alone. */
void pid_file_remove(const struct instance *instance);

#endif
