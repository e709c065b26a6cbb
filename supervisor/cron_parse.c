/*
 * The text of a schedule: fields into sets of numbers, macros into fields.
 *
 * Which numbers, names and letters a field takes is a row of the table; whatever is refused is
 * refused with the field, what was given, and what is wanted.
 */
#include "cron.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "instant.h"
#include "text.h"

#define BLANKS " \t"
#define EVERY "@every"

enum {
    CRON_TEXT_MAX = 255, /* sixty minutes one by one have 169 */
    FIELD_SECOND = 0,
    FIELD_MINUTE,
    FIELD_HOUR,
    FIELD_DAY,
    FIELD_MONTH,
    FIELD_WEEKDAY,
    FIELDS,
    DIGITS_MAX = 2,
    NAME_LETTERS = 3, /* enough of a name to know it by */
    NAMES_MAX = 12,
    NTH_WEEKDAY_MAX = 5,
    LAST_DAYS_MAX = 30,   /* L-30 is the first of a month of 31 */
    EVERY_LEAST_MS = 100, /* a process per tick; also catches `@every 90` meant in seconds */
    /* Any 28 years with no century in them have every combination of leap day and weekday. */
    CALENDAR_FROM = 2000,
    CALENDAR_YEARS = 28,
};

struct field {
    const char *name;
    const char *want;
    int least, most;
    bool again;  /* most + 1 means least once more: 7 is Sunday */
    bool ragged; /* where the field starts anew depends on the month */
    const char *names[NAMES_MAX + 1];
    /* Reads what only this field takes; NULL for none. Returns 1 when element was such, 0 when
     * not, or -EINVAL. */
    int (*special)(const struct field *, const char *element, struct cron *, struct err *reterr);
};

static int element_bad(const struct field *field, const char *element, struct err *reterr)
{
    const char *meant = text_nearest(element, field->names, NAMES_MAX);

    return err_set(reterr, -EINVAL, "%s: want %s, got \"%s\"%s%s%s", field->name, field->want,
                   element, meant ? "; did you mean \"" : "", meant ? meant : "",
                   meant ? "\"?" : "");
}

/* --- one element of a list */

/* A number, or a name by its first three letters or more; -1 when the n bytes are neither. */
static int word_value(const struct field *field, const char *word, size_t n)
{
    char number[DIGITS_MAX + 1] = { 0 };
    int64_t value;

    if (n > 0 && n <= DIGITS_MAX && isdigit((unsigned char)word[0])) {
        memcpy(number, word, n);
        if (text_to_int(number, field->least, field->most + field->again, &value) < 0)
            return -1;
        return (int)value;
    }
    for (int i = 0; n >= NAME_LETTERS && field->names[i]; i++)
        if (strncasecmp(word, field->names[i], n) == 0)
            return field->least + i;
    return -1;
}

/* L, L-n, LW and nW of the days of a month. */
static int day_special(const struct field *field, const char *element, struct cron *cron,
                       struct err *reterr)
{
    size_t n = strlen(element);
    int64_t before = 0;
    int day;

    if (strcasecmp(element, "LW") == 0) {
        cron->last_weekday = true;
        return 1;
    }
    if (n > 0 && toupper(element[0]) == 'L') {
        if (n > 1 && (element[1] != '-' || text_to_int(element + 2, 1, LAST_DAYS_MAX, &before) < 0))
            return element_bad(field, element, reterr);
        cron->last_days |= 1U << before;
        return 1;
    }
    if (n > 0 && toupper(element[n - 1]) == 'W') {
        day = word_value(field, element, n - 1);
        if (day < 0)
            return element_bad(field, element, reterr);
        cron->nearest_weekdays |= 1U << day;
        return 1;
    }
    return 0;
}

/* d#n and dL of the days of a week. */
static int weekday_special(const struct field *field, const char *element, struct cron *cron,
                           struct err *reterr)
{
    size_t n = strcspn(element, "#");
    int64_t nth = 0;
    int weekday;

    if (!element[n]) {
        if (n == 0 || toupper(element[n - 1]) != 'L')
            return 0;
        n--;
    } else if (strcasecmp(element + n, "#L") != 0 &&
               text_to_int(element + n + 1, 1, NTH_WEEKDAY_MAX, &nth) < 0) {
        return err_set(reterr, -EINVAL, "%s: want 1-%d or L after #, got \"%s\"", field->name,
                       NTH_WEEKDAY_MAX, element);
    }
    weekday = word_value(field, element, n);
    if (weekday < 0)
        return element_bad(field, element, reterr);
    cron->nth_weekdays[weekday % 7] |= (uint8_t)(1U << nth);
    return 1;
}

