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
field_read read_id;        /* const char *: a user's or group's name, or its number */

/* Lists: manifest_lists.c. */
field_read read_texts;      /* texts; one text will do for a list of one */
field_read read_arguments;  /* texts; a text is split as a shell would */
field_read read_exit_codes; /* struct restart_policy */
field_read read_filter;     /* struct app: filter_all, filter_env */
field_read read_watch;      /* struct app: watch, watch_paths as given */
field_read read_log_file;   /* struct app: log_both, log_file */

/* Variables: manifest_variables.c. */
field_read read_environment;       /* texts: NAME=value */
field_read read_named_environment; /* texts; only when the field's name ends in reader->env_name */

/* Addresses: manifest_address.c. */
field_read read_listen;      /* struct app: listen, listen_count */
field_read read_socket_path; /* const char *, absolute and not longer than sun_path */
field_read read_url;         /* const char *: plain http, and a host that needs no resolver */
#define URL_WANTS "a URL such as http://127.0.0.1:8080/health"
#define SOCKET_PATH_WANTS "the path of a socket, at most 107 bytes with its folder"

/* Objects: manifest_objects.c. */
field_read read_object;       /* nothing */
field_read read_backoff;      /* struct backoff */
field_read read_ready;        /* struct app: ready and ready_... */
field_read read_dependencies; /* struct app: depends_on, depends_count */
field_read read_limits;       /* int64_t[LIMIT_COUNT] */
field_read read_schedule;     /* struct app: scheduled, schedule, schedule_text */
field_read read_cron_restart; /* struct app: cron_restart, cron_restart_text; 0 is none */

/* A list with one entry for each element of an array or member of an object, made by add: 0 with
 * *ret set, or NULL for none; -EBADMSG when reported; -ENOMEM. Returns the same. */
typedef int listing_add(struct reader *reader, const struct place *place, const char **ret);
int list_children(struct reader *reader, const struct place *list, listing_add *add, texts *ret);

/* The variables of both lists; above wins. Returns 0 or -ENOMEM. */
int merge_variables(const struct reader *reader, texts below, texts above, texts *ret);

/* Reads reader->deploy_env from PM2's "deploy" object, when it says anything about
 * reader->env_name.
 */
int read_deploy_environment(struct reader *reader, const struct place *deploy);

/* What an app and a namespace may be called: the command line takes names, ids and "all" in the
 * same place, and logs are named after them. */
#define NAME_WANTS                                                                              \
    "a name of letters, digits, dots, dashes and underscores (at most 64, the first no dot or " \
    "dash, not all digits, not \"all\")"
bool name_is_sane(const char *name);

/* path itself when absolute, else what it means in the reader's folder, or in another one; NULL: no
 * memory. */
const char *path_within(const struct reader *reader, const char *path);
const char *path_join(const struct reader *reader, const char *folder, const char *path);

/* A number or a boolean as the text that JSON writes for it, a text as it is. Returns 0, -EINVAL
 * for other values and for whole numbers beyond 2^53, which JSON readers do not keep, or -ENOMEM.
 */
int scalar_text(const struct reader *reader, const cJSON *value, const char **ret);

/* A whole number, written as such or as text, within least..most. Returns 0 or -EINVAL. */
int whole_number(const cJSON *value, int64_t least, int64_t most, int64_t *ret);

#endif
