#ifndef OPS_OPSCTL_H
#define OPS_OPSCTL_H
/*
 * What the parts of opsctl share: the table of commands with the function behind each, and the
 * session that a command works in.
 *
 * opsctl is a request and a reply: one thread, blocking, every wait in opsctl_client.c. To add a
 * command: a row in commands.h and a function command_WORD; parser, help and "did you mean"
 * follow from the row.
 */
#include <cjson/cJSON.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "commands.h"
#include "home.h"
#include "opsctl_args.h"
#include "opsctl_client.h"

struct session {
    const struct args *args;
    struct home home;
    struct client client;
    bool starts;         /* opsd, when it is not running */
    bool brings_its_own; /* what is to be started: a fleet without a manifest will do */
    bool shows_progress; /* there is a line on the terminal that is to go */
    const char
        *under_way; /* what opsd goes on with when its answer comes too late; NULL: nothing */
};

/* Finds the home of the options. Returns EXIT_DONE, or says why not and returns the exit code. */
int session_find_home(struct session *s);

/* The same and connects. Returns EXIT_DONE, or says on stderr why not and returns the exit code: 3
 * when no opsd runs, 5 when it is not ours to talk to. */
int session_open(struct session *s);

/* The same, and starts opsd when none runs. */
int session_open_or_start(struct session *s);

/* Sends a request (takes params; NULL means that memory ran out) and waits for its answer; 0 for
 * timeout_ms waits as long as it takes. A request that may be repeated is, when opsd was replaced
 * before it answered. Returns EXIT_DONE with *ret, the caller's to delete, or says on stderr what
 * is wrong and returns the exit code. */
int session_ask(struct session *s, const char *method, cJSON *params, int64_t timeout_ms,
                cJSON **ret);

/* The connection was cut. Connects to the opsd that took over; returns false when there is none. */
bool session_reconnect(struct session *s);

/* The same for whoever is to ask again; how.text says how it was cut. Returns EXIT_DONE, or says
 * that opsd is gone and returns the exit code. */
int session_go_on(struct session *s, const struct err *how);

/* For a request that cannot be repeated: says what it means, and returns the exit code. */
int session_cut(struct session *s, const struct err *how);

/* What a command does with a stream of notifications; view is its own. */
struct session_stream {
    /* Returns 0 or a negative errno. */
    int (*take)(void *view, const struct message *m);
    /* The connection was cut, how.text saying how: asks again or not. Returns EXIT_DONE, or the
     * exit code after having said what is wrong. */
    int (*go_on)(struct session *s, void *view, const struct err *how);
    const char *unshown; /* "a line of a log cannot be shown" */
};

/* Takes notifications until the answer, or until nobody wants to see more. Returns the exit code,
 * after having said what is wrong. */
int session_stream(struct session *s, const struct session_stream *stream, void *view);

/* How long a command that only reads waits for its answer. */
int64_t session_timeout_ms(const struct session *s);

/* The same for one whose wait opsd ends itself, at the time that was asked for; 0: as long as it
 * takes. */
int64_t session_patience_ms(const struct session *s);

/* {"names":[…]} of all words, or of those after the first n. NULL when memory ran out. */
cJSON *session_names_params(const struct session *s, size_t n);

/* {"name":…} when a name was given, else {}; for methods that show one worker or all. NULL when
 * memory ran out. */
cJSON *session_name_params(const struct session *s);

/* How opsctl exits for a process that ended so ("exit_code", "exit_signal"): with its code, or 128
 * and the signal, as a shell does. */
int session_exit_code(const cJSON *end);

/* Says an error answer on stderr, with the problems of the manifest or the last lines of the
 * workers that failed, and returns the exit code that belongs to it. */
int session_refused(const cJSON *error);

enum { SPAWN_REASON_MAX = 1 << 20 };

/* opsd beside our own binary; else just its name, to be looked for in PATH. */
const char *spawn_find_opsd(char path[static PATH_MAX]);

/* Starts opsd for this home; returns once it answers. Returns 0, or a negative errno with what opsd
 * said added to reason, perhaps several lines of it. */
int spawn_opsd(const struct session *session, struct buf *reason);

/* From now on a failure is printed on stdout as well, as {"error":{"code","message","data"}},
 * unless a document was printed before it. */
void failure_as_document(void);

/* Prints "opsctl: …" on stderr, each line of the text so, and returns code; unless that is 0 this
 * is the failure of the command. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints one JSON document with a newline on stdout. Returns EXIT_DONE or EXIT_FAILED. */
int print_json(const cJSON *document);

typedef int command_run(struct session *s);

struct command {
    const char *word, *method, *arguments, *help;
    int least, most;
    enum who who;
    enum repeat repeat;
    command_run *run; /* returns the exit code */
};

/* FILE.json: where workers are named, it means those that come from it. */
bool word_is_manifest(const char *word);

struct alias {
    const char *word, *of;
};

/* Every command of commands.h in its order, and every other word for one; both end with a row
 * whose word is NULL. */
extern const struct command commands[];
extern const struct alias aliases[];

/* By word or alias; NULL when there is none. */
const struct command *command_find(const char *word);

/* What has the place of a command of PM2's; NULL: nothing, or it has the same name. */
const char *command_here(const char *word);

/* The nearest word for "did you mean"; NULL when none is near. */
const char *command_nearest(const char *word);

/* Runs the management command of that name (libexec.h) with the rest of the words, or with --help.
 * Does not come back when there is one; else says so and returns the exit code. */
int manage(struct session *s, const char *word, bool help);

/* Prints the list of commands, or one of them with its options. */
void help_print(FILE *to);
void help_print_command(FILE *to, const struct command *command);

/* The same as one document: all commands (NULL), or that one, with their options, and the
 * management commands. Returns the exit code. */
int help_print_json(const struct command *only);

/* What its row has no room for, in lines; NULL: nothing. */
const char *help_remark(const struct command *command);

#define COMMAND_DECLARE(word, ...) command_run command_##word;
OPS_COMMANDS(COMMAND_DECLARE)
OPS_LOCAL_COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
