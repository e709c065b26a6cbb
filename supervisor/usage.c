/* What a process uses, looked at as seldom as the figures allow. */
#include "usage.h"

/* Per mille of a millisecond. */
enum { MILLE_NS = 1000 };

bool usage_is_due(const struct usage *usage, int64_t now_ms)
{
    return !usage->at || now_ms - usage->at >= USAGE_WINDOW_MS;
}

/* Whether the kernel took pages since from anybody, or that is not known. */
static bool some_were_taken(const struct usage *usage, int64_t taken)
{
    return taken < 0 || taken != usage->memory_taken;
}

bool usage_memory_is_due(const struct usage *usage, struct usage_clues now, int64_t now_ms)
{
    return !usage->memory_at || now.cpu_ns != usage->memory_cpu_ns ||
           (some_were_taken(usage, now.taken) && now_ms - usage->memory_at >= USAGE_MEMORY_MS);
}

void usage_take_memory(struct usage *usage, int64_t bytes, struct usage_clues before,
                       int64_t now_ms)
{
    usage->memory_bytes = bytes;
    usage->memory_cpu_ns = before.cpu_ns;
    usage->memory_taken = before.taken;
    usage->memory_at = now_ms;
}

void usage_take_cpu(struct usage *usage, int64_t cpu_ns, int64_t started_ms, int64_t now_ms)
{
    int64_t passed = now_ms - (usage->at ? usage->at : started_ms);

    if (passed < USAGE_WINDOW_MS)
        return;
    if (cpu_ns >= usage->cpu_ns)
        usage->cpu_tenths = (uint64_t)((cpu_ns - usage->cpu_ns) / (passed * MILLE_NS));
    usage->cpu_ns = cpu_ns;
    usage->at = now_ms;
}
