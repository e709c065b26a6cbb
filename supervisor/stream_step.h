#ifndef OPS_STREAM_STEP_H
#define OPS_STREAM_STEP_H
/*
 * One look at one stream: what is in its pipe goes to its log.
 *
 * tee(2) shows what is in a pipe without taking it, so that the end of the last whole line can be
 * found; splice(2) then moves exactly that much to the file at an explicit offset. What was not
 * moved is still in the pipe after a crash of ours; what was moved is in the file: no byte is lost
 * or doubled in between. Lines that are written in another form than they came go by way of a spool
 * (stream_derive.h).
 *
 * Several streams may share a file (several instances, a run by hand): only whole lines are moved,
 * so that they never mix within one. A line longer than a pipe holds has the file to itself until
 * it ends, or until another writer is gone for good.
 */
#include "stream.h"

/* What a look goes by. */
struct step {
    struct stream *stream;
    struct stream_settings settings;
    bool drain; /* a last line without an end is moved, too: its writer is gone */
    bool held;  /* another's line stands open in the file */
    int64_t now_ms;
};

/* Returns how many bytes it took from the pipe; *ret_more: there may be more. */
size_t stream_step(struct stream *stream, bool drain, bool *ret_more);

/* The line that held a file has ended, or its writer is gone: the others may go on. */
void stream_release(struct stream *stream, struct log_sink *sink);

/* --- for stream_derive.c */

/* Shows what the pipe holds, up to STREAM_LOOK_BYTES, in pump->bytes. Returns the number of bytes.
 */
size_t step_show(struct step *step);

/* How many of the n bytes shown may be moved now: whole lines, unless there is a reason not to
 * wait for the end of one. */
size_t step_whole_lines(const struct step *step, size_t n);

/* Gets the sink ready, and writes what is to be said about lines that it did not take. Returns 0 or
 * a negative errno, which is noted. */
int step_try(struct step *step, struct log_sink *sink);

/* It took them, or it did not. */
void step_worked(struct log_sink *sink);
void step_failed(const struct step *step, struct log_sink *sink, int error);

/* Nobody should wait for that sink any longer; and the stream's writer does. */
bool step_gives_up(const struct step *step, const struct log_sink *sink);
bool step_drops(const struct step *step, const struct log_sink *sink);

/* Takes bytes from the pipe that go nowhere. Returns how many. */
size_t step_discard(const struct step *step, size_t n);

#endif
