#ifndef OPS_GUARD_MESSAGE_H
#define OPS_GUARD_MESSAGE_H
/*
 * One packet between supervisor and guard: a verb, names, and the descriptors that go with them.
 * guard.h says which verbs there are.
 */
#include <stddef.h>

#include "store.h"

enum {
    GUARD_DESCRIPTORS_MAX = 8, /* in one message */
    GUARD_MESSAGE_MAX = 16 + GUARD_DESCRIPTORS_MAX * (STORE_NAME_MAX + 1),
};

struct guard_message {
    char text[GUARD_MESSAGE_MAX + 1]; /* the verb, and each name after a newline */
    size_t length;
    int fds[GUARD_DESCRIPTORS_MAX];
    size_t fd_count;
    size_t next_fd; /* of a received message: the first that nobody took */
};

/* Begins a message. */
void guard_message_begin(struct guard_message *message, const char *verb);

/* Adds a name, and a descriptor unless fd is -1, which stays the caller's. Returns 0 or -EMSGSIZE.
 */
int guard_message_add(struct guard_message *message, const char *name, int fd);

/* Never blocks. Returns 0, -EAGAIN while the other end is behind with reading, or -EPIPE and the
 * like when there is none. */
int guard_message_send(int link, const struct guard_message *message);

/* Never blocks. Returns 1 with a message whose descriptors are the caller's, 0 when none waits, or
 * -EPIPE when none will ever come. *ret_cut tells that a descriptor found no room in this process.
 */
int guard_message_receive(int link, struct guard_message *ret, int *ret_cut);

/* The next descriptor of a received message, now the caller's; -1 when there is none. */
int guard_message_next(struct guard_message *message);

#endif
