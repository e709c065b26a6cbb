#ifndef OPS_SETTINGS_H
#define OPS_SETTINGS_H
/*
 * Every environment variable that a worker may need: one table, read by the check at start, by
 * --describe and --help, and by the test that holds .env.example to it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET,   /* never printed */
    SETTING_KEYS,     /* of fernet.h; never printed */
    SETTING_INT,      /* whole number, least..most */
    SETTING_DURATION, /* "1h"; read as milliseconds, least..most */
    SETTING_ZONE,     /* IANA time zone that exists here */
    SETTING_URL,      /* https, or http on loopback */
    SETTING_KINDS,
};

struct setting {
    const char *name;
    enum setting_kind kind;
    const char *fallback; /* NULL: must be set by whoever needs it; "": may be left out */
    long least, most;
    const char *help;
};

/* Room for the table, so that whoever lists settings needs no allocation. */
enum { SETTINGS_MAX = 96 };

extern const struct setting settings[];
extern const size_t settings_count;

const struct setting *setting_find(const char *name);

/* "text", "secret", "keys", "int", "duration", "zone", "url". */
const char *setting_kind_name(enum setting_kind kind);

/* Checks a value that is not empty. Returns 0, with the number of SETTING_INT and
 * SETTING_DURATION (milliseconds) in ret_number and 0 for the other kinds, or -EINVAL with what is
 * wanted in reterr, which never quotes the value of a secret. */
int setting_check(const struct setting *setting, const char *value, int64_t *ret_number,
                  struct err *reterr);

#endif
