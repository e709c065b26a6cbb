/* A descriptor watched for reading. */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

struct watch {
    uv_poll_t poll;
    void (*ready)(void *owner);
    void *owner;
};

static void polled(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    (void)status;
    (void)events;
    watch->ready(watch->owner);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

int watch_open(uv_loop_t *loop, int fd, void (*ready)(void *owner), void *owner, struct watch **ret)
{
    struct watch *watch = calloc(1, sizeof *watch);
    int r;

    if (!watch)
        return -ENOMEM;
    r = uv_poll_init(loop, &watch->poll, fd);
    if (r < 0) {
        free(watch);
        return r;
    }
    watch->poll.data = watch;
    watch->ready = ready;
    watch->owner = owner;
    r = uv_poll_start(&watch->poll, UV_READABLE, polled);
    *ret = watch;
    if (r < 0)
        watch_close(ret);
    return r;
}

void watch_close(struct watch **watch)
{
    if (*watch)
        uv_close((uv_handle_t *)&(*watch)->poll, closed);
    *watch = NULL;
}
