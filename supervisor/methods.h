#ifndef OPS_METHODS_H
#define OPS_METHODS_H
/*
 * What opsd answers: one handler a method of commands.h, found by name in methods.c.
 *
 * A handler answers at once (connection_result, connection_fail) or ties an attachment to the
 * connection and answers later. request lives for the call only.
 */
#include "control.h"

typedef void method_handler(struct connection *connection, const struct wire_request *request);

/* method_fleet.c */
method_handler method_start, method_stop, method_restart, method_kill;
/* method_report.c */
method_handler method_workers_stat, method_describe;
/* method_logs.c */
method_handler method_logs;
/* method_run.c */
method_handler method_run_worker, method_cancel;
/* methods.c */
method_handler method_ping;

/* The row of one instance in workers_stat; NULL when memory ran out. */
cJSON *report_row(struct instance *instance);

/* True when one of params' "names" selects the instance. */
bool params_select(const cJSON *params, const struct instance *instance);

/* Answers with WIRE_NO_WORKER, and the nearest name there is, unless every one of params' "names"
 * selects something. */
bool params_check_names(struct connection *connection, const struct wire_request *request);

/* Reads the manifest anew. Notes about it go to *ret_notes (an array for the result, to be
 * deleted); when it is wrong the request is answered with everything that is, and false returned.
 */
bool methods_reload(struct connection *connection, const struct wire_request *request,
                    cJSON **ret_notes);

/* WIRE_FAILED: opsd is on its way out and starts nothing. */
void fail_leaving(struct connection *connection, const struct wire_request *request);

/* WIRE_NO_WORKER for one name. */
void fail_no_worker(struct connection *connection, const struct wire_request *request,
                    const char *name);

#endif
