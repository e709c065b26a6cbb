#ifndef OPS_MANIFEST_READ_H
#define OPS_MANIFEST_READ_H
/*
 * The kinds of values that a manifest's fields have: one field_read (manifest_fields.h) for each.
 * Beside each stands what it writes to.
 */
#include "manifest_fields.h"

/* A hundred years in ms, which is also duration_parse's own bound. */
#define DURATION_MOST INT64_C(3155760000000)
#define DURATION_WANTS "a duration: whole milliseconds, or a text such as \"30s\""

/* Plain values: manifest_read.c. */
field_read read_anything;  /* nothing */
field_read read_bool;      /* bool */
field_read read_whole;     /* int */
field_read read_real;      /* double */
field_read read_duration;  /* int64_t, ms */
field_read read_size;      /* int64_t, bytes; "unlimited" is -1 */
field_read read_choice;    /* an enum, by field->words */
field_read read_text;      /* const char *; not empty */
field_read read_name;      /* const char *; name_is_sane */
field_read read_variable;  /* const char *, the name of an environment variable */
field_read read_path;      /* const char *, absolute */
field_read read_log_path;  /* const char *, absolute; PM2's "NULL" is /dev/null */
field_read read_zone;      /* const char *, the form of an IANA name */
field_read read_signal;    /* int */
field_read read_instances; /* int; "max" is 0 */
field_read read_octal;     /* int */
field_read read_id;        /* nothing: a user's or group's number or name */

/* Lists: manifest_lists.c. */
field_read read_texts;         /* texts; one text will do for a list of one */
field_read read_arguments;     /* texts; a text is split as a shell would */
field_read read_addresses;     /* texts: tcp://..., unix://... */
field_read read_bool_or_texts; /* nothing */
field_read read_bool_or_text;  /* nothing */
field_read read_environment;   /* texts: NAME=value */
field_read read_exit_codes;    /* struct restart_policy */

/* Objects: manifest_objects.c. */
field_read read_object;       /* nothing */
field_read read_backoff;      /* struct backoff */
field_read read_ready;        /* struct app: ready, ready_exec */
field_read read_dependencies; /* struct app: depends_on, depends_count */
field_read read_limits;       /* nothing */
field_read read_cron;         /* struct cron */
field_read read_cron_restart; /* struct cron; 0 is none */

/* What an app and a namespace may be called: the command line takes names, ids and "all" in the
 * same place, and logs are named after them. */
#define NAME_WANTS                                                                              \
    "a name of letters, digits, dots, dashes and underscores (at most 64, the first no dot or " \
    "dash, not all digits, not \"all\")"
bool name_is_sane(const char *name);

/* path itself when absolute, else what it means in the reader's folder; NULL: no memory. */
const char *path_within(const struct reader *reader, const char *path);

/* A number or a boolean as the text that JSON writes for it, a text as it is. Returns 0, -EINVAL
 * for other values and for whole numbers beyond 2^53, which JSON readers do not keep, or -ENOMEM.
 */
int scalar_text(const struct reader *reader, const cJSON *value, const char **ret);

/* A whole number, written as such or as text, within least..most. Returns 0 or -EINVAL. */
int whole_number(const cJSON *value, int64_t least, int64_t most, int64_t *ret);

#endif
