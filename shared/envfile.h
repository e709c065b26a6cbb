#ifndef OPS_ENVFILE_H
#define OPS_ENVFILE_H
/*
 * .env files: NAME=value a line, # comments, optional `export`, values bare, in '…' (literal) or
 * "…" (\n \t \" \\ \$ understood). Nothing is expanded or executed.
 */
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum { ENVFILE_BYTES_MAX = 1 << 20 };

/* Called for each line; a negative return ends the reading with it. */
typedef int envfile_each(void *context, const char *name, const char *value);

/* Reads text line by line. Returns 0, -EINVAL with the line's number in reterr, or what each
 * returned. */
int envfile_parse(const char *text, envfile_each *each, void *context, struct err *reterr);

/* The same for a file. -ENOENT when there is none. ret_exposed (may be NULL) tells that group or
 * others may read it. */
int envfile_read(const char *path, envfile_each *each, void *context, bool *ret_exposed,
                 struct err *reterr);

#endif
