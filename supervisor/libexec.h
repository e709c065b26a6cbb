#ifndef OPS_LIBEXEC_H
#define OPS_LIBEXEC_H
/*
 * The management commands of the apps: small binaries of their own, which `opsctl NAME ...` runs.
 *
 * They are in ../libexec/ops or ../libexec, seen from opsctl's own binary, beside an index that
 * `make` wrote of what each says of itself (--describe). Only what the index names is ever run.
 */
#include <cjson/cJSON.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>

struct libexec {
    char folder[PATH_MAX];
    cJSON *index;
};

/* What the index says; the texts live as long as the struct libexec. */
struct libexec_command {
    const char *name, *app, *about;
    const char *arguments; /* NULL: it does not say */
    const char *also;      /* its other names, with spaces between; NULL: it has none */
};

/* Finds the folder and reads its index. Without one, or with a broken one, there are no commands.
 * libexec_done releases it in any case. */
void libexec_open(struct libexec *ret);
void libexec_done(struct libexec *libexec);

#define OWN_LIBEXEC __attribute__((cleanup(libexec_done)))

/* The i-th command, those of an app together; false past the last. */
bool libexec_at(const struct libexec *libexec, size_t i, struct libexec_command *ret);

/* The command that has that name, or has it among others; false: there is none. */
bool libexec_find(const struct libexec *libexec, const char *name, struct libexec_command *ret);

/* Its program. Returns 0 or -ENAMETOOLONG. */
int libexec_path(const struct libexec *libexec, const struct libexec_command *command,
                 char ret[static PATH_MAX]);

#endif
