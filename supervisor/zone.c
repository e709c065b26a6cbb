/*
 * Time zones: who asks for an instant's wall clock gets it without a system call.
 *
 * A zone is a list of moves of its clock, and a rule for the years after them; every answer is the
 * span between two moves that an instant lies in, and arithmetic on that.
 */
#include "zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "own.h"
#include "text.h"
#include "zone_file.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define SYSTEM_FILE "/etc/localtime"

enum {
    DAY_S = 86400,
    OFFSET_MAX_S = 26 * 3600, /* zone_file.c takes no more */
    ZONE_NAME_MAX = 64,       /* the longest of tzdata has 32 */
    ZONE_NAMES_MAX = 1024,
    YEAR_FIRST = 1, /* of those that rules are asked about */
    YEAR_LAST = 9999,
};

/* Past every year that a schedule looks at; as milliseconds it still is a number. */
static const int64_t FOREVER_S = INT64_MAX / 2000;

struct zone {
    struct zone *next;
    char *name; /* NULL: the system's */
    char *path; /* NULL: it has no file */
    struct stat file;
    int version;
    struct zone_data data;
};

/* Seconds [start, end) in which the clock was not moved. */
struct span {
    int64_t start, end;
    int offset;
};

static struct zone *zones;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* --- arithmetic */

static int year_of(int64_t second)
{
    time_t t = second;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 > YEAR_LAST)
        return YEAR_LAST;
    return tm.tm_year + 1900 < YEAR_FIRST + 1 ? YEAR_FIRST + 1 : tm.tm_year + 1900;
}

/* By the rule; span has the offset and the start of the time that the rule is for. */
static void follow_rule(const struct zone_rule *rule, int64_t second, struct span *span)
{
    int year = year_of(second);

    span->offset = rule->standard;
    /* The years around it: a zone's year is not UTC's. */
    for (int y = year - 1; rule->moves && y <= year + 1; y++) {
        struct zone_move moves[ZONE_RULE_MOVES];

        zone_rule_moves(rule, y, moves);
        for (int i = 0; i < ZONE_RULE_MOVES; i++) {
            if (moves[i].at > second) {
                span->end = moves[i].at;
                return;
            }
            if (moves[i].at > span->start)
                span->start = moves[i].at;
            span->offset = moves[i].offset;
        }
    }
}

static struct span span_at(const struct zone *zone, int64_t second)
{
    const struct zone_data *data = &zone->data;
    struct span span = { .start = -FOREVER_S, .end = FOREVER_S, .offset = data->before };
    size_t low = 0, high = data->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (data->moves[middle].at > second)
            high = middle;
        else
            low = middle + 1;
    }
    if (low) {
        span.start = data->moves[low - 1].at;
        span.offset = data->moves[low - 1].offset;
    }
    if (low < data->count)
        span.end = data->moves[low].at;
    else
        follow_rule(&data->rule, second, &span);
    return span;
}

void zone_local(const struct zone *zone, int64_t instant, struct local *ret)
{
    int64_t second = floor_div(instant, 1000);
    time_t shown = second + span_at(zone, second).offset;
    struct tm tm = { 0 };

    (void)gmtime_r(&shown, &tm);
    *ret = (struct local){
        .year = tm.tm_year + 1900,
        .month = tm.tm_mon + 1,
        .day = tm.tm_mday,
        .hour = tm.tm_hour,
        .minute = tm.tm_min,
        .second = tm.tm_sec,
        .weekday = tm.tm_wday,
    };
}

/* What the clock would show in seconds since 1970 if it were in UTC. */
static int64_t local_second(const struct local *local)
{
    struct tm tm = {
        .tm_year = local->year - 1900,
        .tm_mon = local->month - 1,
        .tm_mday = local->day,
        .tm_hour = local->hour,
        .tm_min = local->minute,
        .tm_sec = local->second,
    };

    return timegm(&tm);
}

int zone_instants(const struct zone *zone, const struct local *local, int64_t ret[2])
{
    int64_t shown = local_second(local);
    int64_t at = shown - OFFSET_MAX_S, last = shown + OFFSET_MAX_S;
    struct span span;
    int n = 0;

    while (n < 2 && at <= last) {
        int64_t second;

        span = span_at(zone, at);
        second = shown - span.offset;
        if (second < span.start)
            break; /* the clock is past it from here on */
        if (second < span.end)
            ret[n++] = second * 1000;
        at = span.end;
    }
    if (n == 0)
        ret[0] = span.start * 1000;
    return n;
}

int64_t zone_steady_until(const struct zone *zone, int64_t instant)
{
    return span_at(zone, floor_div(instant, 1000)).end * 1000;
}

/* --- names */

