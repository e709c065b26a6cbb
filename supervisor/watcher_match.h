#ifndef OPS_WATCHER_MATCH_H
#define OPS_WATCHER_MATCH_H
/*
 * Which changed files are a reason to restart an app. Pure: paths are compared, not looked up.
 *
 * Paths are absolute, without a slash at the end.
 */
#include <stdbool.h>

#include "manifest.h"

/*
 * True when a path, relative to the watched one, is of no interest: one of its components is always
 * left out (begins with a dot, node_modules, __pycache__, an editor's temporary file), or a pattern
 * fits. Patterns are those of fnmatch(3), whose `*` goes across slashes: one fits a component, or
 * the path from its beginning to the end of a component, so that what lies below is left out, too.
 * One that begins with `**` and a slash may fit from any component on. One that begins with a slash
 * is compared with the path below watched as a whole.
 */
bool watch_leaves_out(const char *watched, const char *relative, texts patterns);

#endif
