/* A log that takes nothing. */
#include "log_stall.h"

#include <string.h>

#include "instant.h"

/* A disk that is full for one worker is full for a thousand. */
enum { TRY_EVERY_MS = 100 };

bool log_stall_may_try(const struct log_stall *stall, int64_t now_ms)
{
    return !stall->error || now_ms >= stall->try_at_ms;
}

bool log_stall_failed(struct log_stall *stall, int error, int64_t now_ms)
{
    bool first = !stall->error;

    stall->error = error;
    stall->try_at_ms = now_ms + TRY_EVERY_MS;
    if (first)
        stall->since_ms = now_ms;
    return first;
}

void log_stall_over(struct log_stall *stall)
{
    *stall = (struct log_stall){ 0 };
}

bool log_stall_drops(const struct log_stall *stall, int64_t patience_ms, int64_t now_ms)
{
    return stall->error && now_ms - stall->since_ms >= patience_ms;
}

void log_stall_lose(struct log_stall *stall, int64_t lines, int64_t at)
{
    if (!stall->lost)
        stall->lost_from = at;
    stall->lost += lines;
}

void log_stall_told(struct log_stall *stall, int64_t at, int64_t end)
{
    stall->told = stall->lost;
    stall->told_at = at;
    stall->told_end = end;
    stall->lost = 0;
}

void log_stall_untold(struct log_stall *stall)
{
    stall->lost += stall->told;
    stall->told = 0;
}

int log_stall_print(const struct log_stall *stall, int64_t at, struct buf *to)
{
    char from[INSTANT_TEXT_MAX], until[INSTANT_TEXT_MAX];

    if (!stall->lost)
        return 0;
    return buf_printf(to, "opsd: lost %lld lines here, from %s to %s: %s\n", (long long)stall->lost,
                      instant_print(stall->lost_from, from), instant_print(at, until),
                      strerror(stall->error));
}
