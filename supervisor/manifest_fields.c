/* The one table of an app's fields: PM2's with its names, aliases and defaults, and ours. The
 * parser, the help and the tests walk it. */
#include "manifest_fields.h"

#include "manifest_read.h"
#include "manifest_same.h"

/* Why a field is accepted and yet does nothing. */
#define NODE .note = "is accepted but means nothing outside Node", IGNORED
#define IGNORED .offset = offsetof(struct draft, ignored)

#define AT(member) .offset = offsetof(struct draft, member)
/* A change is a matter of policy: it holds from now on, for what runs already, too. */
#define LIVE .live = true

#define ANYTHING .read = read_anything, .wants = "anything"
#define BOOL .read = read_bool, .same = same_bool, .wants = "true or false"
#define WHOLE .read = read_whole, .same = same_int
#define WHOLE_FROM(a) WHOLE, .least = (a), .most = INT32_MAX, .wants = "a whole number from " #a
#define WHOLE_WITHIN(a, b) \
    WHOLE, .least = (a), .most = (b), .wants = "a whole number from " #a " to " #b
#define DURATION \
    .read = read_duration, .same = same_int64, .most = DURATION_MOST, .wants = DURATION_WANTS
#define SIZE .read = read_size, .same = same_int64
#define SIZE_WANTS "a size: whole bytes from 1, or a text such as \"300M\""
#define CHOICE(words_) \
    .read = read_choice, .same = same_int, .words = (words_), .wants = "one of " words_
#define TEXT .read = read_text, .same = same_text, .wants = "a text that is not empty"
#define NAME .read = read_name, .same = same_text, .wants = NAME_WANTS
#define VARIABLE \
    .read = read_variable, .same = same_text, .wants = "the name of an environment variable"
#define PATH .read = read_path, .same = same_text, .wants = "a path"
#define LOG_PATH .read = read_log_path, .same = same_text, .wants = "a path"
#define ID .read = read_id, .same = same_text, .wants = "a name or a number"
#define TEXTS .read = read_texts, .same = same_texts, .wants = "a list of texts, or one text"
#define ARGUMENTS \
    .read = read_arguments, .same = same_texts, .wants = "a list of texts, or one text to be split"
#define VARIABLES(read_) \
    .read = (read_), .same = same_texts, .wants = "an object of names and values"
#define BOOL_OR_TEXTS .wants = "true, false, a text or a list of texts"
#define OBJECT .read = read_object, .wants = "an object"
/* What is read and compared as a whole by functions of its own. */
#define OWN_KIND(kind) .read = read_##kind, .same = same_##kind

