#ifndef OPS_REPORT_H
#define OPS_REPORT_H
/*
 * Members that the JSON of a worker has wherever it is shown.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "json_write.h"
#include "restart.h"

/* An instant as text; 0: null. */
void report_instant(cJSON *object, const char *name, int64_t instant);

/* "exit_code" and "exit_signal" of an end, one of them null; both when it is not known. The second
 * for what is written as text. */
void report_status(cJSON *object, bool known, struct exit_status status);
void report_write_status(struct json_writer *w, bool known, struct exit_status status);

/* A number, or null when it is not known. */
void report_write_number(struct json_writer *w, const char *name, bool known, int64_t value);

#endif
