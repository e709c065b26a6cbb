#ifndef OPS_WIRE_H
#define OPS_WIRE_H
/*
 * JSON-RPC 2.0 as lines: one object a line, in both directions. Pure; fuzzed.
 *
 * History of the protocol:
 *   1   first version: requests with id, notifications from the server while a request runs
 */
#include <cjson/cJSON.h>
#include <stddef.h>

#include "commands.h"

enum {
    /* The longest request: a manifest of 4,096 names fits many times over. */
    WIRE_REQUEST_MAX = 1 << 20,
};

struct wire_request {
    cJSON *id; /* a copy: number, text or null; NULL for a notification, which gets no answer */
    char method[32];
    cJSON *params; /* an object; empty when none was given */
};

/* Reads one line without its newline. Returns 0 with ret filled (wire_request_done), or the
 * wire_error to answer with; then ret->id is what could be made out of the id (NULL: unknown),
 * and *ret_why says what is wrong, a constant text. */
int wire_parse(const char *line, size_t n, struct wire_request *ret, const char **ret_why);
void wire_request_done(struct wire_request *request);

/* Lines to send, with their newline; NULL when memory ran out. They take result, params and data;
 * id is copied (NULL becomes null). The caller frees the text. */
char *wire_result(const cJSON *id, cJSON *result);
char *wire_failure(const cJSON *id, int code, const char *message, cJSON *data);
char *wire_notification(const char *method, cJSON *params);

#endif
