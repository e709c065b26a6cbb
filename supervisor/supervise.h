#ifndef OPS_SUPERVISE_H
#define OPS_SUPERVISE_H
/*
 * The supervisor process: the loop, its signals, and every way in which it ends.
 *
 * It is started by the guard (guard.h) and never by hand; whether it is the first in its home or
 * the successor of one that died is the same path.
 */
#include "err.h"
#include "fleet.h"
#include "opsd_options.h"

/* Runs until told to leave. Returns the exit code, which is for the guard to read. */
int supervise(const struct options *options);

/* Hands over to the opsd of another file: once the answers under way are sent this supervisor ends
 * and one of that file takes over, workers being left alone. Returns 0, or a negative errno with
 * reterr and nothing changed. */
int supervise_upgrade(struct fleet *fleet, const char *path, struct err *reterr);

/* Opens every log, and our own, by its name again. */
void supervise_reopen(struct fleet *fleet);

#endif
