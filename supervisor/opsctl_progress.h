#ifndef OPS_OPSCTL_PROGRESS_H
#define OPS_OPSCTL_PROGRESS_H
/*
 * How far a command is that concerns many workers: "37 of 100 started", one line on a terminal,
 * written over until the answer is there. On standard error, so that it never stands in what is
 * read by another program.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "opsctl.h"

/* Whether anybody would see it. */
bool progress_is_wanted(void);

/* Shows what the notification "progress" says. */
void progress_show(struct session *s, const cJSON *params);

/* Takes the line away again, if there is one. */
void progress_end(struct session *s);

#endif
