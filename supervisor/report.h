#ifndef OPS_REPORT_H
#define OPS_REPORT_H
/*
 * Members that the JSON of a worker has wherever it is shown.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "restart.h"

/* An instant as text; 0: null. */
void report_instant(cJSON *object, const char *name, int64_t instant);

/* "exit_code" and "exit_signal" of an end, one of them null; both when it is not known. */
void report_status(cJSON *object, bool known, struct exit_status status);

#endif
