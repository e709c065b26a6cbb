#ifndef OPS_INSTANT_H
#define OPS_INSTANT_H
/*
 * Points and spans of time as text.
 *
 * An instant is milliseconds since 1970-01-01T00:00:00Z without leap seconds (POSIX time).
 * Its text form is RFC 3339. Spans are milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>

enum { INSTANT_TEXT_MAX = sizeof "2026-11-21T10:00:00.000Z" };

/* Now, by the wall clock; and by the clock that never jumps (CLOCK_BOOTTIME would count sleep,
 * CLOCK_MONOTONIC, used here, does not). */
int64_t instant_now(void);
uint64_t monotonic_now_ms(void);

/* Reads RFC 3339, offset required, fraction optional (digits past milliseconds are dropped).
 * Returns 0 or -EINVAL. */
int instant_parse(const char *text, int64_t *ret);

/* Writes UTC; with milliseconds only where they are not zero. Returns text. */
const char *instant_print(int64_t instant, char text[static INSTANT_TEXT_MAX]);

/* Reads "250ms", "30s", "5m", "1h", "2d", "1h30m"; a bare number is milliseconds.
 * Returns 0, -EINVAL or -ERANGE (over 100 years). */
int duration_parse(const char *text, int64_t *ret_ms);

#endif
