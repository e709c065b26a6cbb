#ifndef OPS_STREAM_DERIVE_H
#define OPS_STREAM_DERIVE_H
/*
 * Lines that are not written as they came: with a time in front, as JSON, or to two files.
 *
 * They go from the pipe to the stream's spool, and from there to the logs (log_spool.h).
 */
#include "stream_step.h"

/* A spool of the stream that somebody before us left, is finished first. Returns 0 or a negative
 * errno. */
int derive_recover(struct stream *stream);

/* The stream's next lines go this way: its settings say so, or it is in the middle of it. */
bool derive_wanted(const struct stream *stream, const struct stream_settings *settings);

/* As stream_step. */
size_t derive_step(struct step *step, bool *ret_more);

void derive_close(struct stream *stream, bool stays);

#endif
