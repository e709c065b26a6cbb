#ifndef OPS_MANIFEST_FILE_H
#define OPS_MANIFEST_FILE_H
/*
 * A manifest as it lies on the disk. opsd and `opsctl check` both read it through here, so that
 * what is checked is what will run.
 */
#include "manifest.h"

/* Everything that a manifest says depends on, so that it can be kept and read again later. */
struct manifest_text {
    char *text;
    size_t n;
    char *folder;   /* what relative paths are relative to */
    char *profile;  /* NULL: none */
    char *env_name; /* of --env; NULL: none */
};

/* Reads the file at path (absolute) and the profile that holds: OPS_PROFILE from the environment or
 * else from the .env beside it; env_name (NULL: none) is copied. Returns 0, and the caller releases
 * ret; or a negative errno, and problems says which file and why. */
int manifest_text_read(const char *path, const char *env_name, struct manifest_text *ret,
                       struct buf *problems);
void manifest_text_done(struct manifest_text *text);

/* What it says. Returns as manifest_load. */
int manifest_text_parse(const struct manifest_text *text, struct manifest *ret,
                        struct buf *problems);

/* Reads the manifest at path (absolute): its apps under the profile that OPS_PROFILE names, in the
 * environment or else in the .env beside it, and their time zones.
 *
 * Returns 0 with ret filled, the caller's to manifest_free; problems then holds notes, if anything.
 * Returns -EINVAL, -E2BIG or -ENOMEM with what is wrong in the manifest, one problem a line; or
 * another errno when a file cannot be read, which the one line names. problems comes in empty. */
int manifest_load(const char *path, struct manifest *ret, struct buf *problems);

/* The same for whoever goes on after -EINVAL to look for what else is wrong: ret then holds the
 * apps that are right by themselves (manifest_parse_most); it comes in empty, and is the caller's
 * to free whatever is returned. */
int manifest_load_most(const char *path, struct manifest *ret, struct buf *problems);

#endif