/* clang-format off */
static const struct field fields[FIELDS] = {
    [FIELD_SECOND]  = { "second",       "0-59", 0, 59 },
    [FIELD_MINUTE]  = { "minute",       "0-59", 0, 59 },
    [FIELD_HOUR]    = { "hour",         "0-23", 0, 23 },
    [FIELD_DAY]     = { "day of month", "1-31, L, L-2, LW or 15W", 1, 31,
                        .ragged = true, .special = day_special },
    [FIELD_MONTH]   = { "month",        "1-12 or jan-dec", 1, 12,
                        .names = { "january", "february", "march", "april", "may", "june", "july",
                                   "august", "september", "october", "november", "december" } },
    [FIELD_WEEKDAY] = { "day of week",  "0-7, sun-sat, friL or fri#2", 0, 6, .again = true,
                        .names = { "sunday", "monday", "tuesday", "wednesday", "thursday",
                                   "friday", "saturday" },
                        .special = weekday_special },
};
/* clang-format on */

/* Adds the members of `*`, `a`, `a-b`, each with `/step` or without, to set. */
static int range_parse(const struct field *field, const char *element, uint64_t *set,
                       struct err *reterr)
{
    int cycle = field->most - field->least + 1;
    int first = field->least, last = field->most;
    const char *word = element;
    size_t n = strcspn(word, "-/");
    int64_t step = 1;

    if (n != 1 || word[0] != '*') {
        first = word_value(field, word, n);
        if (word[n] == '-') {
            word += n + 1;
            n = strcspn(word, "/");
            last = word_value(field, word, n);
        } else if (word[n] != '/') {
            last = first;
        }
    }
    if (first < 0 || last < 0 || word[n] == '-')
        return element_bad(field, element, reterr);
    if (word[n] == '/' && text_to_int(word + n + 1, 1, cycle, &step) < 0)
        return err_set(reterr, -EINVAL, "%s: want a step of 1-%d after /, got \"%s\"", field->name,
                       cycle, element);
    if (last < first && field->ragged)
        return err_set(reterr, -EINVAL, "%s: a range goes up, got \"%s\"; write %d-%d,%d-%d",
                       field->name, element, first, field->most, field->least, last);

    if (last < first)
        last += cycle;
    for (int value = first; value <= last; value += (int)step)
        *set |= 1ULL << (field->least + (value - field->least) % cycle);
    return 0;
}

/* --- fields */

static int field_parse(const struct field *field, char *text, uint64_t *set, struct cron *cron,
                       struct err *reterr)
{
    char *element;
    int r;

