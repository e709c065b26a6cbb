#ifndef OPS_MANIFEST_FILE_H
#define OPS_MANIFEST_FILE_H
/*
 * A manifest as it lies on the disk. opsd and `opsctl check` both read it through here, so that
 * what is checked is what will run.
 */
#include "manifest.h"

/* Reads the manifest at path (absolute): its apps under the profile that OPS_PROFILE names, in the
 * environment or else in the .env beside it, and their time zones.
 *
 * Returns 0 with ret filled, the caller's to manifest_free; problems then holds notes, if anything.
 * Returns -EINVAL, -E2BIG or -ENOMEM with what is wrong in the manifest, one problem a line; or
 * another errno when a file cannot be read, which the one line names. problems comes in empty. */
int manifest_load(const char *path, struct manifest *ret, struct buf *problems);

#endif
