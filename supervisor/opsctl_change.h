#ifndef OPS_OPSCTL_CHANGE_H
#define OPS_OPSCTL_CHANGE_H
/*
 * What the commands that change the fleet have in common (opsctl_control.c, opsctl_start.c).
 */
#include "opsctl.h"

/* {"names":[…],"wait":…} and what else the options say. NULL when memory ran out. */
cJSON *selection_params(const struct session *s);

/* The environment of this process as an object; what is not UTF-8 is left out. NULL when memory ran
 * out. */
cJSON *own_environment(void);

/* Asks for a change (takes params) and shows what became of the workers. */
int change_with(struct session *s, cJSON *params, int64_t timeout_ms);

/* Notes about the manifest, on stderr. */
void print_notes(const cJSON *result);

#endif
