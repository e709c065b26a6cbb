/* The one table of an app's fields: PM2's with its names, aliases and defaults, and ours. The
 * parser, the help and the tests walk it. */
#include "manifest_fields.h"

#include "manifest_read.h"

/* Why a field is accepted and yet does nothing. */
#define LATER .note = "is accepted but not honoured yet", IGNORED
#define NODE .note = "is accepted but means nothing outside Node", IGNORED
#define IGNORED .offset = offsetof(struct draft, ignored)

#define AT(member) .offset = offsetof(struct draft, member)

#define ANYTHING .read = read_anything, .wants = "anything"
#define BOOL .read = read_bool, .wants = "true or false"
#define WHOLE_FROM(a) \
    .read = read_whole, .least = (a), .most = INT32_MAX, .wants = "a whole number from " #a
#define WHOLE(a, b) \
    .read = read_whole, .least = (a), .most = (b), .wants = "a whole number from " #a " to " #b
#define DURATION .read = read_duration, .most = DURATION_MOST, .wants = DURATION_WANTS
#define SIZE \
    .read = read_size, .least = 1, .wants = "a size: whole bytes from 1, or a text such as \"300M\""
#define CHOICE(words_) .read = read_choice, .words = (words_), .wants = "one of " words_
#define TEXT .read = read_text, .wants = "a text that is not empty"
#define NAME .read = read_name, .wants = NAME_WANTS
#define VARIABLE .read = read_variable, .wants = "the name of an environment variable"
#define PATH .read = read_path, .wants = "a path"
#define LOG_PATH .read = read_log_path, .wants = "a path"
#define ID .read = read_id, .wants = "a name or a number"
#define TEXTS .read = read_texts, .wants = "a list of texts, or one text"
#define ARGUMENTS .read = read_arguments, .wants = "a list of texts, or one text to be split"
#define BOOL_OR_TEXTS .read = read_bool_or_texts, .wants = "true, false, a text or a list of texts"
#define BOOL_OR_TEXT .read = read_bool_or_text, .wants = "true, false or a text"
#define VARIABLES .read = read_environment, .wants = "an object of names and values"
#define OBJECT .read = read_object, .wants = "an object"

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
    { .name = "namespace", NAME, AT(app.space), .fallback = "\"default\"",
      .help = "the group it belongs to; commands take it in place of a name" },
    { .name = "cwd", PATH, AT(app.cwd), .fallback = "\".\"",
      .help = "where it runs, from the manifest's folder" },
    { .name = "interpreter", .aliases = "exec_interpreter", TEXT, AT(app.interpreter),
      .help = "what runs the script; \"none\": the script itself; by its extension by default "
              "(.js .cjs .mjs .py .sh .rb .pl .php)" },
    { .name = "interpreter_args", .aliases = "node_args", ARGUMENTS,
      AT(app.interpreter_args), .fallback = "[]",
      .help = "arguments in front of the script" },
    { .name = "profiles", TEXTS, AT(app.profiles), .fallback = "[]",
      .help = "part of the fleet only under these profiles; always, when none is given" },
    { .name = "autostart", BOOL, AT(app.autostart), .fallback = "true",
      .help = "false: known, but not started with the others" },

    /* its environment */
    { .name = "env", VARIABLES, AT(app.env), .fallback = "{}",
      .help = "its environment variables" },
    { .name = "env_file", PATH, AT(app.env_file),
      .help = "a file of NAME=value lines; env goes before it" },
    { .name = "env_*", VARIABLES, LATER,
      .help = "variables that hold in addition with --env NAME" },
    { .name = "filter_env", BOOL_OR_TEXTS, LATER, .fallback = "false",
      .help = "inherited variables that are left out" },

    /* how many */
    { .name = "instances", .read = read_instances, AT(app.instances), .fallback = "1",
      .least = -MANIFEST_INSTANCES_MAX, .most = MANIFEST_INSTANCES_MAX,
      .wants = "a whole number from -4096 to 4096, or \"max\"",
      .help = "copies of it; 0 or \"max\": one for each processor; -n: n fewer than that" },
    { .name = "instance_var", VARIABLE, AT(app.instance_var), .fallback = "\"NODE_APP_INSTANCE\"",
      .help = "the variable that tells an instance its number" },
    { .name = "increment_var", VARIABLE, LATER,
      .help = "a variable of env that counts up from instance to instance" },
    { .name = "exec_mode", CHOICE("fork cluster fork_mode cluster_mode"), LATER, .fallback = "\"fork\"",
      .help = "PM2's modes; cluster shares Node's sockets" },

    /* after an exit */
    { .name = "autorestart", BOOL, AT(app.restart.autorestart), .fallback = "true",
      .help = "false: leave it when it exits" },
    { .name = "stop_exit_codes", .read = read_exit_codes, AT(app.restart),
      .wants = "exit codes: whole numbers from 0 to 255",
      .help = "exit codes after which it is left alone" },
    { .name = "min_uptime", DURATION, AT(app.restart.min_uptime_ms), .fallback = "1000",
      .help = "an exit before this counts as unstable" },
    { .name = "max_restarts", WHOLE_FROM(0), AT(app.restart.max_restarts), .fallback = "16",
      .help = "so many unstable exits in a row, and it is given up" },
    { .name = "restart_delay", DURATION, AT(app.restart.restart_delay_ms), .fallback = "0",
      .help = "a fixed delay before a restart; 0: backoff decides" },
    { .name = "exp_backoff_restart_delay", DURATION, AT(exp_backoff_ms), .fallback = "0",
      .help = "PM2's back-off: from this delay, times 1.5, to 15 s; goes before restart_delay" },
    { .name = "backoff", .read = read_backoff, AT(app.restart.backoff),
      .fallback = "{\"initial\":100,\"factor\":1.5,\"max\":\"15s\",\"reset_after\":\"30s\",\"jitter\":10}",
      .wants = "an object such as {\"initial\": \"100ms\", \"factor\": 1.5, \"max\": \"15s\"}",
      .help = "how the delay before a restart grows" },
    { .name = "restart_window", DURATION, AT(app.restart.restart_window_ms), .fallback = "0",
      .help = "max_restarts exits within it, however long each lived, and it is given up; 0: off" },

    /* its end */
    { .name = "kill_signal", .read = read_signal, AT(app.kill_signal), .fallback = "\"SIGINT\"",
      .wants = "a signal's name or number", .help = "what asks it to stop" },
    { .name = "kill_timeout", DURATION, AT(app.kill_timeout_ms), .fallback = "1600",
      .help = "after this it is killed, with all that it started" },
    { .name = "treekill", BOOL, LATER, .fallback = "true",
      .help = "false: spare descendants that left its process group" },
    { .name = "shutdown_with_message", BOOL, LATER, .fallback = "false",
      .help = "ask by Node's message \"shutdown\" instead of a signal" },

    /* when it counts as up */
    { .name = "ready", .read = read_ready, AT(app),
      .wants = "\"notify\", or an object of one of exec, fd, tcp, unix, http, log",
      .help = "what tells that it is ready; at once, when not given" },
    { .name = "wait_ready", BOOL, AT(wait_ready), .fallback = "false",
      .help = "PM2's word for ready: \"notify\"" },
    { .name = "listen_timeout", DURATION, AT(app.listen_timeout_ms), .fallback = "3000",
      .help = "not ready within it is a failed start; 30 s when ready is given" },
    { .name = "watchdog", DURATION, LATER,
      .help = "restart it when WATCHDOG=1 does not come within this" },
    { .name = "depends_on", .read = read_dependencies, AT(app),
      .wants = "a list of names, or an object of names and conditions (ready, completed, started)",
      .help = "what has to be up before it is started" },

    /* schedules */
    { .name = "schedule", .read = read_cron, AT(app.schedule), .wants = "a cron expression",
      .help = "run once at each of these times: five cron fields, six with seconds, @daily, @every 90s" },
    { .name = "timezone", .read = read_zone, AT(app.timezone),
      .wants = "the name of a time zone, such as Europe/Moscow",
      .help = "whose clock the schedule follows; the system's by default" },
    { .name = "overlap", CHOICE("skip queue"), AT(app.overlap), .fallback = "\"skip\"",
      .help = "a tick that comes while a run is under way is skipped or queued" },
    { .name = "catch_up", CHOICE("none once"), LATER, .fallback = "\"none\"",
      .help = "ticks missed while nothing ran are dropped, or made up for by one run" },
    { .name = "jitter", DURATION, AT(app.jitter_ms), .fallback = "0",
      .help = "start up to this much later, by chance" },
    { .name = "timeout", DURATION, AT(app.timeout_ms), .fallback = "0",
      .help = "the longest a run may take; 0: no limit" },
    { .name = "run_on_start", BOOL, AT(app.run_on_start), .fallback = "false",
      .help = "run once when the fleet starts, too" },
    { .name = "cron_restart", .aliases = "cron", .read = read_cron_restart, LATER, .fallback = "0",
      .wants = "a cron expression, or 0", .help = "restart a service at these times" },

    /* logs */
    { .name = "out_file", .aliases = "out output out_log", LOG_PATH, AT(app.out_file),
      .help = "where its output goes; logs/NAME-out.log by default" },
    { .name = "error_file", .aliases = "error err err_file err_log", LOG_PATH, AT(app.error_file),
      .help = "where its errors go; logs/NAME-error.log by default" },
    { .name = "disable_logs", BOOL, AT(app.disable_logs), .fallback = "false",
      .help = "keep no logs" },
    { .name = "log_file", .aliases = "log", BOOL_OR_TEXT, LATER, .fallback = "false",
      .help = "output and errors together in one more file" },
    { .name = "merge_logs", .aliases = "combine_logs", BOOL, LATER, .fallback = "false",
      .help = "one file for all instances" },
    { .name = "log_type", CHOICE("raw json"), LATER, .fallback = "\"raw\"",
      .help = "the form of a line" },
    { .name = "log_date_format", TEXT, LATER,
      .help = "a time in front of each line" },
    { .name = "time", BOOL, LATER, .fallback = "false",
      .help = "log_date_format YYYY-MM-DDTHH:mm:ss" },
    { .name = "log_max_size", SIZE, LATER, .fallback = "\"10M\"",
      .help = "a log of this size is rotated" },
    { .name = "log_keep", WHOLE_FROM(0), LATER, .fallback = "5",
      .help = "rotated logs that are kept" },
    { .name = "log_compress", BOOL, LATER, .fallback = "false",
      .help = "compress rotated logs" },
    { .name = "log_stall", DURATION, LATER, .fallback = "\"5s\"",
      .help = "after so long without room on the disk lines are counted and dropped" },

    /* what it may use */
    { .name = "uid", .aliases = "user", ID, LATER, .help = "the user it runs as" },
    { .name = "gid", ID, LATER, .help = "the group it runs as" },
    { .name = "max_memory_restart", SIZE, LATER,
      .help = "restart it when its processes hold more memory than this" },
    { .name = "limits", .read = read_limits, LATER,
      .wants = "an object of nofile, as, core, nproc, cpu", .help = "resource limits" },
    { .name = "nice", WHOLE(-20, 19), LATER, .fallback = "0", .help = "its priority" },
    { .name = "oom_score_adj", WHOLE(-1000, 1000), LATER, .fallback = "0",
      .help = "how gladly the kernel kills it when memory runs out" },
    { .name = "no_new_privs", BOOL, LATER, .fallback = "false",
      .help = "it cannot gain privileges" },
    { .name = "umask", .read = read_octal, LATER, .wants = "an octal mask in quotes, such as \"027\"",
      .help = "permissions that its files never get" },
    { .name = "listen", .read = read_addresses, LATER, .wants = "a list of addresses",
      .help = "sockets that are opened for it" },
    { .name = "port", WHOLE(0, 65535), LATER, .help = "its PORT variable" },
    { .name = "pid_file", .aliases = "pid", PATH, LATER, .help = "a file with its process id" },

    /* restart on changed files */
    { .name = "watch", BOOL_OR_TEXTS, LATER, .fallback = "false",
      .help = "restart it when files change" },
    { .name = "ignore_watch", TEXTS, LATER, .help = "files that watch leaves out" },
    { .name = "watch_delay", DURATION, LATER, .help = "how long watch waits for more changes" },
    { .name = "watch_options", OBJECT, LATER, .help = "options of PM2's file watcher" },

    /* the rest of PM2's */
    { .name = "append_env_to_name", BOOL, LATER, .fallback = "false",
      .help = "add the name of --env to its name" },
    { .name = "name_prefix", TEXT, LATER, .help = "text in front of its name" },
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
