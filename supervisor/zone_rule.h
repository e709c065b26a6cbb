#ifndef OPS_ZONE_RULE_H
#define OPS_ZONE_RULE_H
/*
 * When a clock is moved year after year: POSIX's TZ, "EST5EDT,M3.2.0,M11.1.0", with RFC 9636's
 * extension to hours of the week. It ends each file of tzdata, for the years that the file does not
 * list. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

enum { ZONE_RULE_MOVES = 2 }; /* in a year */

/* A day of each year and a time of it. */
struct zone_day {
    char kind; /* 'M': weekday of week of month; 'J': day 1-365, no leap day; 'D': day 0-365 */
    int month, week, day;
    int time; /* seconds from its midnight, may lie days before or after it */
};

struct zone_rule {
    int standard, summer; /* seconds east of UTC */
    bool moves;           /* false: always standard */
    struct zone_day begin, end;
};

/* Returns 0 or -EINVAL. */
int zone_rule_parse(const char *text, struct zone_rule *ret);

/* A move of the clock: from the second at on it is offset seconds east of UTC. */
struct zone_move {
    int64_t at;
    int offset;
};

/* The moves of a year of the standard clock, in their order; both, also when they fall together. */
void zone_rule_moves(const struct zone_rule *rule, int year,
                     struct zone_move ret[static ZONE_RULE_MOVES]);

#endif
