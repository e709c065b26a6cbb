#ifndef OPS_JSON_H
#define OPS_JSON_H
/*
 * Strict JSON on top of cJSON, which accepts more than we want and turns every number into a
 * double (cJSON 1.7: trailing text is accepted, GetObjectItem ignores case, duplicates are kept).
 *
 * Ids are 64 bits: json_get_id reads a whole number up to 2^53 or a decimal text. Money is never
 * read as a number: json_get_text only.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { JSON_DEPTH_MAX = 32 };

/* Parses exactly one document of n bytes at text; text[n] must be '\0'. Refuses what is not
 * UTF-8, trailing text, nesting deeper than JSON_DEPTH_MAX and a key given twice. The caller
 * deletes *ret (OWN(json)). Returns 0, -EINVAL, -EMSGSIZE (too deep) or -ENOMEM. */
int json_parse(const char *text, size_t n, cJSON **ret, struct err *reterr);

/* Takes U+0000 out of the strings of a valid document, in place: PostgreSQL's jsonb has no room for
 * it (documentation, 8.14), so that one in a text that nobody needs would spoil all of the
 * document. text[n] is '\0', also for the new n, which it returns. */
size_t json_strip_nul(char *text, size_t n);

/* Calls for each member whose name an earlier one of the object has, with the last of those: in the
 * order of the text or, where there are many, of the names. Returns 0 or -ENOMEM. */
typedef void json_repeated(void *context, const cJSON *before, const cJSON *again);
int json_each_repeated(const cJSON *object, json_repeated *each, void *context);

/* Members by exact name; NULL, false or -ENOENT when absent or of another type. The pointers live
 * as long as object. */
const cJSON *json_get(const cJSON *object, const char *name);
const char *json_get_text(const cJSON *object, const char *name);
bool json_get_bool(const cJSON *object, const char *name);
int json_get_id(const cJSON *object, const char *name, int64_t *ret);

/* The same for an item that is at hand; NULL is absent. */
int json_id(const cJSON *item, int64_t *ret);

/* As json_get_text after walking names separated by dots: "amount.value". */
const char *json_path_text(const cJSON *object, const char *path);

/* A JSON text of any n bytes: what is not UTF-8 becomes U+FFFD. NULL when memory ran out. */
cJSON *json_lossy_text(const char *bytes, size_t n);

/* Builders that cannot half-fail: they return false when memory ran out. What is not UTF-8 in text
 * (a text that was cut, too) becomes U+FFFD, so that a document is always a valid one. */
bool json_put_text(cJSON *object, const char *name, const char *text_or_null);
bool json_put_int(cJSON *object, const char *name, int64_t value);
bool json_put_bool(cJSON *object, const char *name, bool value);
bool json_put_null(cJSON *object, const char *name);
/* Takes member, also on failure. */
bool json_put(cJSON *object, const char *name, cJSON *member);

#endif
