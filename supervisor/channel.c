/* Node's IPC as a parent. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "own.h"
#include "watch.h"

enum { READ_BYTES = 4096 };

struct channel {
    int fd;
    struct watch *watch;
    channel_word *word;
    void *owner;
    char line[CHANNEL_WORD_MAX + 1];
    size_t n;
    bool too_long; /* the rest of this line is of no interest */
};

int channel_pair(int *ret_ours, int *ret_worker)
{
    OWN(close) int ours = -1;
    OWN(close) int worker = -1;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ours = pair[0];
    worker = pair[1];
    if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    *ret_ours = take_fd(&ours);
    *ret_worker = take_fd(&worker);
    return 0;
}

/* A text is in quotes; one that holds an escape is no word of ours. Returns false when it is to
 * stay.
 */
static bool take_line(struct channel *c)
{
    bool taken = true;
    bool is_text = !c->too_long && c->n >= 2 && c->line[0] == '"' && c->line[c->n - 1] == '"' &&
                   !memchr(c->line, '\\', c->n);

    if (is_text) {
        c->line[c->n - 1] = '\0';
        taken = c->word(c->owner, c->line + 1);
    }
    c->n = 0;
    c->too_long = false;
    return taken;
}

static void take_byte(struct channel *c, char byte)
{
    if (c->n < CHANNEL_WORD_MAX)
        c->line[c->n++] = byte;
    else
        c->too_long = true;
}

/* Takes lines until one is to stay. Returns how many bytes were taken: of that one only what came
 * before these, for Node sends a message at once. */
static size_t take_bytes(struct channel *c, const char *bytes, size_t n)
{
    size_t begun = c->n, line = 0;

    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            take_byte(c, bytes[i]);
            continue;
        }
        if (!take_line(c)) {
            c->n = begun;
            return line;
        }
        begun = 0;
        line = i + 1;
    }
    return n;
}

/* One look a turn: a worker that talks without a pause does not keep the others waiting. recv(2)
 * drops descriptors that come along. */
static void readable(void *owner)
{
    struct channel *c = owner;
    char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_PEEK);
    size_t taken;

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        watch_close(&c->watch);
    taken = n > 0 ? take_bytes(c, bytes, (size_t)n) : 0;
    if (taken)
        (void)!recv(c->fd, bytes, taken, 0);
}

int channel_open(uv_loop_t *loop, int fd, channel_word *word, void *owner, struct channel **ret)
{
    struct channel *c = calloc(1, sizeof *c);
    int r = c ? 0 : -ENOMEM;

    if (c) {
        *c = (struct channel){ .fd = fd, .word = word, .owner = owner };
        r = watch_open(loop, fd, readable, c, &c->watch);
    }
    if (r < 0) {
        (void)close(fd);
        free(c);
        return r;
    }
    *ret = c;
    return 0;
}

int channel_send(struct channel *c, const char *text)
{
    char line[CHANNEL_WORD_MAX + 4];
    int n = snprintf(line, sizeof line, "\"%s\"\n", text);
    ssize_t sent;

    if (n >= (int)sizeof line)
        return -EMSGSIZE;
    sent = send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    /* Half a line would make nonsense of every later one, and there is room for a whole one unless
     * the worker has not read for long. */
    if (sent >= 0 && sent < n)
        return -EAGAIN;
    return sent < 0 ? -errno : 0;
}

void channel_close(struct channel **channel)
{
    struct channel *c = *channel;

    *channel = NULL;
    if (!c)
        return;
    watch_close(&c->watch);
    (void)close(c->fd);
    free(c);
}
