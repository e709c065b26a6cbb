#ifndef OPS_OPSCTL_OUTPUT_H
#define OPS_OPSCTL_OUTPUT_H
/*
 * Lines that workers printed, as "log" and "output" notifications carry them, and the signals that
 * end looking at them.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "buf.h"

/* Puts the bytes of the line that params carries, as text or as base64, into line. Returns 0,
 * -EPROTO (neither, or no base64) or -ENOMEM. */
int output_read(const cJSON *params, struct buf *line);

/* Prints a line and its newline: safe for a terminal, or the bytes as they are. Returns 0 or
 * -ENOMEM; a failed write is left to ferror(3). */
int output_print(FILE *to, const struct buf *line, bool raw);

/* True when params is about standard error. */
bool output_is_err(const cJSON *params);

/* From now on the first SIGINT or SIGTERM ends client_next with -EINTR, the second the program.
 * Signals that were ignored stay so (nohup(1), background jobs). */
void output_catch_interrupts(void);

#endif
