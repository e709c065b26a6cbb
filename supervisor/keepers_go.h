#ifndef OPS_KEEPERS_GO_H
#define OPS_KEEPERS_GO_H
/*
 * What keepers.c keeps of the word to go: who waits for it, and who was told and not heard of
 * since. keepers_go itself is in keepers.h.
 */
#include "keepers.h"

/* A keeper about to be forked will wait. Returns the end of its pipe that it is to have, which the
 * caller closes, or a negative errno. */
int keeper_hold_back(struct keeper *keeper, bool takes_turns);

/* It need not be told any more: it was, or is gone. */
void keeper_forget_go(struct keeper *keeper);

/* It has reported something, or is gone. */
void keeper_heard_of(struct keeper *keeper);

#endif
