#ifndef OPS_STORE_H
#define OPS_STORE_H
/*
 * Descriptors with names, and the way they are handed through an exec: a list in a memory file that
 * is inherited along with them.
 *
 * Invariant: items are sorted by name, each name once; a fleet of a thousand has thousands.
 * Owner:     a store owns its descriptors (store_done closes them) unless only store_put and
 *            store_take are used; then it is a list of numbers that belong to others.
 */
#include <stddef.h>

enum { STORE_NAME_MAX = 200 };

struct store_item {
    int fd;
    char *name;
};

struct store {
    struct store_item *items;
    size_t count, room;
};

/* Notes a descriptor that stays somebody else's, in the place of what the name stood for before.
 * The name has 1 to STORE_NAME_MAX bytes and no newline. Returns 0, -EINVAL or -ENOMEM. */
int store_put(struct store *store, const char *name, int fd);

/* The same, but takes the descriptor, also on failure, and closes the one it replaces. */
int store_add(struct store *store, const char *name, int fd);

/* Returns the descriptor, which stays in the store, or -ENOENT. */
int store_find(const struct store *store, const char *name);

/* Removes the name and returns its descriptor, the caller's from now on, or -ENOENT. */
int store_take(struct store *store, const char *name);

/* Removes the name and closes its descriptor. */
void store_drop(struct store *store, const char *name);

/* Gives every descriptor below from another number, from there on. Returns 0 or a negative errno.
 */
int store_raise(struct store *store, int from);

/* Prepares for an exec: every descriptor, and *ret_fd, which lists them, will be inherited. One
 * that is not open any more is left out. Returns 0 or a negative errno; then nothing will be. */
int store_save(const struct store *store, int *ret_fd);

/* The exec failed: takes store_save's promise back and closes the list. */
void store_unsave(const struct store *store, int fd);

/* Reads what store_save wrote before the exec, takes fd and the descriptors in the list, and lets
 * no further exec inherit them. ret is an empty store. Returns 0, -EBADMSG, -ENOMEM or the errno
 * of reading. */
int store_load(int fd, struct store *ret);

/* Closes everything and frees; store_forget only frees. */
void store_done(struct store *store);
void store_forget(struct store *store);

#endif
