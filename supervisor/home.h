#ifndef OPS_HOME_H
#define OPS_HOME_H
/*
 * The home directory: where one supervisor keeps its lock, socket and journal.
 *
 * Chosen by --home, else OPS_HOME, else .ops/ beside the nearest ecosystem.json upward from the
 * current folder, else ~/.ops. Its path may be of any length: everything inside is reached through
 * a descriptor of it, because a Unix socket's address holds 107 bytes (unix(7)).
 *
 * Its manifest is the one that was named, else the ecosystem.json beside a home called .ops, else
 * the nearest one upward; so whoever works on one project while standing in another mixes nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct home {
    char *path;          /* absolute */
    char *manifest;      /* the ecosystem.json that belongs to it; NULL when none was found */
    int fd;              /* of the directory, O_PATH or O_RDONLY; -1 until home_open */
    dev_t socket_device; /* of opsd.sock, the one that we listen on */
    ino_t socket_inode;  /* 0: none */
    bool followed;       /* socket_group is what the manifest says */
    bool shared;         /* the members of a group may get to the socket, too */
    gid_t shared_with;
    char *socket_group;      /* as the manifest calls it (socket_group.h); NULL: none */
    uint64_t look_at_log_ms; /* monotonic; not before then */
};

/* Decides on the paths without touching the disk beyond looking for ecosystem.json. The arguments
 * come from the command line and may be NULL. Returns 0, -ENOENT (a manifest was named that is not
 * there) or -ENOMEM. */
int home_find(const char *home, const char *manifest, struct home *ret, struct err *reterr);

/* Opens the directory; create makes it first (0700), and only then home_lock works. Returns 0 or
 * a negative errno. */
int home_open(struct home *home, bool create, struct err *reterr);

/* Takes the lock that only one supervisor can hold: flock(2) on the directory itself, so that no
 * deleted file can let a second one in. Returns 0 or -EWOULDBLOCK. */
int home_lock(const struct home *home);

/* Connects to the supervisor's socket. Returns the descriptor, non-blocking; -ENOENT or
 * -ECONNREFUSED when no supervisor runs; -EACCES when it is not ours to talk to; -EAGAIN when it
 * accepts no more for now. */
int home_connect(const struct home *home);

/* Lets the members of a group get to the socket, present and future, and to nothing else: the home
 * becomes theirs to pass through (0710), and opsd.sock theirs to connect to (0660). A home that its
 * owner opened wider stays as it is. Returns 0 or a negative errno. */
int home_share(struct home *home, gid_t group);

/* Takes that back. */
void home_unshare(struct home *home);

/* Binds and listens on opsd.sock (0600, or as home_share says), replacing a dead one; call with the
 * lock held. Returns the descriptor, non-blocking, or a negative errno. */
int home_listen(struct home *home);

/* For a listener that an earlier supervisor made: the opsd.sock that is there is its name, since
 * only whoever holds the lock makes one. Returns false when there is none any more. */
bool home_resume_listening(struct home *home);

/* Nobody can connect any more: takes opsd.sock out of the home. */
void home_stop_listening(const struct home *home);

/* Whether opsd.sock still is the socket that we listen on. */
bool home_is_listening(const struct home *home);

/* A descriptor that becomes readable when opsd.sock may have been removed or replaced, to be
 * emptied by home_watch_read; -errno. Costs nothing while nobody touches the home. */
int home_watch(const struct home *home);
void home_watch_read(int watch);

/* Leaves the caller's terminal, files and folder alone: stdin is empty from now on, stdout and
 * stderr are opsd.log in the home, which is opened anew. Returns 0 or a negative errno. */
int home_detach(int home_fd);

/* Puts opsd.log out of the way, as opsd.log.1 and on, when it has become too long. Returns whether
 * it did: then it is to be opened anew. */
bool home_rotate_log(struct home *home);

void home_done(struct home *home);

#endif
