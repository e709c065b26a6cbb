#ifndef OPS_OPSCTL_STAT_H
#define OPS_OPSCTL_STAT_H
/*
 * The table of `opsctl stat`, once (opsctl_stat.c) or again and again (opsctl_watch.c).
 */
#include <stdio.h>

#include "opsctl.h"
#include "opsctl_display.h"

/* {"name":…?,"sparse":true}; whole rows for --json. NULL when memory ran out. */
cJSON *stat_params(const struct session *s);

/* Prints the rows as a table. Returns 0, -ENOMEM or -EMSGSIZE. */
int stat_print(FILE *to, const struct terminal *terminal, const cJSON *workers);

/* Shows the table anew every second until a signal ends it. Returns the exit code. */
int stat_watch(struct session *s);

#endif
