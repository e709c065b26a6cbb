#ifndef OPS_CRON_H
#define OPS_CRON_H
/*
 * When a schedule is due. Pure: the instant to start from is an argument.
 *
 * Five fields (minute hour day-of-month month day-of-week), or six with seconds in front; names,
 * ranges, lists, steps, `L`, `W`, `#`, `?`; @hourly and its kin; `@every 90s`. When both day fields
 * are restricted either one suffices (crontab(5)).
 *
 * Daylight saving: a schedule whose hour field is `*` or `* /n` and every @every follow real time,
 * so they go on through a repeated hour. Any other follows the wall clock: a time that does not
 * exist is due once, at the first instant after the gap; one that exists twice, at the first only.
 * @every counts from the Unix epoch, so that all hosts agree on its ticks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "zone.h"

/* Bit n of a set is its member n; days and months count from 1, weekdays from 0 = Sunday. */
struct cron {
    int64_t every_ms; /* of @every; otherwise 0 and the fields below count */
    uint64_t seconds, minutes;
    uint32_t hours, days, months, weekdays;
    bool days_restricted, weekdays_restricted;
    bool real_time; /* hour field `*` or a step of it */
    /* the rest belongs to cron.c and cron_parse.c */
    uint32_t nearest_weekdays; /* nW: bit n */
    uint32_t last_days;        /* L: bit 0, L-n: bit n */
    bool last_weekday;         /* LW */
    uint8_t nth_weekdays[7];   /* d#n: bit n of [d]; dL: bit 0 */
};

/* Returns 0 or -EINVAL with what is wrong and what would be right in reterr, an expression that
 * can never be due (30 February) included. */
int cron_parse(const char *text, struct cron *ret, struct err *reterr);

/* The first due instant (ms) later than after. Returns 0, or -ERANGE when there is none within
 * CRON_YEARS_MAX years. */
enum { CRON_YEARS_MAX = 100 };
int cron_next(const struct cron *cron, const struct zone *zone, int64_t after, int64_t *ret);

/* The last due instant that is later than after and not later than until. Returns 0, or -ENOENT
 * when there is none. As quick for years as for minutes. */
int cron_last(const struct cron *cron, const struct zone *zone, int64_t after, int64_t until,
              int64_t *ret);

/* The days of a month on which a schedule with fields is due, bit n for day n. Looks at the day
 * fields only: whether the month is one of cron->months is not asked. */
uint32_t cron_days(const struct cron *cron, int year, int month);

#endif