/* clang-format off */
static const struct field rows[] = {
    /* what runs */
    { .name = "name", NAME, AT(app.name),
      .help = "what opsctl calls it; the script's file name without its extension by default" },
    { .name = "script", .aliases = "exec", TEXT, AT(app.script),
      .help = "the program: with a slash, or run by an interpreter, a path from the manifest's folder; "
              "otherwise a word that is looked up in PATH" },
    { .name = "args", ARGUMENTS, AT(app.args), .fallback = "[]",
      .help = "its arguments; a text is split as a shell would, nothing is expanded" },
    { .name = "namespace", NAME, LIVE, AT(app.space), .fallback = "\"default\"",
      .help = "the group it belongs to; commands take it in place of a name" },
    { .name = "cwd", PATH, AT(app.cwd), .fallback = "\".\"",
      .help = "where it runs, from the manifest's folder" },
    { .name = "interpreter", .aliases = "exec_interpreter", TEXT, AT(app.interpreter),
      .help = "what runs the script; \"none\": the script itself; by its extension by default "
              "(.js .cjs .mjs .py .sh .rb .pl .php .ts .tsx .coffee .ls)" },
    { .name = "interpreter_args", .aliases = "node_args", ARGUMENTS,
      AT(app.interpreter_args), .fallback = "[]",
      .help = "arguments in front of the script" },
    { .name = "profiles", TEXTS, LIVE, AT(app.profiles), .fallback = "[]",
      .help = "part of the fleet only under these profiles; always, when none is given" },
    { .name = "autostart", BOOL, LIVE, AT(app.autostart), .fallback = "true",
      .help = "false: known, but not started with the others" },

    /* its environment */
    { .name = "env", VARIABLES(read_environment), AT(app.env), .fallback = "{}",
      .help = "its environment variables" },
    { .name = "env_file", PATH, AT(app.env_file),
      .help = "a file of NAME=value lines; env goes before it" },
    { .name = "env_*", VARIABLES(read_named_environment), AT(env_named),
      .help = "variables that hold over env with --env NAME" },
    { .name = "filter_env", OWN_KIND(filter), BOOL_OR_TEXTS, AT(app), .fallback = "false",
      .help = "inherited variables whose names hold one of these are left out; true: all" },

    /* how many */
    { .name = "instances", .read = read_instances, .same = same_int, LIVE, AT(app.instances), .fallback = "1",
      .least = -MANIFEST_INSTANCES_MAX, .most = MANIFEST_INSTANCES_MAX,
      .wants = "a whole number from -4096 to 4096, or \"max\"",
      .help = "copies of it; 0 or \"max\": one for each processor; -n: n fewer than that" },
    { .name = "instance_var", VARIABLE, AT(app.instance_var), .fallback = "\"NODE_APP_INSTANCE\"",
      .help = "the variable that tells an instance its number" },
    { .name = "increment_var", VARIABLE, AT(app.increment_var),
      .help = "a variable that counts up from instance to instance, from what env says or 0" },
    { .name = "exec_mode", CHOICE("fork cluster fork_mode cluster_mode"), IGNORED, .fallback = "\"fork\"",
      .note = "is accepted; every instance is a process of its own, and \"listen\" lets them share a socket",
      .help = "PM2's modes; an instance is a process of its own in each of them" },

    /* after an exit */
    { .name = "autorestart", BOOL, LIVE, AT(app.restart.autorestart), .fallback = "true",
      .help = "false: leave it when it exits" },
    { .name = "stop_exit_codes", OWN_KIND(exit_codes), LIVE, AT(app.restart),
      .wants = "exit codes: whole numbers from 0 to 255",
      .help = "exit codes after which it is left alone" },
    { .name = "min_uptime", DURATION, LIVE, AT(app.restart.min_uptime_ms), .fallback = "1000",
      .help = "an exit before this counts as unstable" },
    { .name = "max_restarts", WHOLE_FROM(0), LIVE, AT(app.restart.max_restarts), .fallback = "16",
      .help = "so many unstable exits in a row, and it is given up" },
    { .name = "restart_delay", DURATION, LIVE, AT(app.restart.restart_delay_ms), .fallback = "0",
      .help = "a fixed delay before a restart; 0: at once; not given: backoff decides" },
    { .name = "exp_backoff_restart_delay", DURATION, AT(exp_backoff_ms), .fallback = "0",
      .help = "PM2's back-off: from this delay, times 1.5, to 15 s; goes before restart_delay" },
    { .name = "backoff", OWN_KIND(backoff), LIVE, AT(app.restart.backoff),
      .fallback = "{\"initial\":100,\"factor\":1.5,\"max\":\"15s\",\"reset_after\":\"30s\",\"jitter\":10}",
      .wants = "an object such as {\"initial\": \"100ms\", \"factor\": 1.5, \"max\": \"15s\"}",
      .help = "how the delay before a restart grows" },
    { .name = "restart_window", DURATION, LIVE, AT(app.restart.restart_window_ms), .fallback = "0",
      .help = "max_restarts exits within it, however long each lived, and it is given up; 0: off" },

    { .name = "stdin", BOOL, AT(app.reads_lines), .fallback = "false",
      .help = "true: its standard input is a pipe, for `opsctl send`; otherwise it is empty" },

    /* its end */
    { .name = "kill_signal", .read = read_signal, .same = same_int, LIVE, AT(app.kill_signal),
      .fallback = "\"SIGINT\"", .wants = "a signal's name or number", .help = "what asks it to stop" },
    { .name = "kill_timeout", DURATION, LIVE, AT(app.kill_timeout_ms), .fallback = "1600",
      .help = "after this it is killed, with all that it started" },
    { .name = "treekill", BOOL, LIVE, AT(app.treekill), .fallback = "true",
      .help = "false: spare descendants that left its process group" },
    { .name = "shutdown_with_message", BOOL, AT(app.shutdown_with_message), .fallback = "false",
      .help = "ask by Node's message \"shutdown\" instead of a signal" },

    /* when it counts as up */
    { .name = "ready", OWN_KIND(ready), AT(app),
      .wants = "\"notify\", or an object of one of exec, fd, tcp, unix, http, log",
      .help = "what tells that it is ready; at once, when not given" },
    { .name = "wait_ready", BOOL, AT(wait_ready), .fallback = "false",
      .help = "ready is what says process.send('ready') in Node, or READY=1" },
    { .name = "listen_timeout", DURATION, LIVE, AT(app.listen_timeout_ms), .fallback = "3000",
      .help = "not ready within it is a failed start; 30 s when ready is given" },
    { .name = "watchdog", DURATION, AT(app.watchdog_ms), .fallback = "0",
      .help = "restart it when WATCHDOG=1 does not come within this; 0: off" },
    { .name = "depends_on", OWN_KIND(dependencies), LIVE, AT(app),
      .wants = "a list of names, or an object of names and conditions (ready, completed, started)",
      .help = "what has to be up before it is started" },

    /* schedules */
    { .name = "schedule", OWN_KIND(schedule), LIVE, AT(app), .wants = "a cron expression",
      .help = "run once at each of these times: five cron fields, six with seconds, @daily, @every 90s" },
    { .name = "timezone", .read = read_zone, .same = same_text, LIVE, AT(app.timezone),
      .wants = "the name of a time zone, such as Europe/Moscow",
      .help = "whose clock the schedule follows; the system's by default" },
    { .name = "overlap", CHOICE("skip queue"), LIVE, AT(app.overlap), .fallback = "\"skip\"",
      .help = "a tick that comes while a run is under way is skipped or queued" },
    { .name = "catch_up", CHOICE("none once"), LIVE, AT(app.catch_up), .fallback = "\"none\"",
      .help = "ticks missed while nothing ran are dropped, or made up for by one run" },
    { .name = "jitter", DURATION, LIVE, AT(app.jitter_ms), .fallback = "0",
      .help = "start up to this much later, each tick of each worker differently" },
    { .name = "timeout", DURATION, LIVE, AT(app.timeout_ms), .fallback = "0",
      .help = "the longest a run may take; 0: no limit" },
    { .name = "run_on_start", BOOL, LIVE, AT(app.run_on_start), .fallback = "false",
      .help = "run once whenever it is started, too" },
    { .name = "cron_restart", .aliases = "cron", OWN_KIND(cron_restart), LIVE, AT(app),
      .fallback = "0", .wants = "a cron expression, or 0", .help = "restart a service at these times" },

    /* logs */
    { .name = "out_file", .aliases = "out output out_log", LOG_PATH, AT(app.out_file),
      .help = "where its output goes; logs/NAME-out.log by default" },
    { .name = "error_file", .aliases = "error err err_file err_log", LOG_PATH, AT(app.error_file),
      .help = "where its errors go; logs/NAME-error.log by default" },
    { .name = "disable_logs", BOOL, AT(app.disable_logs), .fallback = "false",
      .help = "keep no logs" },
    { .name = "log_file", .aliases = "log", OWN_KIND(log_file), AT(app), .fallback = "false",
      .wants = "true, false or a path",
      .help = "output and errors together in one more file; true: logs/NAME.log" },
    { .name = "merge_logs", .aliases = "combine_logs", BOOL, AT(app.merge_logs), .fallback = "false",
      .help = "one log for all instances" },
    { .name = "log_type", CHOICE("raw json"), LIVE, AT(app.log_type), .fallback = "\"raw\"",
      .help = "the form of a line; json: an object of timestamp, type, process_id, app_name, message" },
    { .name = "log_date_format", TEXT, LIVE, AT(app.log_date_format),
      .help = "a time in front of each line: PM2's tokens (YYYY-MM-DD HH:mm:ss.SSS), or strftime's with %" },
    { .name = "time", BOOL, AT(time), .fallback = "false",
      .help = "log_date_format YYYY-MM-DDTHH:mm:ss" },
    { .name = "log_max_size", SIZE, LIVE, AT(app.log_max_size), .fallback = "\"10M\"",
      .wants = "a size: whole bytes, or a text such as \"300M\"; 0: no limit",
      .help = "a log of this size is rotated; 0: never" },
    { .name = "log_keep", WHOLE_FROM(0), LIVE, AT(app.log_keep), .fallback = "5",
      .help = "rotated logs that are kept: NAME-out.log.1 is the newest" },
    { .name = "log_compress", BOOL, LIVE, AT(app.log_compress), .fallback = "false",
      .help = "compress rotated logs: NAME-out.log.1.gz" },
    { .name = "log_stall", DURATION, LIVE, AT(app.log_stall_ms), .fallback = "\"5s\"",
      .help = "after so long without room on the disk lines are counted and dropped" },

    /* what it may use */
    { .name = "uid", .aliases = "user", ID, AT(app.user), .help = "the user it runs as" },
    { .name = "gid", ID, AT(app.group), .help = "the group it runs as; its user's own by default" },
    { .name = "max_memory_restart", SIZE, LIVE, AT(app.max_memory), .least = 1, .wants = SIZE_WANTS,
      .help = "restart it when its processes hold more memory than this" },
    { .name = "limits", OWN_KIND(limits), AT(app.bounds.limits),
      .wants = "an object of nofile, as, core, nproc, cpu", .help = "resource limits" },
    { .name = "nice", WHOLE_WITHIN(-20, 19), AT(app.bounds.nice),
      .help = "its priority; opsd's by default" },
    { .name = "oom_score_adj", WHOLE_WITHIN(-1000, 1000), AT(app.bounds.oom_score_adj),
      .help = "how gladly the kernel kills it when memory runs out; as opsd by default" },
    { .name = "no_new_privs", BOOL, AT(app.bounds.no_new_privs), .fallback = "false",
      .help = "it cannot gain privileges" },
    { .name = "umask", .read = read_octal, .same = same_int, AT(app.bounds.umask),
      .wants = "an octal mask in quotes, such as \"027\"",
      .help = "permissions that its files never get; opsd's by default" },
    { .name = "listen", OWN_KIND(listen), AT(app), .wants = "a list of at most 32 addresses",
      .help = "sockets that are opened for it, tcp://127.0.0.1:8080 or unix:///path, and passed with "
              "LISTEN_FDS" },
    { .name = "port", WHOLE_WITHIN(0, 65535), AT(app.port), .fallback = "0",
      .help = "its PORT variable; 0: none" },
    { .name = "pid_file", .aliases = "pid", PATH, AT(app.pid_file),
      .help = "a file with its process id" },

    /* restart on changed files */
    { .name = "watch", OWN_KIND(watch), BOOL_OR_TEXTS, LIVE, AT(app), .fallback = "false",
      .help = "restart it when files change: these, from cwd, or with true all of cwd and the script" },
    { .name = "ignore_watch", TEXTS, LIVE, AT(app.watch_ignore), .fallback = "[]",
      .help = "files that watch leaves out" },
    { .name = "watch_delay", DURATION, LIVE, AT(app.watch_delay_ms), .fallback = "200",
      .help = "how long nothing more must change before the restart" },
    { .name = "watch_options", OBJECT, NODE, .help = "options of PM2's file watcher" },

    /* the rest of PM2's */
    { .name = "append_env_to_name", BOOL, LIVE, AT(app.append_env_to_name), .fallback = "false",
      .help = "add the name of --env to its name" },
    { .name = "name_prefix", TEXT, NODE,
      .help = "an option of PM2's programming interface" },
    { .name = "kill_retry_time", DURATION, .note = "is accepted but not needed: an exit is seen at once",
      IGNORED, .fallback = "100", .help = "how often PM2 looks whether it is gone" },
    { .name = "force", BOOL, NODE, .help = "PM2: start a script a second time" },
    { .name = "execute_command", BOOL, NODE, .help = "PM2: internal" },
    { .name = "install_url", TEXT, NODE, .help = "PM2: modules" },
    { .name = "username", TEXT, NODE, .help = "PM2: who started it" },
    { .name = "write", BOOL, NODE, .help = "PM2: internal" },
    { .name = "windowsHide", BOOL, NODE, .help = "PM2: on Windows" },
    { .name = "source_map_support", BOOL, NODE, .help = "Node's stack traces" },
    { .name = "disable_source_map_support", BOOL, NODE, .help = "Node's stack traces" },
    { .name = "vizion", BOOL, NODE, .help = "PM2: version control data" },
    { .name = "post_update", TEXTS, NODE, .help = "PM2: commands after a pull" },
    { .name = "pmx", ANYTHING, NODE, .help = "PM2: its monitoring service" },
    { .name = "automation", BOOL, NODE, .help = "PM2: its monitoring service" },
    { .name = "io", OBJECT, NODE, .help = "PM2: its monitoring service" },
    { .name = "trace", BOOL, NODE, .help = "PM2: its monitoring service" },
    { .name = "disable_trace", BOOL, NODE, .help = "PM2: its monitoring service" },
    { .name = "deep_monitoring", BOOL, NODE, .help = "PM2: its monitoring service" },
    { .name = "event_loop_inspector", BOOL, NODE, .help = "PM2: its monitoring service" },
    { .name = "v8", BOOL, NODE, .help = "PM2: its monitoring service" },
};
/* clang-format on */

const struct field_table app_fields = { .rows = rows, .count = sizeof rows / sizeof *rows };

_Static_assert(sizeof rows / sizeof *rows <= FIELDS_MAX, "struct given has room for every row");
_Static_assert(sizeof(enum overlap) == sizeof(int), "read_choice writes an int");
_Static_assert(offsetof(struct draft, app) == 0, "an offset in struct draft is one in struct app");
_Static_assert(MANIFEST_LISTEN_MAX == 32, "the wants of listen names it");
_Static_assert(MANIFEST_INSTANCES_MAX == 4096, "the wants of instances names it");

bool manifest_field_info(size_t i, struct manifest_field_info *ret)
{
    if (i >= app_fields.count)
        return false;
    *ret = (struct manifest_field_info){
        .name = rows[i].name,
        .aliases = rows[i].aliases ? rows[i].aliases : "",
        .wants = rows[i].wants,
        .fallback = rows[i].fallback ? rows[i].fallback : "",
        .help = rows[i].help,
    };
    return true;
}
