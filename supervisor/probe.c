/* Asking from outside whether a worker is ready: the table of kinds. */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>

#include "probe_kinds.h"

/* The others are told of, not asked for. */
static const struct probe_kind *const kinds[] = {
    [READY_TCP] = &probe_tcp,
    [READY_UNIX] = &probe_unix,
    [READY_HTTP] = &probe_http,
    [READY_EXEC] = &probe_exec,
};

static const struct probe_kind *kind_of(enum ready_kind kind)
{
    return (size_t)kind < sizeof kinds / sizeof *kinds ? kinds[kind] : NULL;
}

int64_t probe_every(enum ready_kind kind)
{
    return kind_of(kind) ? kind_of(kind)->every_ms : 0;
}

int probe_begin(const struct probe_ask *ask, struct probe **ret)
{
    const struct probe_kind *kind = kind_of(ask->kind);
    struct probe *probe;
    int r;

    if (!kind)
        return -EINVAL;
    probe = calloc(1, kind->size);
    if (!probe)
        return -ENOMEM;
    probe->kind = kind;
    probe->ask = *ask;
    r = kind->begin(probe);
    if (r == 0)
        *ret = probe;
    else
        probe_close(&probe);
    return r;
}

void probe_close(struct probe **probe)
{
    struct probe *closed = *probe;

    *probe = NULL;
    if (!closed)
        return;
    closed->ask.answered = NULL;
    closed->kind->end(closed);
}

void probe_answer(struct probe *probe, bool ready)
{
    void (*answered)(void *owner, bool ready) = probe->ask.answered;

    probe->ask.answered = NULL;
    if (answered)
        answered(probe->ask.owner, ready);
}
