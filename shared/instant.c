/* Points and spans of time as text. */
#include "instant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t DURATION_MOST_MS = 36525 * 86400000LL;

int64_t instant_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

uint64_t monotonic_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Reads exactly n digits; -1 when they are not there. */
static int digits(const char **text, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++) {
        if ((*text)[i] < '0' || (*text)[i] > '9')
            return -1;
        value = value * 10 + ((*text)[i] - '0');
    }
    *text += n;
    return value;
}

static bool skip(const char **text, const char *any)
{
    if (!**text || !strchr(any, **text))
        return false;
    (*text)++;
    return true;
}

/* `Z` or `+hh:mm`, in minutes east of UTC. */
static bool parse_offset(const char **text, int *ret_minutes)
{
    int sign, hours, minutes;

    if (skip(text, "Zz")) {
        *ret_minutes = 0;
        return true;
    }
    sign = **text == '-' ? -1 : 1;
    if (!skip(text, "+-"))
        return false;
    hours = digits(text, 2);
    if (hours < 0 || hours > 23 || !skip(text, ":"))
        return false;
    minutes = digits(text, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool parse_fraction(const char **text, int *ret_ms)
{
    int ms = 0, n = 0;

    if (skip(text, ".")) {
        for (; **text >= '0' && **text <= '9'; (*text)++, n++)
            if (n < 3)
                ms = ms * 10 + (**text - '0');
        if (!n)
            return false;
        for (; n < 3; n++)
            ms *= 10;
    }
    *ret_ms = ms;
    return true;
}

int instant_parse(const char *text, int64_t *ret)
{
    struct tm tm = { 0 }, normal;
    const char *p = text;
    int ms, offset;
    time_t seconds;

    tm.tm_year = digits(&p, 4) - 1900;
    if (tm.tm_year < -1900 || !skip(&p, "-"))
        return -EINVAL;
    tm.tm_mon = digits(&p, 2) - 1;
    if (tm.tm_mon < 0 || !skip(&p, "-"))
        return -EINVAL;
    tm.tm_mday = digits(&p, 2);
    if (tm.tm_mday < 1 || !skip(&p, "Tt "))
        return -EINVAL;
    tm.tm_hour = digits(&p, 2);
    if (tm.tm_hour < 0 || !skip(&p, ":"))
        return -EINVAL;
    tm.tm_min = digits(&p, 2);
    if (tm.tm_min < 0 || !skip(&p, ":"))
        return -EINVAL;
    tm.tm_sec = digits(&p, 2);
    if (tm.tm_sec < 0 || !parse_fraction(&p, &ms) || !parse_offset(&p, &offset) || *p)
        return -EINVAL;
    /* timegm normalises: what it changed did not exist (30 February, 25 o'clock). */
    normal = tm;
    seconds = timegm(&normal);
    if (normal.tm_mon != tm.tm_mon || normal.tm_mday != tm.tm_mday ||
        normal.tm_hour != tm.tm_hour || normal.tm_min != tm.tm_min)
        return -EINVAL;
    *ret = (seconds - offset * 60LL) * 1000 + ms;
    return 0;
}

/* The date of a day since 1970, in the proleptic Gregorian calendar; years begin in March here, so
 * that the day that leap years have is the last. Not gmtime_r(3) and strftime(3): both look after
 * the time zone, under a lock, and what they write for that is one more page of its own for every
 * process that was forked meanwhile. */
static void date_of(int64_t day, int *ret_year, int *ret_month, int *ret_day)
{
    enum { YEARS_400 = 146097, YEARS_100 = 36524, YEARS_4 = 1460, TO_MARCH_0 = 719468 };
    int64_t since = day + TO_MARCH_0;
    int64_t era = (since >= 0 ? since : since - (YEARS_400 - 1)) / YEARS_400;
    int of_era = (int)(since - era * YEARS_400);
    int year = (of_era - of_era / YEARS_4 + of_era / YEARS_100 - of_era / (YEARS_400 - 1)) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (5 * of_year + 2) / 153;

    *ret_day = of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = (int)(year + era * 400) + (*ret_month <= 2);
}

const char *instant_print(int64_t instant, char text[static INSTANT_TEXT_MAX])
{
    enum { DAY_S = 24 * 60 * 60 };
    int64_t ms = ((instant % 1000) + 1000) % 1000, seconds = (instant - ms) / 1000;
    int s = (int)(((seconds % DAY_S) + DAY_S) % DAY_S), year, month, day;
    size_t n;

    date_of((seconds - s) / DAY_S, &year, &month, &day);
    n = (size_t)snprintf(text, INSTANT_TEXT_MAX, "%04d", year);
    if (n == 4)
        n += (size_t)snprintf(text + n, INSTANT_TEXT_MAX - n, "-%02d-%02dT%02d:%02d:%02d", month,
                              day, s / 3600, s / 60 % 60, s % 60);
    if (ms)
        (void)snprintf(text + n, INSTANT_TEXT_MAX - n, ".%03dZ", (int)ms);
    else
        (void)snprintf(text + n, INSTANT_TEXT_MAX - n, "Z");
    return text;
}

static int64_t unit_ms(const char **text)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].name);

        if (strncmp(*text, units[i].name, n) == 0) {
            *text += n;
            return units[i].ms;
        }
    }
    return 0;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
    int64_t total = 0, value, unit;
    bool bare = true;

    if (!*text)
        return -EINVAL;
    while (*text) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        for (value = 0; *text >= '0' && *text <= '9'; text++) {
            value = value * 10 + (*text - '0');
            if (value > DURATION_MOST_MS)
                return -ERANGE;
        }
        unit = *text ? unit_ms(&text) : (bare ? 1 : 0);
        if (!unit)
            return -EINVAL;
        if (value > (DURATION_MOST_MS - total) / unit)
            return -ERANGE;
        total += value * unit;
        bare = false;
    }
    *ret_ms = total;
    return 0;
}
