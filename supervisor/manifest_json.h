#ifndef OPS_MANIFEST_JSON_H
#define OPS_MANIFEST_JSON_H
/*
 * A manifest's text as a cJSON tree whose values know their lines.
 *
 * JSON with comments of both kinds; a byte order mark is skipped. The line of each value is kept in
 * its valueint, which cJSON 1.7 calls deprecated and which nothing else here reads: value_line.
 */
#include <cjson/cJSON.h>
#include <stddef.h>

#include "manifest_problems.h"

/* Returns 0 (the caller deletes *ret), -E2BIG, -EINVAL or -ENOMEM; all but the last are explained
 * in problems. Keys given twice are not looked for here. */
int manifest_json_parse(const char *text, size_t n, cJSON **ret, struct problems *problems);

/* Adds an error for every key that an object at or below value holds twice. up: the place of
 * value; NULL for the top of the file. Returns 0 or -ENOMEM. */
int manifest_json_find_repeated(const cJSON *value, const struct place *up,
                                struct problems *problems);

#endif
