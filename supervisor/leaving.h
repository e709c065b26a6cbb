#ifndef OPS_LEAVING_H
#define OPS_LEAVING_H
/*
 * What was on its way out when opsd was killed: the one of two that does not count in a reload, or
 * that has served; an instance that was deleted, or was too many. It is ended as it would have
 * been, by its signal and in its time, and its last lines are kept.
 *
 * People know none of them (instance_is_member), and each is gone once it is stopped.
 */
#include "fleet.h"
#include "record.h"

struct leaving {
    struct leaving_one {
        struct record_key key;
        const cJSON *line; /* the last that was said of it */
    } * list;
    size_t count, room;
};

/* Notes what a line of the journal says of such an instance, line after line; the lines have to
 * stay. Returns 1, 0 when the line is about another one, or -ENOMEM. */
int leaving_note(struct leaving *leaving, const struct fleet *fleet, const cJSON *line,
                 const struct record_key *key);

/* Adds to the fleet those of which something may run, to be taken over and stopped. */
void leaving_add(const struct leaving *leaving, struct fleet *fleet);

void leaving_done(struct leaving *leaving);

/* What a line says of an instance whose app may be in no manifest any more: how it is to be stopped
 * and where its last lines belong. NULL when memory ran out. */
cJSON *leaving_print(const struct instance *instance);

#endif
