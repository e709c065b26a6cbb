#ifndef OPS_HTTP_RETRY_H
#define OPS_HTTP_RETRY_H
/*
 * When http_call tries again, and how long it waits: pure, the random number is an argument.
 */
#include <stdbool.h>
#include <stdint.h>

/* True when the answer will not change by asking again: anything but none (0), 429 and 5xx. */
bool http_status_is_final(int status);

/* Milliseconds to wait after the tries-th try (from 1), or -1: do not try again. retry_after_ms is
 * what the other side asked for, 0 if it did not. Else the delay doubles from HTTP_RETRY_FIRST_MS
 * up to HTTP_RETRY_MOST_MS, of which random takes off up to half, so that workers that failed
 * together do not come back together. */
int64_t http_retry_delay(int tries, int64_t retry_after_ms, uint32_t random);

#endif
