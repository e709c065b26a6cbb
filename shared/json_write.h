#ifndef OPS_JSON_WRITE_H
#define OPS_JSON_WRITE_H
/*
 * JSON as text, written from front to back: for long answers, where a tree of cJSON's would cost
 * ten times as much. Commas are set here; brackets are the caller's to match.
 *
 * Names are ours and need no escaping. In an array the name is NULL.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct json_writer {
    struct buf text;
    bool sparse; /* members that are null or false are left out */
    int error;   /* the first failure: -ENOMEM, -EMSGSIZE; all that follows does nothing */
};

void json_write_init(struct json_writer *w, size_t bytes_max);
void json_write_done(struct json_writer *w);
#define OWN_JSON_WRITER __attribute__((cleanup(json_write_done)))

/* open is '{' or '[', close what belongs to it. */
void json_write_open(struct json_writer *w, const char *name, char open);
void json_write_close(struct json_writer *w, char close);

/* What is not UTF-8 becomes U+FFFD, NULL becomes null. */
void json_write_text(struct json_writer *w, const char *name, const char *text_or_null);
void json_write_int(struct json_writer *w, const char *name, int64_t value);
void json_write_bool(struct json_writer *w, const char *name, bool value);
void json_write_null(struct json_writer *w, const char *name);

/* A number with one digit behind the point: 125 is 12.5, 120 is 12. */
void json_write_tenths(struct json_writer *w, const char *name, uint64_t tenths);

/* A tree, as cJSON prints it; NULL (memory ran out) is a failure. */
void json_write_item(struct json_writer *w, const char *name, const cJSON *item);

/* What was written, as a value of a tree; the writer is empty then. NULL after a failure. */
cJSON *json_write_take(struct json_writer *w);

#endif
