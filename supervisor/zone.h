#ifndef OPS_ZONE_H
#define OPS_ZONE_H
/*
 * Time zones by IANA name, from the system's tzdata.
 *
 * Of the process's own zone (TZ, tzset(3)) nothing is touched, so threads may print the time
 * meanwhile. Zones themselves are the loop's: only one thread opens them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct zone;

/* Wall-clock time. month 1..12, weekday 0 = Sunday. */
struct local {
    int year, month, day, hour, minute, second, weekday;
};

/* name NULL means the system's zone. Opening the same zone twice gives the same object, with what
 * its file says now; zones live as long as the process. Returns 0, -ENOENT (with a suggestion in
 * reterr) or -ENOMEM. */
int zone_open(const char *name, const struct zone **ret, struct err *reterr);

/* Changes when opening it again found its file changed (an upgrade of tzdata): instants that were
 * found before may be others now. */
int zone_version(const struct zone *zone);

/* The wall clock at an instant (ms). */
void zone_local(const struct zone *zone, int64_t instant, struct local *ret);

/* The instants at which the wall clock shows local: 1, or 2 where the hour is repeated (earlier
 * one first), or 0 in a gap; then ret[0] is the first instant after the gap. local's weekday is not
 * looked at, and its other fields may overflow into the next higher one (second 60). */
int zone_instants(const struct zone *zone, const struct local *local, int64_t ret[2]);

/* An instant (ms) later than the given one before which the clock is not moved. The clock may also
 * stay unmoved there. */
int64_t zone_steady_until(const struct zone *zone, int64_t instant);

#endif
