#ifndef OPS_WATCHER_H
#define OPS_WATCHER_H
/*
 * `watch`: tells when files of an app have changed, by one inotify(7) descriptor for the fleet,
 * because a user has few of them (fs.inotify.max_user_instances, 128).
 *
 * Folders are watched with everything below, files by way of their folder, so that one that is
 * replaced by rename(2) is seen. A path that is not there (yet), and one that leads through
 * symbolic links, which a deployment may point elsewhere, is watched where that will be seen.
 * Symbolic links below a watched folder are not followed.
 *
 * A change is: a file that was written is closed; a name appears, disappears or is moved. Sockets
 * and FIFOs are no files here. An app is told of once nothing has changed for its watch_delay, but
 * not later than WATCHER_DELAYS_MAX times that after the first change.
 *
 * Logs when something cannot be watched.
 */
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "manifest.h"
#include "watcher_own.h"

enum { WATCHER_DELAYS_MAX = 10 };

struct watcher;

/* name: the app's; path: the first that changed; seen_ms: when the last one did, monotonic. */
typedef void watcher_changed(void *owner, const char *name, const char *path, int64_t seen_ms);

/* Returns 0 or a negative errno; < 0: changed will not be called. */
int watcher_open(uv_loop_t *loop, watcher_changed *changed, void *owner, struct watcher **ret);

/* Ends it and sets the pointer to NULL, which is accepted too. */
void watcher_close(struct watcher **watcher);

/* From now on watches for these apps, which are not needed after that. What stays the same is not
 * disturbed, nor are changes that are about to be told of. Takes own, whose files do not count; it
 * is empty afterwards. Returns 0 or -ENOMEM. */
int watcher_set(struct watcher *watcher, const struct app *const *apps, size_t count,
                struct own_files *own);

/* True for an app that is to be watched for. Of one with a schedule each run takes what is there.
 */
bool watcher_wants(const struct app *app);

#endif
