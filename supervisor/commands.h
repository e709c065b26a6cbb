#ifndef OPS_COMMANDS_H
#define OPS_COMMANDS_H
/*
 * The one list of commands. opsctl makes its parser and help from it, opsd its table of methods,
 * the tests their check that nothing is missing.
 *
 * On the wire a command is a JSON-RPC 2.0 request of the method named here, one object a line:
 *
 *     {"jsonrpc":"2.0","id":1,"method":"restart","params":{"names":["billing"],"wait":true}}
 *
 * Parameters and results by method:
 *
 *   start, stop, restart  {"names":[…],"wait":bool,"timeout_ms":N}
 *                         → {"workers":[row…],"notes":["…"]}; rows as in workers_stat
 *                         start, instead of names: {"file":PATH,"only":[…]?}, or
 *                         {"script","name"?,"args":[…],"cwd"}; start, restart, reload:
 *                         {"env_name":NAME?}, for env_NAME of their file, and
 *                         {"update_env":bool,"env":{…}}, a script's env without being asked
 *                         failed: error WIRE_FAILED, data {"workers":[{"name","instance","state",
 *                         "reason","lines":["…"]}]}
 *                         wrong manifest: error WIRE_FAILED, data {"problems":["…"]}
 *                         with "progress":true notifications "progress" {"done":N,"of":M} come
 *                         before it; so for reload, delete, scale and resurrect
 *   reload                {"names":[…],"timeout_ms":N?} → as restart, once the new ones have taken
 *                         over; WIRE_FAILED: the old ones serve on. What does not serve is started
 *                         anew and has to get ready, too
 *   delete                {"names":[…]} → {"deleted":["…"]} once they are stopped
 *   scale                 {"name","count":"N"|"+N"|"-N"} → as start
 *   diff                  {} → {"changes":[{"name","change":"new"|"gone"|"restart"|"live",
 *                         "fields":["…"]}],"notes":["…"]}; live: without a restart
 *   apply                 {"timeout_ms":N?} → the same with "workers":[row…], of those that were
 *                         touched, once it is done
 *   workers_stat          {"name":…?,"sparse":bool?} → the document of `stat --json`; sparse:
 *                         without the members that are null or false, empty stats, and the
 *                         counts instance, restarts and unstable_restarts where they are 0: less
 *                         than half of the price
 *   describe              {"name":…} → {"workers":[{row…, "script","args","cwd","interpreter",
 *                         "schedule","timezone","depends_on":[{"name","condition","met"}],
 *                         "out_file","error_file","next_try_in_ms","started","exits":[{"at",
 *                         "exit_code","exit_signal","uptime_ms","reason","lines":[…]}]}]}
 *   history               {"names":[…],"n":N?} → {"version":1,"runs":[{"name","instance","at",
 *                         "pid","tick","attempt","skipped_ticks","by_hand","started",
 *                         "duration_ms","exit_code","exit_signal","reason","lines":[…]}]}, newest
 *                         first; null is what there is not: a tick that was missed has no "started"
 *   logs                  {"names":[…],"lines":N,"follow":bool,"out":bool,"err":bool,"grep":TEXT?,
 *                         "since":MS?} (wall clock; then all lines since, unless "lines" is given)
 *                         → notifications "log" {"name","instance","stream":"out"|"err","line"},
 *                         "gap" {"name","instance","stream","lines":N}, lines that came faster than
 *                         they were read; then, unless following, the result {"lines":N}.
 *                         A line that is not UTF-8 has "base64" instead of "line".
 *                         With "places":true first "source" {"source":K,"name","instance",
 *                         "stream","file","at"} for each file, and each "log" has "source":K and
 *                         "at", where the file goes on after it. A client that comes back gives the
 *                         last of each as "from":[{"name","instance","stream","file","at"}].
 *   events                {"lines":N?,"follow":bool?} → notifications "event" {"number","at",
 *                         "name","namespace","instance","id","from","to","reason","exit_code",
 *                         "exit_signal","pid"}, the last N and then what happens; "to" is null for
 *                         one that is forgotten; "gap" {"events":N} for a client that reads slowly.
 *                         Unless following, the result is {"events":N}.
 *   flush                 {"names":[…]} → {"logs":N}: so many were emptied
 *   reopen                {} → {}
 *   run_worker            {"app","worker","args":[…]} → notifications "output" {"stream","line"};
 *                         "gap" {"lines":N} where a run that is to stop went on without a client
 *                         that does not read; then {"exit_code","exit_signal","duration_ms"}
 *   cancel                {"id":…}: stops the run that this connection started under that id
 *   wait                  {"names":[…],"timeout_ms":N?,"since":MS?} → {"workers":[{"name",
 *                         "instance","exit_code","exit_signal","at","uptime_ms","reason"}]} once
 *                         the run of each has ended: the present one, or else the last; with since
 *                         (wall clock) the first that ended later
 *   signal                {"names":[…],"signal":"HUP"|"SIGHUP"|"1"} → {"workers":[{"name",
 *                         "instance","pid"}]}: to the worker's process alone
 *   send                  {"names":[…],"line":"…"} → {"workers":[{"name","instance","pid"}]}: the
 *                         line and a newline, to the standard input of each
 *   env                   {"names":[…]} → {"workers":[{"name","instance","env":{…}}]}, what looks
 *                         secret in it masked
 *   reset                 {"names":[…]} → {"workers":[row…]}: counters and back-off begin anew
 *   save                  {} → {"file","wanted":N}: which workers are wanted, kept in the home
 *   resurrect             {"timeout_ms":N?} → as start; what was saved as wanted is started
 *   upgrade               {"path":…?} → {"pid","guard_pid","version","path"}; then another
 *                         supervisor, of that binary, takes over
 *   kill                  → {"stopped":N} once everything is stopped; then opsd leaves
 *   ping                  → {"pid":N,"guard_pid":N,"version":"…","rolled_back":bool}
 *
 * Names select by worker name, NAME:INSTANCE, namespace, id, "all", or a file by its absolute path:
 * the workers that come from it. "name" stands for "names" of one, and the other way round; the
 * words of opsctl for opsd's commands ("stat") for their methods.
 */

