/* What a keeper has to know, as one block of memory outside of the heap. */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* The kernel refuses to execute a program with more than a quarter of the stack's limit (execve(2),
 * "Limits on size of arguments and environment"), 2 MiB as a rule. */
enum { BLOCK_BYTES = 8 << 20, ALIGN = 16 };

static char *block; /* mapped once; its pages come and go */

/* Where the next thing goes; NULL once it does not fit. */
struct packer {
    char *at, *end;
};

static void *room(struct packer *packer, size_t n)
{
    char *place = packer->at;

    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (!place || n > (size_t)(packer->end - place)) {
        packer->at = NULL;
        return NULL;
    }
    packer->at += n;
    return place;
}

static void *copy(struct packer *packer, const void *bytes, size_t n)
{
    void *place = bytes ? room(packer, n) : NULL;

    return place ? memcpy(place, bytes, n) : NULL;
}

static char *copy_text(struct packer *packer, const char *text)
{
    return text ? copy(packer, text, strlen(text) + 1) : NULL;
}

/* The text at *watched is told of by its copy. */
static char **copy_texts(struct packer *packer, char *const *from, char **watched)
{
    size_t n = 0;
    char **list;

    while (from[n])
        n++;
    list = room(packer, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = copy_text(packer, from[i]);
        /* LISTEN_PID is filled in where the environment has it. */
        if (list[i] && *watched > from[i] && *watched <= from[i] + strlen(from[i]))
            *watched = list[i] + (*watched - from[i]);
    }
    if (list)
        list[n] = NULL;
    return list;
}

static const struct credentials *copy_who(struct packer *packer, const struct credentials *who)
{
    struct credentials *copied = copy(packer, who, sizeof *who);

    if (copied)
        copied->groups = copy(packer, who->groups, (size_t)who->group_count * sizeof *who->groups);
    return copied;
}

static void copy_become(struct packer *packer, struct become *become)
{
    char *none = NULL, **env;

    become->argv = copy_texts(packer, become->argv, &none);
    env = copy_texts(packer, become->env, &become->listen_pid);
    become->env = env;
    become->cwd = copy_text(packer, become->cwd);
    become->fds = copy(packer, become->fds, become->fd_count * sizeof *become->fds);
    become->who = copy_who(packer, become->who);
    become->bounds = copy(packer, become->bounds, sizeof *become->bounds);
}

const struct keeper_task *launch_pack(const struct keeper_task *task, struct err *reterr)
{
    struct packer packer;
    struct keeper_task *copied;

    if (!block) {
        block = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (block == MAP_FAILED) {
            block = NULL;
            (void)err_set(reterr, -ENOMEM, "out of memory");
            return NULL;
        }
    }
    packer = (struct packer){ block, block + BLOCK_BYTES };
    copied = copy(&packer, task, sizeof *task);
    copied->name = copy_text(&packer, task->name);
    copied->program = copy_text(&packer, task->program);
    copy_become(&packer, &copied->become);
    if (!packer.at) {
        (void)err_set(reterr, -E2BIG, "its arguments and its environment are too long");
        return NULL;
    }
    return copied;
}

void launch_forget(void)
{
    if (block)
        (void)munmap(block, BLOCK_BYTES);
}