/* Only names within the folder, in the characters that tzdata allows itself. */
static bool name_is_possible(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > ZONE_NAME_MAX || !isalnum((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("/_+-", name[i]))
            return false;
    return true;
}

/* Moscow, or moscow, for Europe/Moscow. */
static bool name_ends_with_city(const char *name, const char *city)
{
    const char *slash = strrchr(name, '/');

    return slash && strcasecmp(slash + 1, city) == 0;
}

/* "Z NAME …" is a zone and "L ZONE NAME" a second name of it: zic(8). Returns the name, in line. */
static char *name_of_line(char *line)
{
    char *rest = line;
    char *kind = strsep(&rest, " \n");

    if (strcmp(kind, "L") == 0)
        (void)strsep(&rest, " \n");
    else if (strcmp(kind, "Z") != 0)
        return NULL;
    return strsep(&rest, " \n");
}

/* The zone that name may have meant, for the caller to free, or NULL. */
static char *name_nearest(const char *name)
{
    OWN(file) FILE *file = fopen(ZONE_FOLDER "/tzdata.zi", "re");
    OWN(free) char *line = NULL;
    char *names[ZONE_NAMES_MAX];
    const char *nearest = NULL;
    char *copy;
    size_t size = 0, n = 0;

    while (file && n < ZONE_NAMES_MAX && getline(&line, &size, file) >= 0) {
        char *known = name_of_line(line);

        if (!known)
            continue;
        names[n] = strdup(known);
        if (!names[n])
            break;
        if (!nearest && name_ends_with_city(known, name))
            nearest = names[n];
        n++;
    }
    if (!nearest)
        nearest = text_nearest(name, (const char *const *)names, n);
    copy = nearest ? strdup(nearest) : NULL;
    while (n > 0)
        free(names[--n]);
    return copy;
}

static int name_unknown(const char *name, struct err *reterr)
{
    OWN(free) char *nearest = NULL;

    for (const char *c = name; *c; c++)
        if (iscntrl((unsigned char)*c))
            return err_set(reterr, -ENOENT, "a time zone's name has no control characters");
    if (access(ZONE_FOLDER, X_OK) < 0)
        return err_set(reterr, -ENOENT, "no " ZONE_FOLDER ": install the package tzdata");
    nearest = name_nearest(name);
    return err_set(reterr, -ENOENT, "unknown time zone \"%s\"; %s%s%s", name,
                   nearest ? "did you mean \"" : "want an IANA name such as \"",
                   nearest ? nearest : "Europe/Moscow", nearest ? "\"?" : "\"");
}

/* --- opening */

/* An upgrade puts another file in its place. One that cannot be read leaves what was known. */
static int zone_refresh(struct zone *zone)
{
    struct zone_data data;
    struct stat file;
    int r;

    if (!zone->path)
        return 0;
    if (stat(zone->path, &file) < 0)
        return -errno;
    if (file.st_ino == zone->file.st_ino && file.st_dev == zone->file.st_dev &&
        file.st_mtim.tv_sec == zone->file.st_mtim.tv_sec &&
        file.st_mtim.tv_nsec == zone->file.st_mtim.tv_nsec)
        return 0;
    r = zone_file_read(zone->path, &data);
    if (r < 0)
        return r;
    free(zone->data.moves);
    zone->data = data;
    zone->file = file;
    zone->version++;
    return 0;
}

int zone_version(const struct zone *zone)
{
    return zone->version;
}

static struct zone *zone_free(struct zone *zone)
{
    free(zone->name);
    free(zone->path);
    free(zone->data.moves);
    free(zone);
    return NULL;
}

/* path NULL: UTC, or what its own rule says. */
static struct zone *zone_new(const char *name, const char *path, const struct zone_rule *rule)
{
    struct zone *zone = calloc(1, sizeof *zone);

    if (!zone)
        return NULL;
    zone->name = name ? strdup(name) : NULL;
    zone->path = path ? strdup(path) : NULL;
    if ((name && !zone->name) || (path && !zone->path))
        return zone_free(zone);
    zone->version = 1;
    if (rule)
        zone->data = (struct zone_data){ .before = rule->standard, .rule = *rule };
    return zone;
}

static int keep(struct zone *zone, const struct zone **ret)
{
    int r = zone ? zone_refresh(zone) : -ENOMEM;

    if (r < 0) {
        if (zone)
            (void)zone_free(zone);
        return r;
    }
    zone->next = zones;
    zones = zone;
    *ret = zone;
    return 0;
}

/* As tzset(3) has it: TZ, which is a file, a name, or a rule of its own, then /etc/localtime; UTC
 * when all that cannot be read. */
static int open_system(const struct zone **ret)
{
    char path[sizeof ZONE_FOLDER + 1 + ZONE_NAME_MAX];
    const char *setting = getenv("TZ");
    struct zone_rule rule;
    int r = -ENOENT;

    if (!setting)
        return keep(zone_new(NULL, SYSTEM_FILE, NULL), ret);
    setting += *setting == ':';
    if (*setting == '/') {
        r = keep(zone_new(NULL, setting, NULL), ret);
    } else if (name_is_possible(setting)) {
        (void)snprintf(path, sizeof path, ZONE_FOLDER "/%s", setting);
        r = keep(zone_new(NULL, path, NULL), ret);
    }
    if (r < 0 && r != -ENOMEM && zone_rule_parse(setting, &rule) == 0)
        r = keep(zone_new(NULL, NULL, &rule), ret);
    return r;
}

static int open_named(const char *name, const struct zone **ret)
{
    char path[sizeof ZONE_FOLDER + 1 + ZONE_NAME_MAX];

    /* UTC needs no tzdata: a container may have none. */
    if (strcmp(name, "UTC") == 0)
        return keep(zone_new(name, NULL, NULL), ret);
    if (!name_is_possible(name))
        return -ENOENT;
    (void)snprintf(path, sizeof path, ZONE_FOLDER "/%s", name);
    return keep(zone_new(name, path, NULL), ret);
}

int zone_open(const char *name, const struct zone **ret, struct err *reterr)
{
    int r;

    for (struct zone *zone = zones; zone; zone = zone->next) {
        if (name != zone->name && !(name && zone->name && strcmp(name, zone->name) == 0))
            continue;
        (void)zone_refresh(zone);
        *ret = zone;
        return 0;
    }
    r = name ? open_named(name, ret) : open_system(ret);
    if (!name && r < 0 && r != -ENOMEM)
        r = keep(zone_new(NULL, NULL, NULL), ret);
    if (r == -ENOTSUP)
        return err_set(reterr, -ENOENT,
                       "time zone \"%s\" counts leap seconds, which no clock here does", name);
    if (r < 0 && r != -ENOMEM)
        return name_unknown(name, reterr);
    return r < 0 ? err_set(reterr, r, "out of memory") : 0;
}