enum wire_error {
    WIRE_PARSE = -32700, /* JSON-RPC 2.0, section 5.1 */
    WIRE_INVALID = -32600,
    WIRE_NO_METHOD = -32601,
    WIRE_BAD_PARAMS = -32602,
    WIRE_INTERNAL = -32603,
    WIRE_FAILED = -32001,        /* exit 1: the operation failed */
    WIRE_NOT_RUNNING = -32003,   /* exit 3: the named worker does not run */
    WIRE_NO_WORKER = -32004,     /* exit 4: no such worker */
    WIRE_NOT_PERMITTED = -32005, /* exit 5 */
};

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_RUNNING = 3,
    EXIT_NO_WORKER = 4,
    EXIT_NOT_PERMITTED = 5,
};

enum { ARGUMENTS_MANY = 1024 };

/* Who may ask: everybody who may connect, or only root and the owner. */
enum who { WHO_ANY, WHO_OWNER };

/* Whether a request may be sent again when the opsd that had it was replaced before it answered:
 * because asking twice is asking once. */
enum repeat { ONCE, AGAIN };

/* clang-format off */

/* Commands that opsd answers.
 *  word          method          arguments                           least most            who        repeat help */
#define OPS_COMMANDS(X) \
    X(start,      start,          "all|NAME|APP...|FILE.json|SCRIPT [--name NAME] [--only A,B] [--env NAME] [--update-env] [--wait] [-- ARGS...]", 1, ARGUMENTS_MANY, WHO_OWNER, AGAIN, "start workers; starts opsd when it is not running") \
    X(run_all_workers, start,     "[--only A,B] [--env NAME] [--update-env] [--wait]", 0, 0,            WHO_OWNER, AGAIN, "the same as start all") \
    X(stop,       stop,           "all|NAME|APP...",                     1, ARGUMENTS_MANY, WHO_OWNER, AGAIN, "stop workers; returns when they are gone") \
    X(restart,    restart,        "all|NAME|APP... [--env NAME] [--update-env] [--wait]", 1, ARGUMENTS_MANY, WHO_OWNER, ONCE,  "restart workers with the manifest as it is now") \
    X(reload,     reload,         "all|NAME|APP... [--env NAME] [--update-env]", 1, ARGUMENTS_MANY, WHO_OWNER, ONCE,  "put new processes in the place of those that serve; each is ready before the old one leaves") \
    X(delete,     delete,         "all|NAME|APP...",                     1, ARGUMENTS_MANY, WHO_OWNER, ONCE,  "stop workers and forget them, until they are started again") \
    X(scale,      scale,          "NAME N|+N|-N",                        2, 2,              WHO_OWNER, ONCE,  "have more or fewer processes of a worker") \
    X(stat,       workers_stat,   "[NAME] [--json] [-w]",                0, 1,              WHO_ANY,   AGAIN, "show the fleet") \
    X(describe,   describe,       "NAME [--json]",                       1, 1,              WHO_ANY,   AGAIN, "tell everything about a worker: why it is in its state, its last exits") \
    X(logs,       logs,           "[NAME...] [-f] [-n LINES] [--out|--err] [--since T] [--grep TEXT] [--json] [--raw]", 0, ARGUMENTS_MANY, WHO_ANY,   AGAIN, "show what workers printed") \
    X(flush,      flush,          "[NAME...]",                           0, ARGUMENTS_MANY, WHO_OWNER, AGAIN, "empty logs, and remove what was rotated away from them") \
    X(reopen,     reopen,         "",                                    0, 0,              WHO_OWNER, AGAIN, "open every log by its name again, after somebody moved them") \
    X(history,    history,        "NAME [-n N] [--json]",                1, 1,              WHO_ANY,   AGAIN, "show what became of a worker's runs, newest first: 20, or N") \
    X(events,     events,         "[-f] [-n LINES] [--json]",             0, 0,              WHO_ANY,   AGAIN, "show what happened to the workers: every change of state, why, and how they ended") \
    X(run_worker, run_worker,     "APP WORKER [-- ARGS...]",             2, ARGUMENTS_MANY, WHO_OWNER, ONCE,  "one run in the foreground; exits with the worker's code") \
    X(wait,       wait,           "NAME",                                1, 1,              WHO_ANY,   AGAIN, "wait until a worker's run ends; exits with its code") \
    X(pid,        workers_stat,   "NAME",                                1, 1,              WHO_ANY,   AGAIN, "print the process id of a worker") \
    X(env,        env,            "NAME",                                1, 1,              WHO_OWNER, AGAIN, "print a worker's environment; what looks secret is masked") \
    X(signal,     signal,         "SIG NAME",                            2, 2,              WHO_OWNER, ONCE,  "send a signal to a worker's process") \
    X(send,       send,           "NAME LINE",                           2, 2,              WHO_OWNER, ONCE,  "send a line to the standard input of a worker that has \"stdin\": true") \
    X(reset,      reset,          "all|NAME|APP...",                     1, ARGUMENTS_MANY, WHO_OWNER, AGAIN, "set the counters of restarts to 0") \
    X(diff,       diff,           "[--json]",                            0, 0,              WHO_ANY,   AGAIN, "show what apply would change") \
    X(apply,      apply,          "",                                    0, 0,              WHO_OWNER, ONCE,  "make the fleet what the manifest says now; what did not change is left alone") \
    X(save,       save,           "",                                    0, 0,              WHO_OWNER, AGAIN, "note which workers are wanted, for resurrect") \
    X(resurrect,  resurrect,      "",                                    0, 0,              WHO_OWNER, AGAIN, "start what was wanted at the last save; starts opsd when it is not running") \
    X(upgrade,    upgrade,        "[PATH]",                              0, 1,              WHO_OWNER, ONCE,  "put another opsd in the place of this one; workers go on") \
    X(kill,       kill,           "",                                    0, 0,              WHO_OWNER, AGAIN, "stop every worker, then opsd") \
    X(ping,       ping,           "",                                    0, 0,              WHO_ANY,   AGAIN, "ask opsd whether it is there")