    if (field->special && strcmp(text, "?") == 0)
        text[0] = '*';
    while ((element = strsep(&text, ",")) != NULL) {
        r = field->special ? field->special(field, element, cron, reterr) : 0;
        if (r == 0)
            r = range_parse(field, element, set, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Cuts text into words; returns how many there are, of which ret has the first FIELDS. */
static int words_split(char *text, char *ret[static FIELDS])
{
    char *rest = NULL;
    int n = 0;

    for (char *word = strtok_r(text, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
        if (n < FIELDS)
            ret[n] = word;
        n++;
    }
    return n;
}

static bool is_restricted(const char *word)
{
    return word[0] != '*' && word[0] != '?';
}

static bool is_ever_due(const struct cron *cron)
{
    for (int year = CALENDAR_FROM; year < CALENDAR_FROM + CALENDAR_YEARS; year++)
        for (int month = 1; month <= 12; month++)
            if (cron->months & 1U << month && cron_days(cron, year, month))
                return true;
    return false;
}

/* Says which of the two day fields is to blame. */
static int never_due(const struct cron *cron, struct err *reterr)
{
    struct cron any_weekday = *cron;

    any_weekday.weekdays = UINT32_MAX;
    if (is_ever_due(&any_weekday))
        return err_set(reterr, -EINVAL, "%s: never due, no such day of the month falls on it",
                       fields[FIELD_WEEKDAY].name);
    return err_set(reterr, -EINVAL, "%s: never due, no month of the schedule has such a day",
                   fields[FIELD_DAY].name);
}

/* words has n fields; where the seconds are left out, they are 0. */
static int fields_parse(char *words[], int n, struct cron *cron, struct err *reterr)
{
    uint64_t sets[FIELDS] = { 0 };
    int skipped = FIELDS - n;
    int r;

    cron->real_time = words[FIELD_HOUR - skipped][0] == '*' &&
                      !strchr(words[FIELD_HOUR - skipped], ',');
    cron->days_restricted = is_restricted(words[FIELD_DAY - skipped]);
    cron->weekdays_restricted = is_restricted(words[FIELD_WEEKDAY - skipped]);
    if (skipped)
        sets[FIELD_SECOND] = 1;
    for (int i = skipped; i < FIELDS; i++) {
        r = field_parse(&fields[i], words[i - skipped], &sets[i], cron, reterr);
        if (r < 0)
            return r;
    }

    cron->seconds = sets[FIELD_SECOND];
    cron->minutes = sets[FIELD_MINUTE];
    cron->hours = (uint32_t)sets[FIELD_HOUR];
    cron->days = (uint32_t)sets[FIELD_DAY];
    cron->months = (uint32_t)sets[FIELD_MONTH];
    cron->weekdays = (uint32_t)sets[FIELD_WEEKDAY];
    return is_ever_due(cron) ? 0 : never_due(cron, reterr);
}

/* --- macros */

/* clang-format off */
static const struct macro {
    const char *name, *fields;
} macros[] = {
    { "@yearly",   "0 0 1 1 *" },
    { "@annually", "0 0 1 1 *" },
    { "@monthly",  "0 0 1 * *" },
    { "@weekly",   "0 0 * * 0" },
    { "@daily",    "0 0 * * *" },
    { "@midnight", "0 0 * * *" },
    { "@hourly",   "0 * * * *" },
};
/* clang-format on */
enum { MACROS = sizeof macros / sizeof macros[0] };

static int every_parse(const char *text, const char *duration, struct cron *cron,
                       struct err *reterr)
{
    int64_t every_ms;

    if (!duration || duration_parse(duration, &every_ms) < 0 || every_ms < EVERY_LEAST_MS)
        return err_set(reterr, -EINVAL,
                       EVERY ": want one duration of %dms or more such as 90s or 1h30m, got \"%s\"",
                       EVERY_LEAST_MS, text);
    cron->every_ms = every_ms;
    return 0;
}

/* The fields that a macro stands for, or NULL. */
static const char *macro_fields(const char *name)
{
    for (int i = 0; i < MACROS; i++)
        if (strcasecmp(name, macros[i].name) == 0)
            return macros[i].fields;
    return NULL;
}

static int macro_unknown(const char *name, struct err *reterr)
{
    const char *names[MACROS + 1] = { EVERY };
    const char *meant;

    if (strcasecmp(name, "@reboot") == 0)
        return err_set(reterr, -EINVAL, "@reboot is not a schedule; say \"run_on_start\": true");
    for (int i = 0; i < MACROS; i++)
        names[i + 1] = macros[i].name;
    meant = text_nearest(name, names, MACROS + 1);
    return err_set(reterr, -EINVAL, "unknown schedule \"%s\"; did you mean %s?", name,
                   meant ? meant : "@hourly, @daily, @weekly, @monthly, @yearly or @every");
}

/* --- the whole */

static int text_check(const char *text, struct err *reterr)
{
    if (strlen(text) > CRON_TEXT_MAX)
        return err_set(reterr, -EINVAL, "a schedule has at most %d characters, got %zu",
                       CRON_TEXT_MAX, strlen(text));
    for (const char *c = text; *c; c++)
        if (!isascii(*c) || (iscntrl(*c) && *c != '\t'))
            return err_set(reterr, -EINVAL, "a schedule is plain ASCII, got byte 0x%02x at %td",
                           (unsigned char)*c, c - text + 1);
    return 0;
}

int cron_parse(const char *text, struct cron *ret, struct err *reterr)
{
    struct cron cron = { 0 };
    char copy[CRON_TEXT_MAX + 1];
    char *words[FIELDS] = { NULL };
    int n, r;

    r = text_check(text, reterr);
    if (r < 0)
        return r;
    memcpy(copy, text, strlen(text) + 1);
    n = words_split(copy, words);
    if (n > 0 && strcasecmp(words[0], EVERY) == 0) {
        r = every_parse(text, n == 2 ? words[1] : NULL, &cron, reterr);
    } else if (n == 1 && words[0][0] == '@') {
        if (!macro_fields(words[0]))
            return macro_unknown(words[0], reterr);
        return cron_parse(macro_fields(words[0]), ret, reterr);
    } else if (n == FIELDS - 1 || n == FIELDS) {
        r = fields_parse(words, n, &cron, reterr);
    } else {
        r = err_set(reterr, -EINVAL,
                    "want 5 fields (minute hour day-of-month month day-of-week), or 6 with seconds "
                    "in front, got %d in \"%s\"",
                    n, text);
    }
    if (r == 0)
        *ret = cron;
    return r;
}
