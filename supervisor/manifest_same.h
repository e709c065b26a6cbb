#ifndef OPS_MANIFEST_SAME_H
#define OPS_MANIFEST_SAME_H
/*
 * Whether two results of a field mean the same: one field_same (manifest_fields.h) for each kind of
 * result. Those for one kind of field get what its reader was given.
 */
#include "manifest_fields.h"

field_same same_bool;
field_same same_int; /* and enums */
field_same same_int64;
field_same same_text; /* NULL is a value, too */
field_same same_texts;

field_same same_limits;     /* int64_t[LIMIT_COUNT] */
field_same same_backoff;    /* struct backoff */
field_same same_exit_codes; /* struct restart_policy */

/* struct app */
field_same same_ready;
field_same same_dependencies;
field_same same_schedule;
field_same same_cron_restart;
field_same same_listen;
field_same same_filter;
field_same same_watch;
field_same same_log_file;

#endif
