#ifndef OPS_EVENTS_H
#define OPS_EVENTS_H
/*
 * What happened to the fleet: the last changes of state, as they are told to whoever looks on.
 *
 * Numbered from 1 on, for the life of this opsd. The ring is bounded; whoever reads more slowly
 * than things happen is told how many it missed, and nobody waits for it. Not journaled: it is
 * news, and what has to last is in the history (history.h).
 */
#include <stdint.h>

/* A start of 300 workers and its end: three changes each. */
enum { EVENTS_KEPT = 1024 };

struct instance;

struct events {
    char **ring;   /* EVENTS_KEPT JSON objects; NULL: nothing happened yet */
    uint64_t last; /* number of the latest; 0: none */
};

/* Where an instance was when it was last looked at. */
struct events_seen {
    int state; /* STATE_NONE: never */
    unsigned exits;
};

/* Notes that the instance is in another state than at the last call, and how its process ended if
 * one did. The first call only looks. */
void events_look(struct events *events, struct instance *instance);

/* The instance is being forgotten. */
void events_gone(struct events *events, struct instance *instance);

/* The first number from `number` on that is still kept. */
uint64_t events_first(const struct events *events, uint64_t number);

/* A kept one, as JSON. NULL: memory ran out when it happened. */
const char *events_text(const struct events *events, uint64_t number);

void events_done(struct events *events);

#endif
