/* Forks a keeper with what it has to know, as one block of memory outside of the heap, and with the
 * descriptors that it needs. */
#include "launch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "heap.h"
#include "slots.h"

/* The kernel refuses to execute a program with more than a quarter of the stack's limit (execve(2),
 * "Limits on size of arguments and environment"), 2 MiB as a rule. */
enum { BLOCK_BYTES = 8 << 20, ALIGN = 16 };

/* Its pages come and go. */
static char block[BLOCK_BYTES] __attribute__((aligned(HEAP_PAGE_BYTES)));

_Static_assert(BLOCK_BYTES % HEAP_PAGE_BYTES == 0, "nothing else is on its pages");

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
    struct packer packer = { block, block + sizeof block };
    struct keeper_task *copied;

    copied = copy(&packer, task, sizeof *task);
    copied->name = copy_text(&packer, task->name);
    copied->program = copy_text(&packer, task->program);
    copied->cgroup = copy_text(&packer, task->cgroup);
    copy_become(&packer, &copied->become);
    if (!packer.at) {
        (void)err_set(reterr, -E2BIG, "its arguments and its environment are too long");
        return NULL;
    }
    return copied;
}

/* --- the fork */

/* The descriptors of a task, in the order of the numbers that the keeper has for them (keeper.h).
 */
struct handed {
    int fds[KEEPER_PASS_FD - SLOTS_FIRST + BECOME_FDS_MAX + 1];
    size_t n;
    struct become_fd pass[BECOME_FDS_MAX]; /* the worker's, from there */
};

_Static_assert(sizeof((struct handed *)0)->fds <= SLOTS_MAX * sizeof(int), "each has a slot");

static void hand(struct handed *handed, int fd)
{
    handed->fds[handed->n++] = fd;
}

static void hand_all(struct handed *handed, struct keeper_task *task, int status, int go)
{
    struct become *become = &task->become;

    handed->n = 0;
    hand(handed, become->out_fd);
    hand(handed, become->err_fd);
    hand(handed, status);
    hand(handed, task->ready_fd);
    hand(handed, task->channel_fd);
    hand(handed, go);
    for (size_t i = 0; i < become->fd_count; i++) {
        hand(handed, become->fds[i].from);
        handed->pass[i] = (struct become_fd){ KEEPER_PASS_FD + (int)i, become->fds[i].to };
    }
    if (task->cgroups_fd >= 0) {
        hand(handed, task->cgroups_fd);
        task->cgroups_fd = KEEPER_PASS_FD + (int)become->fd_count;
    }
    become->input_empty = true;
    become->out_fd = KEEPER_OUT_FD;
    become->err_fd = KEEPER_ERR_FD;
    become->fds = handed->pass;
}

/* In the child every signal stays blocked: a keeper takes those that it waits for. */
static pid_t fork_keeper(const struct keeper_task *task, const struct handed *handed,
                         int *ret_pidfd)
{
    sigset_t all, before;
    pid_t pid;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    heap_stay_behind(block, sizeof block);
    pid = slots_fork(handed->fds, handed->n, ret_pidfd);
    if (pid == 0)
        keeper_main(task);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

pid_t launch_keeper(const struct keeper_task *task, int status, int go, int *ret_pidfd,
                    struct err *reterr)
{
    struct keeper_task given = *task;
    const struct keeper_task *packed;
    struct handed handed;
    pid_t pid;

    hand_all(&handed, &given, status, go);
    packed = launch_pack(&given, reterr);
    if (!packed)
        return -E2BIG;
    pid = fork_keeper(packed, &handed, ret_pidfd);
    return pid < 0 ? err_set(reterr, pid, "cannot fork: %s", strerror(-pid)) : pid;
}

void launch_forget(void)
{
    (void)madvise(block, sizeof block, MADV_DONTNEED);
}
