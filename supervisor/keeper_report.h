#ifndef OPS_KEEPER_REPORT_H
#define OPS_KEEPER_REPORT_H
/*
 * What a keeper says of its worker, and how that stands in its status file.
 *
 * The file is one record of fixed length, written over in place with one pwrite(2): a disk that is
 * full by then does no harm. Its number stands at both ends of it, so that a torn one is seen; only
 * the start of the worker, which earlier keepers did not tell, comes after it.
 */
#include <stdint.h>
#include <sys/types.h>

#include "become.h"
#include "restart.h"

enum keeper_phase {
    KEEPER_WAITS,  /* for the word to go; opsd wrote this, for whoever comes after it */
    KEEPER_RUNS,   /* the worker */
    KEEPER_FAILED, /* to start it */
    KEEPER_ENDED,  /* the worker has; something that it started has not */
    KEEPER_EMPTY,  /* nothing of it runs any more */
    KEEPER_PHASES
};

struct keeper_report {
    enum keeper_phase phase;
    pid_t keeper; /* with its start, the identity of who wrote it */
    int64_t keeper_start;
    pid_t worker;
    int64_t worker_start;          /* as keeper_start; 0: the keeper does not know it */
    struct become_failure failure; /* KEEPER_FAILED */
    int64_t started_ms;            /* monotonic, just before the worker ran */
    struct exit_status status;     /* KEEPER_ENDED and KEEPER_EMPTY */
    int64_t ended_ms;              /* monotonic */
};

enum { KEEPER_RECORD_BYTES = 128 };

/* Writes the record, which is the number-th in this file. Makes system calls only. */
void keeper_write(int status_fd, const struct keeper_report *report, unsigned number);

/* Reads the record at the start of the file. Returns 0, -ENODATA when it is empty or not (yet) a
 * whole record, or a negative errno. */
int keeper_read(int status_fd, struct keeper_report *ret);

#endif
