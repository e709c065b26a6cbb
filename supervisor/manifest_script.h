#ifndef OPS_MANIFEST_SCRIPT_H
#define OPS_MANIFEST_SCRIPT_H
/*
 * `opsctl start SCRIPT -- ARGS` as a manifest of one app, so that what is started by hand is read,
 * kept and recovered as everything else is.
 */
#include "buf.h"
#include "err.h"
#include "manifest.h"

struct script_start {
    const char *script;      /* as the command line has it: a path, or a word of PATH */
    const char *name;        /* NULL: after the script */
    const char *interpreter; /* NULL: by the script's extension */
    const char *cwd;         /* absolute: of whoever starts it */
    texts args;              /* NULL: none */
    texts env;               /* NAME=value, of the shell; NULL: none. The first of a name counts */
};

/* Adds the manifest's text, which needs no folder to be read: every path in it is absolute. The
 * script is a file of cwd when manifest_app.h's script_is_file says so or an interpreter is named;
 * otherwise it stays a word of PATH. Variables that are not UTF-8 cannot be written and are left
 * out.
 *
 * Returns 0, -EINVAL when anything else is not UTF-8, -E2BIG, -EMSGSIZE (ret's limit) or -ENOMEM.
 */
int manifest_of_script(const struct script_start *start, struct buf *ret, struct err *reterr);

#endif
