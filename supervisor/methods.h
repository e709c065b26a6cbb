#ifndef OPS_METHODS_H
#define OPS_METHODS_H
/*
 * What opsd answers: one handler a method of commands.h, found by name in methods.c.
 *
 * A handler answers at once (connection_result, connection_fail) or ties an attachment to the
 * connection and answers later. request lives for the call only.
 */
#include "control.h"
#include "report.h"

typedef void method_handler(struct connection *connection, const struct wire_request *request);

/* Answers one request. */
void methods_call(struct connection *connection, struct wire_request *request, bool is_permitted);

/* The fleet was looked at: answers whoever waited for what has come about (method_pending.c), and
 * tells those who look on what happened (method_events.c). */
void methods_fleet_changed(struct fleet *fleet);
void methods_happened(struct fleet *fleet);

/* Lines were written to the log of that stream: shows them to those who follow it (log_view.c). */
void methods_logged(struct fleet *fleet, struct stream *stream);

/* --- the handlers */

/* method_fleet.c */
method_handler method_start, method_stop, method_restart, method_kill;
/* method_report.c */
method_handler method_workers_stat, method_describe;
/* method_logs.c */
method_handler method_logs;

/* method_logfiles.c */
method_handler method_flush, method_reopen;
/* method_run.c */
method_handler method_run_worker, method_cancel;
/* method_wait.c */
method_handler method_wait;
/* method_history.c */
method_handler method_history;
/* method_events.c */
method_handler method_events;
/* method_send.c */
method_handler method_send;
/* method_worker.c */
method_handler method_signal, method_reset;
/* method_members.c */
method_handler method_delete, method_scale, method_reload;
/* method_apply.c */
method_handler method_diff, method_apply;
/* method_env.c */
method_handler method_env;
/* method_saved.c */
method_handler method_save, method_resurrect;
/* method_daemon.c */
method_handler method_ping, method_upgrade;

/* --- what several of them need */

/* The row of one instance in workers_stat; NULL when memory ran out. */
cJSON *report_row(struct instance *instance);

/* {"name","instance","pid"} of one; NULL when memory ran out. */
cJSON *report_process(const struct instance *instance);

/* True when one of params' "names" selects the instance. */
bool params_select(const cJSON *params, const struct instance *instance);

/* Answers with WIRE_NO_WORKER, and the nearest name there is, unless every one of params' "names"
 * selects something. */
bool params_check_names(struct connection *connection, const struct wire_request *request);

/* The same, and not unless they select some worker: "all" may be none. */
bool params_check_some(struct connection *connection, const struct wire_request *request);

/* Reads the manifest and every other file again (fleet_load_files). Notes about them go to
 * *ret_notes, an array for the result, to be deleted. When one is wrong the request is answered
 * with everything that is, and false returned. */
bool methods_load_files(struct connection *connection, const struct wire_request *request,
                        cJSON **ret_notes);

enum { ANSWER_PROBLEMS_MAX = 64 << 10 };

/* What was found in a manifest that is read, for a result; and WIRE_FAILED for one that is wrong.
 * problems holds a line each, and is used up. */
cJSON *problems_notes(struct buf *problems);
void fail_problems(struct connection *connection, const struct wire_request *request,
                   const char *file, struct buf *problems);

/* WIRE_FAILED: opsd is on its way out and starts nothing. */
void fail_leaving(struct connection *connection, const struct wire_request *request);

/* WIRE_NO_WORKER for one name. */
void fail_no_worker(struct connection *connection, const struct wire_request *request,
                    const char *name);

/* --- answering once something has come about (method_pending.c) */

enum settled { NOT_YET, SETTLED_WELL, SETTLED_BADLY };

/* An instance that a request waits for. It is held by id: it may go away meanwhile, which settles
 * it well. */
struct awaited {
    int id;
    unsigned exits; /* the exits before this one are not what is waited for */
    bool well;      /* it has settled well once, where once is enough */
    bool tried;     /* its start was tried once */
};

typedef bool select_test(const cJSON *params, const struct instance *instance);

/* What a request waits for. */
struct await_kind {
    select_test *selects;
    /* struct awaited's exits; NULL: all that there were when the request came. */
    unsigned (*mark)(const cJSON *params, const struct instance *instance);
    /* Has it come about? due_ms is set to a moment at which to look again though nothing happens.
     */
    enum settled (*test)(const struct instance *instance, const struct awaited *awaited,
                         int64_t now_ms, int64_t *due_ms);
    /* Why it failed; NULL: the machine's reason. */
    const char *(*why)(const struct instance *instance);
    /* Its row of the answer; NULL: report_row. */
    cJSON *(*row)(struct instance *instance, const struct awaited *awaited);
    int64_t patience_ms; /* unless params' timeout_ms says otherwise; 0: as long as it takes */
    bool own_pace;       /* it ends by itself: timeout_ms is how long the client waits, not opsd */
    bool fails_early;    /* one that failed is enough, once all were tried */
    bool once;           /* what has settled well need not stay so until all have */
    bool with_lines;     /* a failure shows the last lines that were printed */
    const char *failed, *late; /* of "2 of 3 …" */
};

/* Answers when all that kind selects have settled. With "progress" in params it tells meanwhile how
 * many have (notification "progress"). Takes result (NULL: an empty one), an object
 * to which the rows are added as "workers". */
void await(struct connection *connection, const struct wire_request *request,
           const struct await_kind *kind, cJSON *result);

/* What `start` waits for, of instances that selects says. */
enum settled await_tried(const struct instance *instance, const struct awaited *awaited,
                         int64_t now_ms, int64_t *due_ms);

/* What `scale` and `apply` wait for, of what they touched: what is to go has gone, and a start of
 * the others was tried where they are wanted. */
enum settled await_changed(const struct instance *instance, const struct awaited *awaited,
                           int64_t now_ms, int64_t *due_ms);

/* What `restart --wait` waits for: it is online and was at proven_ms, or waits for its tick, or has
 * done its work. One that may be tried again has not come up, unless it said so itself (exit 75).
 */
enum settled await_up(const struct instance *instance, int64_t proven_ms, int64_t now_ms,
                      int64_t *due_ms);

/* The instances that "names" mean to start: "all", and a file, leave out what is not to be started
 * with the others. */
bool params_select_to_start(const cJSON *params, const struct instance *instance);

enum { AWAIT_START_MS = 60000 };

/* --- starting (method_fleet.c, method_source.c) */

/* Starts params' "names", which are known, and answers when that was tried. Takes notes. */
void start_named(struct connection *connection, const struct wire_request *request, cJSON *notes);

/* The same for params' "file" or "script", whose apps come to the fleet first. */
void start_source(struct connection *connection, const struct wire_request *request);

/* From their next start on the workers of "names" get, with "update_env", the client's "env", and
 * with "env_name" what their file says in env_NAME. Adds to notes. Returns false when the request
 * was answered with a failure. */
bool update_environment(struct connection *connection, const struct wire_request *request,
                        cJSON *notes);

/* Has the instance, and all that it depends on, marked to be started; start_marked starts them. */
void mark_start(struct instance *instance);
void start_marked(struct fleet *fleet);

#endif
