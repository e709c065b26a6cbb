/* What whole trees of processes use, by one pass over proc(5) for all of them. */
#include "tree_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"
#include "procfs.h"
#include "text.h"

/* owner: a tree, or one of these. */
enum { OWNER_UNKNOWN = -1, OWNER_NOBODY = -2 };

struct process {
    pid_t pid, parent;
    int64_t cpu_ms;
    int owner;
};

struct processes {
    struct process *list;
    size_t count, room;
};

static int add(struct processes *all, const struct process *process)
{
    struct process *grown;

    if (all->count == all->room) {
        grown = realloc(all->list, (all->room * 2 + 256) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        all->list = grown;
        all->room = all->room * 2 + 256;
    }
    all->list[all->count++] = *process;
    return 0;
}

static int by_pid(const void *a, const void *b)
{
    const struct process *left = a, *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

static int list_all(struct processes *all)
{
    DIR *proc = opendir("/proc");
    struct proc_stat stat;
    struct dirent *entry;
    int64_t pid;
    int r = 0;

    if (!proc)
        return -errno;
    while (r == 0 && (entry = readdir(proc))) {
        if (text_to_int(entry->d_name, 1, INT32_MAX, &pid) < 0 ||
            procfs_stat((pid_t)pid, &stat) < 0)
            continue;
        r = add(all, &(struct process){ .pid = (pid_t)pid,
                                        .parent = stat.parent,
                                        .cpu_ms = stat.cpu_ms,
                                        .owner = OWNER_UNKNOWN });
    }
    (void)closedir(proc);
    if (all->count)
        qsort(all->list, all->count, sizeof *all->list, by_pid);
    return r;
}

static struct process *find(const struct processes *all, pid_t pid)
{
    struct process key = { .pid = pid };

    return all->count ? bsearch(&key, all->list, all->count, sizeof key, by_pid) : NULL;
}

static int tree_of(const struct tree_usage *trees, size_t count, pid_t root)
{
    for (size_t t = 0; t < count; t++)
        if (trees[t].root == root)
            return (int)t;
    return OWNER_UNKNOWN;
}

/* Whose child decides; where that is not known yet, whoever the parent belongs to. */
static void mark_children(const struct processes *all, const struct tree_usage *trees, size_t count)
{
    for (size_t i = 0; i < all->count; i++) {
        struct process *p = &all->list[i];

        p->owner = tree_of(trees, count, p->parent);
    }
}

/* Climbs to the first ancestor whose owner is known, and passes it down the way. Numbers are used
 * again, so what was read at different moments may even be a circle: no more steps than processes.
 */
static int settle(const struct processes *all, struct process *process)
{
    struct process *p = process, *end;
    size_t steps = 0;
    int owner;

    while (p && p->owner == OWNER_UNKNOWN && steps++ < all->count)
        p = find(all, p->parent);
    end = p;
    owner = p && p->owner != OWNER_UNKNOWN ? p->owner : OWNER_NOBODY;
    for (p = process; p && p != end && p->owner == OWNER_UNKNOWN; p = find(all, p->parent))
        p->owner = owner;
    return owner;
}

/* 0 for one that is gone. */
static int64_t memory_of(pid_t pid)
{
    OWN(close) int fd = -1;
    long long resident, shared;
    char text[256];
    ssize_t n;

    (void)snprintf(text, sizeof text, "/proc/%d/statm", (int)pid);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%*d %lld %lld", &resident, &shared) != 2 || resident < shared)
        return 0;
    return (resident - shared) * sysconf(_SC_PAGESIZE);
}

int tree_usage(struct tree_usage *trees, size_t count)
{
    struct processes all = { 0 };
    int r, owner;

    r = list_all(&all);
    for (size_t t = 0; t < count && r == 0; t++)
        trees[t] = (struct tree_usage){ .root = trees[t].root };
    if (r == 0)
        mark_children(&all, trees, count);
    for (size_t i = 0; i < all.count && r == 0; i++) {
        owner = settle(&all, &all.list[i]);
        if (owner < 0)
            continue;
        trees[owner].processes++;
        trees[owner].memory_bytes += memory_of(all.list[i].pid);
        trees[owner].cpu_ms += all.list[i].cpu_ms;
    }
    free(all.list);
    return r;
}