/* Methods without a word of their own. */
#define OPS_METHODS(X) \
    X(cancel, WHO_OWNER)

/* Commands that need no opsd. */
#define OPS_LOCAL_COMMANDS(X) \
    X(check,      "[FILE]",       0, 1, "read the manifest and say everything that is wrong with it") \
    X(cron,       "EXPRESSION [--tz ZONE] [--from INSTANT] [-n N] [--json]", 1, ARGUMENTS_MANY, "print when a schedule is due next") \
    X(monit,      "",             0, 0, "watch the fleet on the whole terminal: what each uses, what it prints; restart and stop it") \
    X(startup,    "[--name NAME] [--root DIR]", 0, 0, "have systemd start opsd with the machine") \
    X(unstartup,  "[--name NAME] [--root DIR]", 0, 0, "take that back") \
    X(completion, "bash|zsh|fish", 1, ARGUMENTS_MANY, "print the script that completes opsctl's words in a shell: source <(opsctl completion bash)") \
    X(version,    "",             0, 0, "print the version") \
    X(help,       "[COMMAND]",    0, 1, "this list, or one command")

/* Other words for commands, PM2's and the requirement documents'. */
#define OPS_ALIASES(X) \
    X(workers_stat, stat) X(ls, stat) X(list, stat) X(status, stat) X(ps, stat) X(l, stat) \
    X(run, run_worker) X(info, describe) X(show, describe) X(desc, describe) X(del, delete) \
    X(gracefulReload, reload) X(sendSignal, signal) X(dump, save) X(reloadLogs, reopen)

/* PM2's words for what is done otherwise here. */
#define OPS_FOREIGN_WORDS(X) \
    X(jlist,                "opsctl stat --json") \
    X(prettylist,           "opsctl stat --json | python3 -m json.tool") \
    X(startOrRestart,       "opsctl start FILE.json, then opsctl restart FILE.json") \
    X(startOrReload,        "opsctl start FILE.json, then opsctl reload FILE.json") \
    X(startOrGracefulReload, "opsctl start FILE.json, then opsctl reload FILE.json") \
    X(update,               "opsctl upgrade") \
    X(updatePM2,            "opsctl upgrade") \
    X(id,                   "opsctl stat NAME") \
    X(attach,               "opsctl logs -f NAME, and opsctl send NAME LINE") \
    X(trigger,              "opsctl send NAME LINE, or opsctl signal SIG NAME") \
    X(dash,                 "opsctl monit") \
    X(dashboard,            "opsctl monit") \
    X(imonit,               "opsctl monit") \
    X(init,                 "a file ecosystem.json; see: man ecosystem.json") \
    X(ecosystem,            "a file ecosystem.json; see: man ecosystem.json") \
    X(logrotate,            "built in: log_max_size, log_keep; see: man ecosystem.json")

/* clang-format on */

#define OPS_VERSION "0.1.0"

#endif
