/*
 * When a parsed schedule is due: a search by fields, month, day, then time of day.
 *
 * The search runs in wall-clock time, where every schedule is a plain pattern; what the zone's
 * clock does to the pattern (gaps, repeated hours) is decided in two small loops around it.
 */
#include "cron.h"

#include <errno.h>

static const int64_t DAY_MS = 86400000;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The least member of set from least on, or -1. */
static int set_from(uint64_t set, int least)
{
    uint64_t rest = least < 64 ? set >> least : 0;

    return rest ? least + __builtin_ctzll(rest) : -1;
}

/* --- the calendar of a month */

static int month_length(int year, int month)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : lengths[month - 1];
}

/* The weekday, 0 = Sunday, of a month's first day in the Gregorian calendar. A year counts from
 * March here, so that the leap day is its last; each month's entry is how far the days before it
 * shift the week. */
static int month_first_weekday(int year, int month)
{
    static const int shifts[] = { 0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4 };
    int y = year - (month < 3);
    int weekday = (y + y / 4 - y / 100 + y / 400 + shifts[month - 1] + 1) % 7;

    return (weekday + 7) % 7;
}

/* The day from Monday to Friday that is nearest to day and in its month. */
static int nearest_weekday(int day, int length, int first)
{
    int weekday = (first + day - 1) % 7;

    if (weekday == 6)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == 0)
        return day < length ? day + 1 : day - 2;
    return day;
}

static uint32_t days_by_date(const struct cron *cron, int length, int first)
{
    uint32_t due = cron->days;

    for (int n = 0; n < length; n++)
        if (cron->last_days & 1U << n)
            due |= 1U << (length - n);
    for (int n = 1; n <= length; n++)
        if (cron->nearest_weekdays & 1U << n)
            due |= 1U << nearest_weekday(n, length, first);
    if (cron->last_weekday)
        due |= 1U << nearest_weekday(length, length, first);
    return due;
}

static uint32_t days_by_weekday(const struct cron *cron, int length, int first)
{
    uint32_t due = 0;

    for (int day = 1; day <= length; day++) {
        int weekday = (first + day - 1) % 7;
        int nth = (day + 6) / 7;
        bool last = day + 7 > length;

        if (cron->weekdays & 1U << weekday || cron->nth_weekdays[weekday] & 1U << nth ||
            (last && cron->nth_weekdays[weekday] & 1U))
            due |= 1U << day;
    }
    return due;
}

uint32_t cron_days(const struct cron *cron, int year, int month)
{
    int length = month_length(year, month);
    int first = month_first_weekday(year, month);
    uint32_t all = (uint32_t)((2ULL << length) - 2);
    uint32_t by_date = days_by_date(cron, length, first);
    uint32_t by_weekday = days_by_weekday(cron, length, first);

    if (cron->days_restricted && cron->weekdays_restricted)
        return (by_date | by_weekday) & all;
    return by_date & by_weekday & all;
}

/* --- the pattern in wall-clock time */

/* Moves at to the first due time of its day that is not before it; false when there is none. */
static bool time_find(const struct cron *cron, struct local *at)
{
    int second = set_from(cron->seconds, at->second);
    int minute = set_from(cron->minutes, at->minute + (second < 0));
    int hour = set_from(cron->hours, at->hour + (minute < 0));

    if (hour < 0)
        return false;
    if (hour > at->hour)
        minute = set_from(cron->minutes, 0);
    if (hour > at->hour || minute > at->minute)
        second = set_from(cron->seconds, 0);
    at->hour = hour;
    at->minute = minute;
    at->second = second;
    return true;
}

/* The same within at's month. When there is none, at is no longer a date. */
static bool month_find(const struct cron *cron, struct local *at)
{
    uint32_t days;

    if (!(cron->months & 1U << at->month))
        return false;
    days = cron_days(cron, at->year, at->month);
    if (days & 1U << at->day && time_find(cron, at))
        return true;
    at->day = set_from(days, at->day + 1);
    at->hour = at->minute = at->second = 0;
    return at->day > 0 && time_find(cron, at);
}

/* The same up to the end of a year. */
static bool wall_find(const struct cron *cron, int last_year, struct local *at)
{
    while (at->year <= last_year) {
        if (month_find(cron, at))
            return true;
        *at = (struct local){ .year = at->year, .month = at->month + 1, .day = 1 };
        if (at->month > 12) {
            at->month = 1;
            at->year++;
        }
    }
    return false;
}

/* --- the pattern in a zone */

/* By the wall clock: a time is due when the clock shows it first, or jumps over it. */
static int wall_next(const struct cron *cron, const struct zone *zone, int64_t after, int64_t *ret)
{
    struct local at;
    int64_t due[2];
    int last_year;

    zone_local(zone, after, &at);
    last_year = at.year + CRON_YEARS_MAX;
    do {
        at.second++;
        if (!wall_find(cron, last_year, &at))
            return -ERANGE;
        (void)zone_instants(zone, &at, due);
    } while (due[0] <= after); /* in the second pass of a repeated hour */
    *ret = due[0];
    return 0;
}

/* In real time: a time is due whenever the clock shows it. Goes from one move of the clock to the
 * next, because a search that starts before one misses what is repeated after it. */
static int real_next(const struct cron *cron, const struct zone *zone, int64_t after, int64_t *ret)
{
    int64_t from = (floor_div(after, 1000) + 1) * 1000;
    int64_t due[2], until;
    struct local at;
    int last_year, n;

    zone_local(zone, from, &at);
    last_year = at.year + CRON_YEARS_MAX;
    for (;;) {
        until = zone_steady_until(zone, from);
        zone_local(zone, from, &at);
        if (!wall_find(cron, last_year, &at))
            return -ERANGE;
        n = zone_instants(zone, &at, due);
        for (int i = 0; i < n; i++) {
            if (due[i] >= from && due[i] < until) {
                *ret = due[i];
                return 0;
            }
        }
        /* No clock is put back by more than a day, so after a day without a move it shows nothing
         * again that it showed before from, and the years up to the match can be passed over. */
        from = until - from >= DAY_MS && due[0] > until ? due[0] : until;
    }
}

int cron_next(const struct cron *cron, const struct zone *zone, int64_t after, int64_t *ret)
{
    if (cron->every_ms) {
        *ret = (floor_div(after, cron->every_ms) + 1) * cron->every_ms;
        return 0;
    }
    return cron->real_time ? real_next(cron, zone, after, ret) : wall_next(cron, zone, after, ret);
}

int cron_last(const struct cron *cron, const struct zone *zone, int64_t after, int64_t until,
              int64_t *ret)
{
    int64_t low, high = until, due;

    if (cron_next(cron, zone, after, &low) < 0 || low > until)
        return -ENOENT;
    /* low is due, and after high nothing is. */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (cron_next(cron, zone, middle, &due) == 0 && due <= until)
            low = due;
        else
            high = middle;
    }
    *ret = low;
    return 0;
}
