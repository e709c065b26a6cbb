#ifndef OPS_MANIFEST_H
#define OPS_MANIFEST_H
/*
 * ecosystem.json as data: PM2's form and field names, and ours (`opsctl help manifest`).
 *
 * Pure: text in, structures out; no clock, no file, no loop. One table of fields
 * (manifest_fields.c) is read by the parser, by the help and by the tests.
 *
 * Owner: manifest_parse allocates everything of one manifest together; manifest_free releases it.
 * Every text is UTF-8 without '\0'. Lists of texts end with NULL and are never NULL themselves.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "buf.h"
#include "cron.h"
#include "restart.h"

enum {
    MANIFEST_BYTES_MAX = 4 << 20,
    MANIFEST_APPS_MAX = 4096,
    MANIFEST_INSTANCES_MAX = 4096,
    MANIFEST_LISTEN_MAX = 32, /* sockets of one app */
    LISTEN_FDS_START = 3,     /* sd_listen_fds(3): the descriptor of the first of them */
};

typedef const char *const *texts;

enum ready_kind {
    READY_AT_ONCE, /* online as soon as it runs */
    READY_NOTIFY,  /* READY=1 on NOTIFY_SOCKET, sd_notify(3) */
    READY_EXEC,    /* a command that exits 0 */
    READY_FD,      /* a newline on that descriptor, as in s6 */
    READY_TCP,     /* something accepts on that port of 127.0.0.1 */
    READY_UNIX,    /* something accepts on that socket */
    READY_HTTP,    /* 2xx for that URL */
    READY_LOG,     /* that text in what it prints */
    READY_MESSAGE, /* PM2's wait_ready: process.send('ready') over Node's IPC, or READY=1 */
};

enum dependency_condition { DEPENDENCY_READY, DEPENDENCY_COMPLETED, DEPENDENCY_STARTED };

struct dependency {
    const char *name;
    enum dependency_condition condition;
    bool restart; /* whoever depends on it is restarted with it, also after a crash */
    int line;     /* where it stands in the file */
};

enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE };
enum catch_up { CATCH_UP_NONE, CATCH_UP_ONCE };
enum log_type { LOG_TYPE_RAW, LOG_TYPE_JSON };

/* A socket that opsd opens and hands to every instance of an app. */
struct listen_socket {
    const char *text; /* as the manifest writes it: tcp://127.0.0.1:8080, unix:///run/x */
    struct sockaddr_storage address;
    socklen_t length;
};

/* Resource limits, by their place in struct bounds. */
enum limit { LIMIT_NOFILE, LIMIT_AS, LIMIT_CORE, LIMIT_NPROC, LIMIT_CPU, LIMIT_COUNT };

/* What a limit is when it is no number; what the other bounds are when they were not given. */
enum { LIMIT_NONE = -1, LIMIT_INHERITED = -2, BOUND_INHERITED = INT32_MIN };

/* What a process may do and take, beyond being who it is. */
struct bounds {
    int64_t limits[LIMIT_COUNT]; /* bytes, or what else the resource counts */
    int nice, oom_score_adj, umask;
    bool no_new_privs;
};

struct app {
    const char *name;  /* what opsctl calls it */
    const char *space; /* PM2's namespace; "default" when not given */
    int line;          /* where it starts in the file */

    /* Absolute; or a bare word to be looked up in PATH. A word is bare when it has no slash, no
     * interpreter and no extension that manifest_app.c knows one for (.js .py .sh ...): "app.py" is
     * a file of the manifest's folder, "sleep" and "python3.11" are looked up. */
    const char *script;
    texts args;
    const char *interpreter; /* absolute, or to be looked up in PATH; NULL: script is run itself */
    texts interpreter_args;
    const char *cwd; /* absolute */
    texts env;       /* "NAME=value"; the manifest's own, env_NAME over env, without env_file */
    const char *env_file;
    texts shell_env;  /* never from the manifest: of the shell that started it by hand; below env */
    bool of_shell;    /* env was a shell's as well, so shell_env replaces it */
    bool filter_all;  /* nothing is inherited from opsd or shell_env */
    texts filter_env; /* nor are variables whose names hold one of these */
    int port;         /* PORT; 0: not given */
    bool reads_lines; /* its standard input is a pipe, for opsctl send; else it is empty */
    texts profiles;   /* empty: always part of the fleet */

    int instances; /* as given: 0 ("max") is one for each processor, -n is n fewer than that */
    const char *instance_var;
    const char *increment_var; /* counts up from instance to instance; NULL: none */
    bool autostart;
    bool append_env_to_name; /* name already has it */

    struct restart_policy restart;

