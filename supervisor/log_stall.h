#ifndef OPS_LOG_STALL_H
#define OPS_LOG_STALL_H
/*
 * A log that takes nothing: a full disk, a folder that is gone or may not be written.
 *
 * For a while (log_stall) what workers print waits in their pipes, and a worker whose pipe is full
 * waits with it. Then such pipes are emptied and the lines are counted, and where the log goes on
 * a line says how many are missing. Pure: time is an argument, monotonic but for the wall clock of
 * that line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct log_stall {
    int error;         /* why it takes nothing, an errno; 0: it does */
    int64_t since_ms;  /* from when on */
    int64_t try_at_ms; /* when it is worth another try */
    int64_t lost;      /* lines that are not in it */
    int64_t lost_from; /* wall clock, of the first of them */
    int64_t told;      /* lines that the log says are not in it, from told_at to told_end */
    int64_t told_at, told_end;
    bool told_within; /* it was put behind half a line */
};

/* It is worth trying to write. */
bool log_stall_may_try(const struct log_stall *stall, int64_t now_ms);

/* A try failed. Returns true when it is the first, so that somebody says so. */
bool log_stall_failed(struct log_stall *stall, int error, int64_t now_ms);

/* A try succeeded, or has not failed yet after lines were lost. */
void log_stall_over(struct log_stall *stall);

/* It has taken nothing for so long that whoever waits is to be let go. */
bool log_stall_drops(const struct log_stall *stall, int64_t patience_ms, int64_t now_ms);

void log_stall_lose(struct log_stall *stall, int64_t lines, int64_t at);

/* The line about what is missing was written there; or was taken back. */
void log_stall_told(struct log_stall *stall, int64_t at, int64_t end);
void log_stall_untold(struct log_stall *stall);

/* The line about what is missing, with its newline; adds nothing when nothing is. Returns 0 or a
 * negative errno. */
int log_stall_print(const struct log_stall *stall, int64_t at, struct buf *to);

#endif
