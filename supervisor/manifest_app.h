#ifndef OPS_MANIFEST_APP_H
#define OPS_MANIFEST_APP_H
/*
 * One app of a manifest: its fields read by the table, then made to fit together.
 */
#include "manifest_fields.h"

/* The fallbacks of every field, which each app starts from. Returns 0 or -ENOMEM. */
int app_defaults(struct reader *reader, struct draft *ret);

/* Reads the object at place. Returns 0, -EBADMSG when errors were reported (ret then holds what
 * could be read, its name among it unless that was wrong: NULL), or -ENOMEM. */
int app_read(struct reader *reader, const struct place *place, const struct draft *defaults,
             struct app *ret);

/* Whether a script that nobody names an interpreter for is a file, and no word to be looked up in
 * PATH: it has a slash, or an extension that tells what runs it. */
bool script_is_file(const char *script);

#endif
