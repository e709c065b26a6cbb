#ifndef OPS_ZONE_FILE_H
#define OPS_ZONE_FILE_H
/*
 * A file of tzdata (RFC 9636, tzfile(5)) as the moves of one clock.
 *
 * Read by ourselves, because the C library knows one zone per process and keeps it in variables
 * that every thread shares (TZ and tzset(3)).
 */
#include <stddef.h>
#include <stdint.h>

#include "zone_rule.h"

struct zone_data {
    int before;              /* seconds east of UTC before the first move */
    struct zone_move *moves; /* by age; each changes the offset */
    size_t count;
    struct zone_rule rule; /* from the last one on */
};

/* The caller frees ret->moves. Returns 0, the errno of open and read, -EBADMSG for what is no such
 * file, -ENOTSUP for one that counts leap seconds, which no clock of a Unix does, or -ENOMEM. */
int zone_file_read(const char *path, struct zone_data *ret);

#endif
