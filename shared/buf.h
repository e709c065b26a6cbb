#ifndef OPS_BUF_H
#define OPS_BUF_H
/*
 * A byte buffer that grows up to a stated limit.
 *
 * Invariant: len <= max, and p[len] is '\0' once anything was added.
 * Owner:     whoever called buf_init; buf_done releases, and accepts a zeroed buf.
 * Errors:    an add that would pass max returns -EMSGSIZE and leaves the buffer as it was.
 */
#include <stddef.h>

struct buf {
    char *p;
    size_t len, cap, max;
};

/* Cannot fail and does not allocate. max leaves out the final '\0'. */
void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

/* Copies n bytes. Returns 0, -EMSGSIZE or -ENOMEM. */
int buf_add(struct buf *b, const void *bytes, size_t n);
int buf_add_text(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for n more bytes and returns where they go, or NULL; buf_grew tells how many came. */
char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

/* Drops the first n bytes. */
void buf_shift(struct buf *b, size_t n);

/* Hands the text over; the caller frees it. Returns NULL when nothing was ever added. */
char *buf_take(struct buf *b);

#define OWN_BUF __attribute__((cleanup(buf_done)))

#endif
