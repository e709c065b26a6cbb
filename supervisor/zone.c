/*
 * Time zones: who asks for an instant's wall clock gets it without a system call.
 *
 * A change of TZ makes the C library read a file, so a zone asks it rarely, for about a year at
 * once, and keeps when in that year the clock was moved; every answer is arithmetic on that.
 */
#include "zone.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "own.h"
#include "text.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define SYSTEM_FILE "/etc/localtime"

enum {
    DAY_S = 86400,
    WINDOW_S = 366 * DAY_S,
    /* A schedule of 29 February on a Monday looks at eleven windows. */
    WINDOWS = 16,
    /* Five, in any 366 days since 1970 of any zone of tzdata 2025b (Morocco around Ramadan). */
    CHANGES_MAX = 8,
    /* No clock was ever further from UTC: Asia/Manila before 1845, -15:56. */
    OFFSET_MAX_S = 16 * 3600,
    ZONE_NAME_MAX = 64, /* the longest of tzdata has 32 */
    ZONE_NAMES_MAX = 1024,
};

struct window {
    bool filled;
    int64_t index; /* it begins at index * WINDOW_S */
    int offset;    /* seconds east of UTC when it begins */
    int n;
    struct {
        int64_t at;
        int offset;
    } changes[CHANGES_MAX];
};

struct zone {
    struct zone *next;
    char *setting; /* "TZ=…", or NULL to leave the process's own */
    struct stat file;
    int version;
    /* Window i is kept in windows[i % WINDOWS], until another one needs the place. */
    struct window windows[WINDOWS];
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

/* --- what the C library knows */

static int offset_now_set(int64_t second)
{
    time_t t = second;
    struct tm tm;

    return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

/* The first second of (low, high] whose offset differs from that of low; the clock is moved once
 * in between. */
static int64_t change_find(int64_t low, int64_t high)
{
    int offset = offset_now_set(low);

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if (offset_now_set(middle) == offset)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Looks once a day: no zone ever moved its clock twice within four (Africa/Freetown, 1939). */
static void window_scan(struct window *window, int64_t index)
{
    int64_t at = index * WINDOW_S, end = at + WINDOW_S;
    int offset = offset_now_set(at);

    *window = (struct window){ .filled = true, .index = index, .offset = offset };
    while (at < end && window->n < CHANGES_MAX) {
        int64_t next = at + DAY_S;

        if (offset_now_set(next) != offset) {
            next = change_find(at, next);
            offset = offset_now_set(next);
            window->changes[window->n].at = next;
            window->changes[window->n++].offset = offset;
        }
        at = next;
    }
}

/* Puts a one-line environment in place of the real one instead of calling setenv(3), so that there
 * is nothing to allocate, to fail or to restore but one pointer. */
static void window_fill(const struct zone *zone, struct window *window, int64_t index)
{
    char *only_tz[] = { zone->setting, NULL };
    char **real = environ;

    if (zone->setting)
        environ = only_tz;
    tzset();
    window_scan(window, index);
    environ = real;
    tzset();
}

/* --- arithmetic */

static struct span span_at(const struct zone *zone, int64_t second)
{
    int64_t index = floor_div(second, WINDOW_S);
    /* Zones are allocated by zone_open, never const; what they have looked up does not show. */
    struct window *window = (struct window *)&zone->windows[(uint64_t)index % WINDOWS];
    struct span span;

    if (!window->filled || window->index != index)
        window_fill(zone, window, index);

    span = (struct span){ index * WINDOW_S, (index + 1) * WINDOW_S, window->offset };
    for (int i = 0; i < window->n; i++) {
        if (window->changes[i].at > second) {
            span.end = window->changes[i].at;
            break;
        }
        span.start = window->changes[i].at;
        span.offset = window->changes[i].offset;
    }
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

static bool name_has_data(const char *name)
{
    char path[sizeof ZONE_FOLDER + 1 + ZONE_NAME_MAX];
    char magic[4]; /* tzfile(5) */
    OWN(close) int fd = -1;

    if (!name_is_possible(name))
        return false;
    (void)snprintf(path, sizeof path, ZONE_FOLDER "/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    return read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "TZif", 4) == 0;
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

/* An upgrade puts another file in its place; a zone without a file (UTC) stays as it is. */
static void zone_refresh(struct zone *zone)
{
    const char *path = zone->setting ? strchr(zone->setting, '/') : SYSTEM_FILE;
    struct stat file;

    if (!path || stat(path, &file) < 0)
        return;
    if (file.st_ino == zone->file.st_ino && file.st_dev == zone->file.st_dev &&
        file.st_mtim.tv_sec == zone->file.st_mtim.tv_sec &&
        file.st_mtim.tv_nsec == zone->file.st_mtim.tv_nsec)
        return;
    zone->file = file;
    zone->version++;
    for (size_t i = 0; i < WINDOWS; i++)
        zone->windows[i].filled = false;
}

int zone_version(const struct zone *zone)
{
    return zone->version;
}

/* The name becomes an absolute path, so that a TZDIR of the environment plays no part. */
static int zone_new(const char *setting, struct zone **ret)
{
    struct zone *zone = calloc(1, sizeof *zone);

    if (!zone)
        return -ENOMEM;
    zone->setting = setting ? strdup(setting) : NULL;
    if (setting && !zone->setting) {
        free(zone);
        return -ENOMEM;
    }
    zone->next = zones;
    zones = zone;
    *ret = zone;
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int zone_open(const char *name, const struct zone **ret, struct err *reterr)
{
    char setting[sizeof "TZ=:" ZONE_FOLDER "/" + ZONE_NAME_MAX] = "TZ=UTC0";
    const char *wanted = name ? setting : NULL;
    struct zone *zone;
    int r;

    /* UTC needs no tzdata: a container may have none. */
    if (name && strcmp(name, "UTC") != 0) {
        if (!name_has_data(name))
            return name_unknown(name, reterr);
        (void)snprintf(setting, sizeof setting, "TZ=:" ZONE_FOLDER "/%s", name);
    }

    for (zone = zones; zone; zone = zone->next) {
        if (same_text(zone->setting, wanted)) {
            zone_refresh(zone);
            *ret = zone;
            return 0;
        }
    }
    r = zone_new(wanted, &zone);
    if (r < 0)
        return err_set(reterr, r, "no memory for time zone %s", name ? name : "of the system");
    zone_refresh(zone);
    *ret = zone;
    return 0;
}
