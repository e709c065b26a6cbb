/* The time in front of a log line, as log_date_format says. */
#include "log_date.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a token stands for: a number of struct tm and its width, or what strftime(3) makes of it. */
enum part {
    PART_STRFTIME,
    PART_YEAR,
    PART_QUARTER,
    PART_MONTH,
    PART_DAY,
    PART_ORDINAL,
    PART_WEEKDAY,
    PART_HOUR,
    PART_HOUR_12,
    PART_HOUR_FROM_1,
    PART_MINUTE,
    PART_SECOND,
    PART_MS,
    PART_UNIX,
    PART_UNIX_MS,
    PART_ZONE,
    PART_ZONE_COLON,
    PART_AM,
    PART_AM_SMALL,
};

struct token {
    const char *text;
    enum part part;
    int width;
    const char *strftime;
};

/* clang-format off */
/* The longest first. */
static const struct token tokens[] = {
    { "YYYY", PART_YEAR, 4 },
    { "MMMM", PART_STRFTIME, 0, "%B" },
    { "dddd", PART_STRFTIME, 0, "%A" },
    { "MMM", PART_STRFTIME, 0, "%b" },
    { "ddd", PART_STRFTIME, 0, "%a" },
    { "SSS", PART_MS, 3 },
    { "YY", PART_STRFTIME, 0, "%y" },
    { "MM", PART_MONTH, 2 },
    { "DD", PART_DAY, 2 },
    { "Do", PART_ORDINAL, 1 },
    { "dd", PART_STRFTIME, 2, "%a" },
    { "HH", PART_HOUR, 2 },
    { "hh", PART_HOUR_12, 2 },
    { "kk", PART_HOUR_FROM_1, 2 },
    { "mm", PART_MINUTE, 2 },
    { "ss", PART_SECOND, 2 },
    { "ZZ", PART_ZONE, 0 },
    { "Q", PART_QUARTER, 1 },
    { "M", PART_MONTH, 1 },
    { "D", PART_DAY, 1 },
    { "d", PART_WEEKDAY, 1 },
    { "H", PART_HOUR, 1 },
    { "h", PART_HOUR_12, 1 },
    { "k", PART_HOUR_FROM_1, 1 },
    { "m", PART_MINUTE, 1 },
    { "s", PART_SECOND, 1 },
    { "Z", PART_ZONE_COLON, 0 },
    { "A", PART_AM, 0 },
    { "a", PART_AM_SMALL, 0 },
    { "X", PART_UNIX, 1 },
    { "x", PART_UNIX_MS, 1 },
};
/* clang-format on */

struct moment {
    struct tm local;
    int64_t ms;
};

static int64_t number_of(enum part part, const struct moment *at)
{
    const struct tm *tm = &at->local;

    switch (part) {
    case PART_YEAR:
        return tm->tm_year + 1900;
    case PART_QUARTER:
        return tm->tm_mon / 3 + 1;
    case PART_MONTH:
        return tm->tm_mon + 1;
    case PART_DAY:
    case PART_ORDINAL:
        return tm->tm_mday;
    case PART_WEEKDAY:
        return tm->tm_wday;
    case PART_HOUR:
        return tm->tm_hour;
    case PART_HOUR_12:
        return (tm->tm_hour + 11) % 12 + 1;
    case PART_HOUR_FROM_1:
        return tm->tm_hour ? tm->tm_hour : 24;
    case PART_MINUTE:
        return tm->tm_min;
    case PART_SECOND:
        return tm->tm_sec;
    case PART_MS:
        return at->ms % 1000;
    case PART_UNIX:
        return at->ms / 1000;
    default:
        return at->ms;
    }
}

static const char *ordinal(int day)
{
    if (day / 10 != 1 && day % 10 >= 1 && day % 10 <= 3)
        return day % 10 == 1 ? "st" : day % 10 == 2 ? "nd" : "rd";
    return "th";
}

/* The table's formats and the user's own are what strftime(3) is for. */
static size_t print_time(char *to, size_t room, const char *format, const struct tm *local)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return strftime(to, room, format, local);
#pragma GCC diagnostic pop
}

/* Returns the length; room is enough for any token but a strftime one, which is left out then. */
static size_t print_token(const struct token *token, const struct moment *at, char *to, size_t room)
{
    long minutes = at->local.tm_gmtoff / 60, away = minutes < 0 ? -minutes : minutes;
    bool evening = at->local.tm_hour >= 12;
    size_t n;

    switch (token->part) {
    case PART_STRFTIME:
        n = print_time(to, room, token->strftime, &at->local);
        return token->width && n > (size_t)token->width ? (size_t)token->width : n;
    case PART_ORDINAL:
        return (size_t)snprintf(to, room, "%d%s", at->local.tm_mday, ordinal(at->local.tm_mday));
    case PART_ZONE:
    case PART_ZONE_COLON:
        return (size_t)snprintf(to, room, "%c%02ld%s%02ld", minutes < 0 ? '-' : '+', away / 60,
                                token->part == PART_ZONE ? "" : ":", away % 60);
    case PART_AM:
        return (size_t)snprintf(to, room, "%s", evening ? "PM" : "AM");
    case PART_AM_SMALL:
        return (size_t)snprintf(to, room, "%s", evening ? "pm" : "am");
    default:
        return (size_t)snprintf(to, room, "%0*lld", token->width,
                                (long long)number_of(token->part, at));
    }
}

static const struct token *token_at(const char *format)
{
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (strncmp(format, tokens[i].text, strlen(tokens[i].text)) == 0)
            return &tokens[i];
    return NULL;
}

/* What a token needs at most, but for names of days and months in odd languages. */
enum { TOKEN_MAX = 64 };

size_t log_date_print(const char *format, int64_t instant, char to[static LOG_DATE_MAX])
{
    struct moment at = { .ms = instant };
    time_t seconds = (time_t)(instant / 1000);
    const struct token *token;
    const char *end;
    size_t n = 0;

    (void)localtime_r(&seconds, &at.local);
    if (strchr(format, '%')) {
        n = print_time(to, LOG_DATE_MAX, format, &at.local);
        to[n] = '\0';
        return n;
    }
    while (*format && n + TOKEN_MAX < LOG_DATE_MAX) {
        end = *format == '[' ? strchr(format, ']') : NULL;
        token = end ? NULL : token_at(format);
        if (token) {
            n += print_token(token, &at, to + n, LOG_DATE_MAX - n);
            format += strlen(token->text);
        } else if (end) {
            for (format++; format < end && n + TOKEN_MAX < LOG_DATE_MAX; format++)
                to[n++] = *format;
            format = end + 1;
        } else {
            to[n++] = *format++;
        }
    }
    to[n] = '\0';
    return n;
}
