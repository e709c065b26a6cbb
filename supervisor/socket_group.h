#ifndef OPS_SOCKET_GROUP_H
#define OPS_SOCKET_GROUP_H
/*
 * The manifest's socket_group: besides root and opsd's owner its members may ask opsd for
 * everything, which is as much as being the owner. They get as far as the socket, and to nothing
 * else in the home.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "sources.h"

/* Adds what is wrong with the group of a manifest to problems, instead of any notes there. Returns
 * 0, or a negative errno. */
int socket_group_check(const struct manifest *manifest, bool own, struct buf *problems);

/* Has home, and the socket in it if there is one, follow what the manifests say by now. A group
 * that is gone since counts as none, and is logged. */
void socket_group_follow(struct home *home, const struct sources *sources);

/* Whether whoever connected at the other end of fd may ask for everything: is root, the owner, or
 * in the group, be it one of its supplementary groups. */
bool socket_group_admits(const struct home *home, int fd);

#endif
