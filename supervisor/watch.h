#ifndef OPS_WATCH_H
#define OPS_WATCH_H
/*
 * A descriptor watched for reading.
 */
#include <uv.h>

struct watch;

/* ready is called from the loop while fd is readable, or has come to its end. Returns 0 or a
 * negative errno; < 0: ready will not be called. fd should not block. */
int watch_open(uv_loop_t *loop, int fd, void (*ready)(void *owner), void *owner,
               struct watch **ret);

/* Ends it and sets the pointer to NULL, which is accepted too. Call before closing fd. */
void watch_close(struct watch **watch);

#endif
