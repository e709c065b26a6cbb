/* What a keeper says of its worker. */
#include "keeper_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static const char RECORD[] = "%u %d %d %lld %d %d %d %d %lld %d %d %lld %u %lld";

/* Not by printf(3): of that a keeper would need a dozen pages, a quarter of all. */
void keeper_write(int status_fd, const struct keeper_report *r, unsigned number)
{
    const int64_t numbers[] = { number,        r->phase,        r->keeper,        r->keeper_start,
                                r->worker,     r->failure.step, r->failure.error, r->failure.which,
                                r->started_ms, r->status.code,  r->status.signal, r->ended_ms,
                                number,        r->worker_start };
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    char record[NUMBERS * (TEXT_INT_MAX + 1)], *to = record;

    memset(record, ' ', sizeof record);
    for (size_t i = 0; i < NUMBERS; i++)
        to = text_put_int(to, numbers[i]) + 1;
    record[KEEPER_RECORD_BYTES - 1] = '\n';
    (void)!pwrite(status_fd, record, KEEPER_RECORD_BYTES, 0);
}

int keeper_read(int status_fd, struct keeper_report *ret)
{
    char record[KEEPER_RECORD_BYTES + 1];
    unsigned first, last;
    int phase, keeper, worker, step, error, which, code, signal;
    long long start, started, ended, worker_start = 0;
    ssize_t n;

    n = pread(status_fd, record, KEEPER_RECORD_BYTES, 0);
    if (n < 0)
        return -errno;
    record[n] = '\0';
    if (sscanf(record, RECORD, &first, &phase, &keeper, &start, &worker, &step, &error, &which,
               &started, &code, &signal, &ended, &last, &worker_start) < 13 ||
        first != last || phase < KEEPER_WAITS || phase >= KEEPER_PHASES)
        return -ENODATA;
    *ret = (struct keeper_report){ .phase = (enum keeper_phase)phase,
                                   .keeper = keeper,
                                   .keeper_start = start,
                                   .worker = worker,
                                   .worker_start = worker_start,
                                   .failure = { (enum become_step)step, error, which },
                                   .started_ms = started,
                                   .status = { .code = code, .signal = signal },
                                   .ended_ms = ended };
    return 0;
}
