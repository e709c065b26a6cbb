#ifndef OPS_TRANSLATIONS_H
#define OPS_TRANSLATIONS_H
/* What the commands on translation sets share. */
#include "worker.h"

/* Their files are read and written in one piece: a thousand texts are a megabyte. */
enum { TRANSLATION_PATH_MAX = 128, TRANSLATION_FILE_MAX = 16 << 20 };

/* Checks a set's name, which is part of a file's name: 64 letters, digits, _ and - at most. Returns
 * 0, or -EDOM, logged. */
int translation_check_name(struct run *run, const char *name);

/* Where NAME is exported to and imported from, below the current folder. Returns path. */
const char *translation_path(const char *name, char path[static TRANSLATION_PATH_MAX]);

#endif
