/* What an instance's process uses, measured when somebody asks. */
#include "instance_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include "fleet.h"
#include "instant.h"
#include "procfs.h"

/* Descriptors are for starting workers first. The kernel gives the lowest number that is free:
 * while that is in the lower half of what is allowed, about as many again can be opened. */
static bool is_spare(int fd)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < limit.rlim_cur / 2;
}

void instance_usage_begin(struct instance *i)
{
    int fd;

    instance_usage_end(i);
    i->cpu_clock = procfs_cpu_clock(i->pid);
    fd = procfs_memory_open(i->pid);
    if (fd >= 0 && !is_spare(fd))
        (void)close(fd);
    else if (fd >= 0)
        i->memory_fd = fd;
}

void instance_usage_end(struct instance *i)
{
    if (i->memory_fd >= 0)
        (void)close(i->memory_fd);
    i->memory_fd = -1;
    i->cpu_clock = PROCFS_NO_CLOCK;
}

/* One look for all of a fleet: whoever asks, asks for all at once. */
static int64_t pages_taken(struct reclaim *reclaim, int64_t now)
{
    if (!reclaim->at || now - reclaim->at >= USAGE_WINDOW_MS) {
        reclaim->taken = procfs_pages_taken();
        reclaim->at = now;
    }
    return reclaim->taken;
}

static int read_memory(const struct instance *i, int64_t *ret_bytes)
{
    return i->memory_fd >= 0 ? procfs_memory_read(i->memory_fd, ret_bytes)
                             : procfs_memory(i->pid, ret_bytes);
}

int instance_usage_measure(struct instance *i)
{
    int64_t now = (int64_t)monotonic_now_ms(), bytes;
    struct usage_clues clues;
    int r;

    if (!usage_is_due(&i->usage, now))
        return 0;
    r = procfs_cpu(i->cpu_clock, &clues.cpu_ns);
    if (r < 0)
        return r;
    clues.taken = pages_taken(&i->fleet->reclaim, now);
    if (usage_memory_is_due(&i->usage, clues, now)) {
        r = read_memory(i, &bytes);
        if (r < 0)
            return r;
        usage_take_memory(&i->usage, bytes, clues, now);
    }
    usage_take_cpu(&i->usage, clues.cpu_ns, i->machine.started_ms, now);
    return 0;
}
