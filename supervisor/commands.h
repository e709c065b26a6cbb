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
 *                         failed: error WIRE_FAILED, data {"workers":[{"name","instance","state",
 *                         "reason","lines":["…"]}]}
 *                         wrong manifest: error WIRE_FAILED, data {"problems":["…"]}
 *   workers_stat          {"name":…}? → the document of `stat --json`
 *   describe              {"name":…} → {"workers":[{row…, "script","args","cwd","interpreter",
 *                         "schedule","timezone","depends_on":[{"name","condition","met"}],
 *                         "out_file","error_file","next_try_in_ms","started","exits":[{"at",
 *                         "exit_code","exit_signal","uptime_ms","reason","lines":[…]}]}]}
 *   logs                  {"names":[…],"lines":N,"follow":bool,"out":bool,"err":bool}
 *                         → notifications "log" {"name","instance","stream":"out"|"err","line"},
 *                         "gap" {"lines":N}; then, unless following, the result {"lines":N}.
 *                         A line that is not UTF-8 has "base64" instead of "line".
 *   run_worker            {"app","worker","args":[…]} → notifications "output" {"stream","line"};
 *                         "gap" {"lines":N} where a run that is to stop went on without a client
 *                         that does not read; then {"exit_code","exit_signal","duration_ms"}
 *   cancel                {"id":…}: stops the run that this connection started under that id
 *   kill                  → {"stopped":N} once everything is stopped; then opsd leaves
 *   ping                  → {"pid":N,"version":"…"}
 *
 * Names select by worker name, NAME:INSTANCE, namespace, id or "all".
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

/* clang-format off */

/* Commands that opsd answers.
 *  word          method          arguments                           least most            who        help */
#define OPS_COMMANDS(X) \
    X(start,      start,          "all|NAME|APP... [--wait]",            1, ARGUMENTS_MANY, WHO_OWNER, "start workers; starts opsd when it is not running") \
    X(run_all_workers, start,     "[--wait]",                            0, 0,              WHO_OWNER, "the same as start all") \
    X(stop,       stop,           "all|NAME|APP...",                     1, ARGUMENTS_MANY, WHO_OWNER, "stop workers; returns when they are gone") \
    X(restart,    restart,        "all|NAME|APP... [--wait]",            1, ARGUMENTS_MANY, WHO_OWNER, "restart workers with the manifest as it is now") \
    X(stat,       workers_stat,   "[NAME] [--json]",                     0, 1,              WHO_ANY,   "show the fleet") \
    X(describe,   describe,       "NAME [--json]",                       1, 1,              WHO_ANY,   "tell everything about a worker: why it is in its state, its last exits") \
    X(logs,       logs,           "[NAME...] [-f] [-n LINES] [--out|--err] [--json] [--raw]", 0, ARGUMENTS_MANY, WHO_ANY, "show what workers printed") \
    X(run_worker, run_worker,     "APP WORKER [-- ARGS...]",             2, ARGUMENTS_MANY, WHO_OWNER, "one run in the foreground; exits with the worker's code") \
    X(kill,       kill,           "",                                    0, 0,              WHO_OWNER, "stop every worker, then opsd") \
    X(ping,       ping,           "",                                    0, 0,              WHO_ANY,   "ask opsd whether it is there")

/* Methods without a word of their own. */
#define OPS_METHODS(X) \
    X(cancel, WHO_OWNER)

/* Commands that need no opsd. */
#define OPS_LOCAL_COMMANDS(X) \
    X(check,      "[FILE]",       0, 1, "read the manifest and say everything that is wrong with it") \
    X(version,    "",             0, 0, "print the version") \
    X(help,       "[COMMAND]",    0, 1, "this list, or one command")

/* Other words for commands, PM2's and the requirement documents'. */
#define OPS_ALIASES(X) \
    X(workers_stat, stat) X(ls, stat) X(list, stat) X(status, stat) X(ps, stat) \
    X(run, run_worker) X(info, describe) X(show, describe)

/* clang-format on */

#define OPS_VERSION "0.1.0"

#endif