    int kill_signal;
    int64_t kill_timeout_ms;
    bool treekill;              /* false: spare descendants that left the process group */
    bool shutdown_with_message; /* "shutdown" over Node's IPC instead of kill_signal */

    enum ready_kind ready;
    texts ready_exec;
    int ready_number;          /* READY_FD: the descriptor; READY_TCP: the port */
    const char *ready_text;    /* READY_UNIX: the path; READY_HTTP: the URL; READY_LOG: the text */
    int64_t listen_timeout_ms; /* how long it may take to become ready */
    int64_t watchdog_ms;       /* it must say WATCHDOG=1 at least this often; 0: it need not */

    const struct dependency *depends_on;
    size_t depends_count;

    bool scheduled; /* the fields below mean something */
    struct cron schedule;
    const char *schedule_text;
    const char *timezone; /* NULL: the system's; that it exists is for the caller to check */
    enum overlap overlap;
    bool run_on_start;
    int64_t jitter_ms;
    int64_t timeout_ms; /* longest run; 0: no limit */
    enum catch_up catch_up;

    /* A service is restarted when this is due, by the clock of timezone. */
    struct cron cron_restart;
    const char *cron_restart_text; /* NULL: it is not, and cron_restart means nothing */

    const char *out_file, *error_file; /* absolute, or NULL for logs/NAME-out.log and -error.log */
    bool disable_logs;
    bool log_both;        /* both streams go into one more file, too */
    const char *log_file; /* that file, absolute; NULL: logs/NAME.log */
    bool merge_logs;      /* one file for all instances */
    enum log_type log_type;
    const char *log_date_format; /* NULL: no time in front of the lines */
    int64_t log_max_size;        /* bytes; 0: never rotated */
    int log_keep;                /* rotated files */
    bool log_compress;
    int64_t log_stall_ms; /* the longest wait for room on the disk before lines are dropped */

    const char *user, *group; /* names or numbers, as given; NULL: opsd's (credentials.h) */
    struct bounds bounds;
    int64_t max_memory; /* bytes of all its processes; above it is restarted; 0: no limit */
    const struct listen_socket *listen;
    size_t listen_count;
    const char *pid_file; /* absolute, or NULL */

    bool watch;         /* restart it when one of these changes */
    texts watch_paths;  /* absolute */
    texts watch_ignore; /* as given, and those that name a path with cwd in front, too */
    int64_t watch_delay_ms;
};

struct manifest {
    struct app *apps;
    size_t count;
    struct arena *arena;
    const char *socket_group; /* whose members may ask opsd, too: a name or a number; NULL: none */
    int socket_group_line;    /* where it stands in the file */
};

/* The text of a manifest, and what it is read as. */
struct manifest_source {
    const char *text;
    size_t n;
    const char *folder;   /* absolute; what relative paths are relative to */
    const char *profile;  /* NULL: none; apps of other profiles are left out */
    const char *env_name; /* of --env: env_NAME holds over env; NULL: none */
};

/*
 * Parses a manifest. Dependencies on apps that the profile leaves out are left out, too.
 *
 * Returns 0 with ret filled, or -EINVAL, -E2BIG or -ENOMEM; then problems holds every error that
 * was found, one a line: `apps[3].max_restarts: want a whole number from 0, got "ten" (line 41)`.
 * On success problems may hold notes about fields that are accepted and mean nothing here.
 */
int manifest_parse(const struct manifest_source *source, struct manifest *ret,
                   struct buf *problems);

/* The same for whoever wants to say all at once what is wrong, the disk's errors too: with -EINVAL
 * ret holds the apps that are right by themselves, and is to be freed as well. Nothing of it is to
 * be run. */
int manifest_parse_most(const struct manifest_source *source, struct manifest *ret,
                        struct buf *problems);
void manifest_free(struct manifest *manifest);

/* The app of that name, or NULL. */
const struct app *manifest_find(const struct manifest *manifest, const char *name);

/* The next field, from *at on (0 at first), that means something else in b than in a: its name, and
 * whether a running process has to be restarted to get it. NULL when there is no other. A field
 * that is only another way to write one is told by that one: env for env_NAME, ready for
 * wait_ready, backoff for exp_backoff_restart_delay. shell_env is no field. */
const char *app_difference(const struct app *a, const struct app *b, size_t *at,
                           bool *ret_needs_restart);

/* No field differs that a running process depends on. */
bool app_same_process(const struct app *a, const struct app *b);

/* The table of fields, for help and for tests: false past the last. */
struct manifest_field_info {
    const char *name, *aliases, *wants, *fallback, *help;
};
bool manifest_field_info(size_t i, struct manifest_field_info *ret);

#endif
