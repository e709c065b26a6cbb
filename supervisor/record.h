#ifndef OPS_RECORD_H
#define OPS_RECORD_H
/*
 * What the journal says of one instance: everything that must outlive opsd, by one table of fields.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "instance.h"

/* True when something changed since the last time that this said so. */
bool record_changed(struct instance *instance);

/* True when the last line says what there is to say, or there is no journal yet; else there will be
 * another by the end of this turn of the loop. */
bool record_is_written(struct instance *instance);

/* The line; with everything, or without what has not changed since the last one. NULL when memory
 * ran out. */
cJSON *record_print(struct instance *instance, bool everything);

/* Writes down that there is no such instance any more. */
void record_gone(struct instance *instance);

/* Who a line is about. Returns false when it is not about an instance. */
struct record_key {
    const char *name; /* lives as long as the line */
    int number;
    bool by_hand; /* a run by hand; number is its id */
    bool gone;
    bool hidden; /* of two in a reload, the one that does not count */
    int variant;
};
bool record_key(const cJSON *line, struct record_key *ret);

/* Takes what a line says. Fields of another type than expected are left as they are. */
void record_parse(const cJSON *line, struct instance *instance);

#endif
