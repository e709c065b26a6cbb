#ifndef OPS_PROBE_KINDS_H
#define OPS_PROBE_KINDS_H
/*
 * What the kinds of probes share: probe.c holds the table of them, each kind a file.
 */
#include <stdbool.h>
#include <stddef.h>

#include "probe.h"

/* A kind's own structure begins with this one. */
struct probe {
    const struct probe_kind *kind;
    struct probe_ask ask;
};

struct probe_kind {
    int64_t every_ms;
    size_t size;
    /* As probe_begin; end is called as well when it does not return 0. */
    int (*begin)(struct probe *probe);
    /* Ends the try, however far it got, and frees the probe, now or later. */
    void (*end)(struct probe *probe);
};

extern const struct probe_kind probe_tcp, probe_unix, probe_http, probe_exec;

/* Tells the owner, who closes the probe. */
void probe_answer(struct probe *probe, bool ready);

#endif
