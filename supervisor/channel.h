#ifndef OPS_CHANNEL_H
#define OPS_CHANNEL_H
/*
 * Node's IPC as a parent: process.send and process.on('message') of a worker.
 *
 * A socket pair whose other end the worker finds by NODE_CHANNEL_FD; each message is one line of
 * JSON, both ways (Node's documentation of child_process, "Advanced serialization"; "json" is the
 * default). Only short texts are of interest here, PM2's words "ready" and "shutdown"; whatever
 * else comes is read, so that the worker is never held up, and forgotten.
 *
 * It stays open for as long as the process runs: a Node worker that has listeners for it is told
 * 'disconnect' when it closes, and may take that for the end.
 */
#include <stdbool.h>
#include <uv.h>

struct channel;

enum {
    CHANNEL_WORD_MAX = 64, /* bytes of a message that is looked at */
};

/* Makes the pair: ours, which does not block, and the worker's, which does; both are closed by
 * exec. Returns 0 or a negative errno. */
int channel_pair(int *ret_ours, int *ret_worker);

/* Called from the loop with each message that is a text; must not close the channel. Returns false
 * to leave it in the channel, for whoever listens next, should we be killed: it comes again. */
typedef bool channel_word(void *owner, const char *text);

/* Listens to fd, which is the channel's from now on also when that fails. Returns 0 or a negative
 * errno. */
int channel_open(uv_loop_t *loop, int fd, channel_word *word, void *owner, struct channel **ret);

/* Sends a text. Returns 0 or a negative errno: -EAGAIN when the worker reads nothing, -EPIPE when
 * its end is closed. */
int channel_send(struct channel *channel, const char *text);

/* Closes it and sets the pointer to NULL, which is accepted too. */
void channel_close(struct channel **channel);

#endif
