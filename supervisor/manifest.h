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
#include <sys/types.h>

#include "buf.h"
#include "cron.h"
#include "restart.h"

enum { MANIFEST_BYTES_MAX = 4 << 20, MANIFEST_APPS_MAX = 4096, MANIFEST_INSTANCES_MAX = 4096 };

typedef const char *const *texts;

enum ready_kind {
    READY_AT_ONCE, /* online as soon as it runs */
    READY_NOTIFY,  /* READY=1 on NOTIFY_SOCKET, sd_notify(3) */
    READY_EXEC,    /* a command that exits 0 */
};

enum dependency_condition { DEPENDENCY_READY, DEPENDENCY_COMPLETED, DEPENDENCY_STARTED };

struct dependency {
    const char *name;
    enum dependency_condition condition;
    int line; /* where it stands in the file */
};

enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE };

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
    texts env;       /* "NAME=value"; the manifest's own, without env_file */
    const char *env_file;
    texts profiles; /* empty: always part of the fleet */

    int instances; /* as given: 0 ("max") is one for each processor, -n is n fewer than that */
    const char *instance_var;
    bool autostart;

    struct restart_policy restart;

    int kill_signal;
    int64_t kill_timeout_ms;

    enum ready_kind ready;
    texts ready_exec;
    int64_t listen_timeout_ms; /* how long it may take to become ready */

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

    const char *out_file, *error_file; /* absolute, or NULL for logs/NAME-out.log and -error.log */
    bool disable_logs;
};

struct manifest {
    struct app *apps;
    size_t count;
    struct arena *arena;
};

/* The text of a manifest, and what it is read as. */
struct manifest_source {
    const char *text;
    size_t n;
    const char *folder;  /* absolute; what relative paths are relative to */
    const char *profile; /* NULL: none; apps of other profiles are left out */
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
void manifest_free(struct manifest *manifest);

/* The app of that name, or NULL. */
const struct app *manifest_find(const struct manifest *manifest, const char *name);

/* The table of fields, for help and for tests: false past the last. */
struct manifest_field_info {
    const char *name, *aliases, *wants, *fallback, *help;
};
bool manifest_field_info(size_t i, struct manifest_field_info *ret);

#endif
