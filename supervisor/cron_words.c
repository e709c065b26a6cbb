/*
 * A schedule as a person would say it: when in the day, on which days, in which months. What holds
 * always is not said.
 */
#include "cron_words.h"

#include <string.h>

enum { TIMES_MOST = 6, RUN_LEAST = 3, WEEKDAYS = 7 };

static const char *const weekday_names[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday" };
static const char *const month_names[] = { "",        "January",  "February", "March",  "April",
                                           "May",     "June",     "July",     "August", "September",
                                           "October", "November", "December" };

/* --- lists */

/* What one member of a list is called; names NULL: its number. */
static int add_member(struct buf *to, int member, const char *const *names)
{
    return names ? buf_add_text(to, names[member]) : buf_printf(to, "%d", member);
}

/* The last of the members that follow each other from first on. */
static int run_end(uint64_t set, int first)
{
    int last = first;

    while (last < 63 && set & 1ULL << (last + 1))
        last++;
    return last - first + 1 < RUN_LEAST ? first : last;
}

/* "1, 5-9 and 12" */
static int add_list(struct buf *to, uint64_t set, const char *const *names)
{
    int r = 0;

    for (bool any = false; set && r == 0; any = true) {
        int first = __builtin_ctzll(set), last = run_end(set, first);
        uint64_t rest = last < 63 ? set & ~((2ULL << last) - 1) : 0;

        r = buf_add_text(to, !any ? "" : rest ? ", " : " and ");
        if (r == 0)
            r = add_member(to, first, names);
        if (r == 0 && last > first)
            r = buf_add_text(to, "-");
        if (r == 0 && last > first)
            r = add_member(to, last, names);
        set = rest;
    }
    return r;
}

/* n when set is every n-th of 0 to size - 1 and comes round evenly; else 0. */
static int step_of(uint64_t set, int size)
{
    for (int n = 1; n < size; n++) {
        uint64_t steps = 0;

        if (size % n)
            continue;
        for (int k = 0; k < size; k += n)
            steps |= 1ULL << k;
        if (set == steps)
            return n;
    }
    return 0;
}

/* "every minute", "every 5 minutes", "at minute 5 and 10" */
static int add_unit(struct buf *to, uint64_t set, int size, const char *unit)
{
    int step = step_of(set, size), r;

    if (step == 1)
        return buf_printf(to, "every %s", unit);
    if (step)
        return buf_printf(to, "every %d %ss", step, unit);
    r = buf_printf(to, "at %s ", unit);
    return r < 0 ? r : add_list(to, set, NULL);
}

/* --- when in the day */

static int count(uint64_t set)
{
    return __builtin_popcountll(set);
}

/* "at 09:00, 09:30 and 17:00" */
static int add_times(struct buf *to, const struct cron *cron)
{
    int left = count(cron->hours) * count(cron->minutes), second = __builtin_ctzll(cron->seconds);
    const char *before = "at ";
    int r = 0;

    for (int at = 0; at < 24 * 60 && r == 0; at++) {
        if (!(cron->hours & 1U << at / 60) || !(cron->minutes & 1ULL << at % 60))
            continue;
        r = buf_printf(to, "%s%02d:%02d", before, at / 60, at % 60);
        if (r == 0 && second)
            r = buf_printf(to, ":%02d", second);
        before = --left == 1 ? " and " : ", ";
    }
    return r;
}

static int add_hours(struct buf *to, uint64_t hours)
{
    int step = step_of(hours, 24), r;

    if (step == 1)
        return 0;
    if (step)
        return buf_printf(to, " of every %d hours", step);
    r = buf_printf(to, " of hour%s ", count(hours) > 1 ? "s" : "");
    return r < 0 ? r : add_list(to, hours, NULL);
}

static int add_time(struct buf *to, const struct cron *cron)
{
    bool on_the_minute = cron->seconds == 1;
    int r = 0;

    if (count(cron->seconds) == 1 && count(cron->hours) * count(cron->minutes) <= TIMES_MOST)
        return add_times(to, cron);
    if (!on_the_minute)
        r = add_unit(to, cron->seconds, 60, "second");
    if (r == 0 && (on_the_minute || step_of(cron->minutes, 60) != 1)) {
        r = buf_add_text(to, on_the_minute ? "" : ", ");
        if (r == 0)
            r = add_unit(to, cron->minutes, 60, "minute");
    }
    return r < 0 ? r : add_hours(to, cron->hours);
}

/* --- on which days */

/* The next of several things, of which one suffices. */
static int add_or(struct buf *to, size_t from)
{
    return to->len > from ? buf_add_text(to, " or ") : 0;
}

static int add_dates(struct buf *to, const struct cron *cron, size_t from)
{
    int r = 0;

    if (cron->days && count(cron->days) < 31) {
        r = buf_add_text(to, "day ");
        if (r == 0)
            r = add_list(to, cron->days, NULL);
        if (r == 0)
            r = buf_add_text(to, " of the month");
    }
    for (int n = 1; n < 32 && r == 0; n++)
        if (cron->nearest_weekdays & 1U << n && (r = add_or(to, from)) == 0)
            r = buf_printf(to, "the working day nearest to day %d", n);
    if (cron->last_weekday && r == 0 && (r = add_or(to, from)) == 0)
        r = buf_add_text(to, "the last working day of the month");
    for (int n = 0; n < 31 && r == 0; n++) {
        if (!(cron->last_days & 1U << n) || (r = add_or(to, from)) < 0)
            continue;
        r = n ? buf_printf(to, "day %d before the last of the month", n)
              : buf_add_text(to, "the last day of the month");
    }
    return r;
}

static int add_weekdays(struct buf *to, const struct cron *cron, size_t from)
{
    static const char *const nth[] = { "last", "first", "second", "third", "fourth", "fifth" };
    int r = 0;

    if (cron->weekdays && count(cron->weekdays) < WEEKDAYS)
        r = add_list(to, cron->weekdays, weekday_names);
    for (int day = 0; day < WEEKDAYS; day++)
        for (int n = 0; n < 6 && r == 0; n++)
            if (cron->nth_weekdays[day] & 1U << n && (r = add_or(to, from)) == 0)
                r = buf_printf(to, "the %s %s of the month", nth[n], weekday_names[day]);
    return r;
}

static bool says_weekdays(const struct cron *cron)
{
    for (int day = 0; day < WEEKDAYS; day++)
        if (cron->nth_weekdays[day])
            return true;
    return count(cron->weekdays) < WEEKDAYS;
}

static bool says_dates(const struct cron *cron)
{
    return count(cron->days) < 31 || cron->last_days || cron->nearest_weekdays ||
           cron->last_weekday;
}

static int add_days(struct buf *to, const struct cron *cron)
{
    bool either = cron->days_restricted && cron->weekdays_restricted;
    int r = 0;

    if (says_dates(cron)) {
        r = buf_add_text(to, ", on ");
        if (r == 0)
            r = add_dates(to, cron, to->len);
    }
    if (r < 0 || !says_weekdays(cron))
        return r;
    r = buf_add_text(to, !says_dates(cron) ? ", on " : either ? " or on " : " if that is on ");
    return r < 0 ? r : add_weekdays(to, cron, to->len);
}

int cron_words(const struct cron *cron, struct buf *to)
{
    int r;

    if (cron->every_ms % 1000)
        return buf_printf(to, "every %lld ms", (long long)cron->every_ms);
    if (cron->every_ms)
        return buf_printf(to, "every %lld s", (long long)cron->every_ms / 1000);
    r = add_time(to, cron);
    if (r == 0)
        r = add_days(to, cron);
    if (r == 0 && count(cron->months) < 12) {
        r = buf_add_text(to, ", in ");
        if (r == 0)
            r = add_list(to, cron->months, month_names);
    }
    return r;
}
