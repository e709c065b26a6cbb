/* When a clock is moved year after year. */
#include "zone_rule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum {
    HOUR_S = 3600,
    DAY_S = 24 * HOUR_S,
    OFFSET_HOURS_MAX = 24,
    TIME_HOURS_MAX = 167, /* RFC 9636, 3.3.1 */
    NAME_LETTERS_LEAST = 3,
};

/* --- the text */

static int digits_parse(const char **at, int most, int *ret)
{
    int value = 0, n = 0;

    for (; isdigit((unsigned char)**at) && n < 3; n++)
        value = value * 10 + *(*at)++ - '0';
    if (!n || value > most)
        return -EINVAL;
    *ret = value;
    return 0;
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* [+-]h[h[h]][:mm[:ss]] */
static int time_parse(const char **at, int hours_max, int *ret)
{
    int sign = **at == '-' ? -1 : 1;
    int parts[3] = { 0 };
    int r;

    if (!skip(at, '-'))
        (void)skip(at, '+');
    r = digits_parse(at, hours_max, &parts[0]);
    for (int i = 1; r == 0 && i < 3 && skip(at, ':'); i++)
        r = digits_parse(at, 59, &parts[i]);
    if (r == 0)
        *ret = sign * (parts[0] * HOUR_S + parts[1] * 60 + parts[2]);
    return r;
}

/* EST, or <+03>; what it is called matters to nobody here. */
static int name_skip(const char **at)
{
    const char *begin = *at;

    if (skip(at, '<')) {
        while (isalnum((unsigned char)**at) || **at == '+' || **at == '-')
            (*at)++;
        return skip(at, '>') ? 0 : -EINVAL;
    }
    while (isalpha((unsigned char)**at))
        (*at)++;
    return *at - begin >= NAME_LETTERS_LEAST ? 0 : -EINVAL;
}

/* POSIX counts west of UTC. */
static int offset_parse(const char **at, int *ret)
{
    int west;
    int r = time_parse(at, OFFSET_HOURS_MAX, &west);

    if (r == 0)
        *ret = -west;
    return r;
}

static int day_parse(const char **at, struct zone_day *ret)
{
    struct zone_day day = { .kind = 'D', .time = 2 * HOUR_S };
    int r;

    if (skip(at, 'M')) {
        day.kind = 'M';
        r = digits_parse(at, 12, &day.month);
        if (r == 0 && !(skip(at, '.') && digits_parse(at, 5, &day.week) == 0 && skip(at, '.') &&
                        digits_parse(at, 6, &day.day) == 0))
            r = -EINVAL;
        if (r == 0 && (!day.month || !day.week))
            r = -EINVAL;
    } else {
        if (skip(at, 'J'))
            day.kind = 'J';
        r = digits_parse(at, 365, &day.day);
        if (r == 0 && day.kind == 'J' && !day.day)
            r = -EINVAL;
    }
    if (r == 0 && skip(at, '/'))
        r = time_parse(at, TIME_HOURS_MAX, &day.time);
    if (r == 0)
        *ret = day;
    return r;
}

/* What is between the second name and the end. */
static int summer_parse(const char *at, struct zone_rule *rule)
{
    int r = 0;

    rule->moves = true;
    rule->summer = rule->standard + HOUR_S;
    if (*at != ',')
        r = offset_parse(&at, &rule->summer);
    if (r < 0 || !skip(&at, ','))
        return -EINVAL;
    r = day_parse(&at, &rule->begin);
    if (r == 0 && !skip(&at, ','))
        r = -EINVAL;
    if (r == 0)
        r = day_parse(&at, &rule->end);
    return r == 0 && !*at ? 0 : -EINVAL;
}

int zone_rule_parse(const char *text, struct zone_rule *ret)
{
    struct zone_rule rule = { 0 };
    const char *at = text;

    if (name_skip(&at) < 0 || offset_parse(&at, &rule.standard) < 0)
        return -EINVAL;
    if (*at && (name_skip(&at) < 0 || summer_parse(at, &rule) < 0))
        return -EINVAL;
    *ret = rule;
    return 0;
}

/* --- the moves */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to a year's first; years here are AD. */
static int64_t year_begin(int year)
{
    int64_t before = (int64_t)year - 1;

    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

/* Day 0 of the week, of a month: the last one is meant by week 5. */
static int weekday_of_month(const struct zone_day *day, int year, int64_t begin)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int before = 0, length, n;

    for (int month = 1; month < day->month; month++)
        before += lengths[month - 1] + (month == 2 && is_leap(year));
    length = lengths[day->month - 1] + (day->month == 2 && is_leap(year));
    /* 1970-01-01 was a Thursday. */
    n = (int)((day->day - (begin + before + 4) % 7 + 7) % 7) + (day->week - 1) * 7;
    return before + (n < length ? n : n - 7);
}

static int64_t second_of(const struct zone_day *day, int year)
{
    int64_t begin = year_begin(year);
    int n = day->day;

    if (day->kind == 'M')
        n = weekday_of_month(day, year, begin);
    else if (day->kind == 'J')
        n = day->day - 1 + (is_leap(year) && day->day > 59);
    return (begin + n) * DAY_S + day->time;
}

void zone_rule_moves(const struct zone_rule *rule, int year,
                     struct zone_move ret[static ZONE_RULE_MOVES])
{
    struct zone_move begin = { second_of(&rule->begin, year) - rule->standard, rule->summer };
    struct zone_move end = { second_of(&rule->end, year) - rule->summer, rule->standard };

    ret[0] = begin.at < end.at ? begin : end;
    ret[1] = begin.at < end.at ? end : begin;
}
